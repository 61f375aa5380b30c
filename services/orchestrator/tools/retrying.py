"""Another attempt where one failed and a tool may be tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.orchestrator.tools.base import Unreached

BACKOFF_MS = 100
"""Before the second attempt; doubled before each further one."""


async def attempted(attempt: Callable[[], Awaitable[str]], attempts: int) -> str:
    """Return what an attempt returns, of at most `attempts`. Raises Unreached once all have failed so.

    It has no deadline of its own: whoever calls it keeps the tool's, over all attempts and the pauses between them.
    """
    for number in range(1, attempts):
        try:
            return await attempt()
        except Unreached:
            await asyncio.sleep(BACKOFF_MS * 2 ** (number - 1) / 1000)
    return await attempt()
