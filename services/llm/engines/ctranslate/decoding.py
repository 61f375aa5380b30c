"""Token by token out of CTranslate2: a generation runs in a thread, and what it makes is taken without waiting for it.

The library's own `async_generate_tokens` iterates a blocking queue on the event loop; a callback does not.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import ctranslate2

from services.common.errors import EngineDead, EngineFault, ParleyError

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 10
"""A generation stops at its next token. Before the first one the prompt is computed, which cannot be interrupted."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to generate."""

    prompt: list[str]
    """Its last tokens, at least one, after those of `static_prompt`."""
    static_prompt: list[str]
    """Tokens whose state is kept for the next generation that begins with them; empty: nothing is kept."""
    end_ids: list[int]
    max_tokens: int
    temperature: float
    """0 is greedy."""
    top_p: float
    top_k: int
    """0 considers all tokens."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token, as the model made it."""

    id: int
    is_last: bool


def run(generator: ctranslate2.Generator, order: Order, on_token: Callable[[Token], bool]) -> None:
    """Generate, calling `on_token` in the library's thread for each token until it returns True or the end.

    Blocks, without holding the interpreter's lock. Raises EngineFault, or EngineDead for a GPU that is lost.
    """

    def on_step(step: Any) -> bool:
        return on_token(Token(step.token_id, step.is_last))

    is_greedy = order.temperature == 0
    try:
        generator.generate_batch(
            [order.prompt],
            static_prompt=order.static_prompt or None,
            include_prompt_in_result=False,
            end_token=order.end_ids,
            max_length=order.max_tokens,
            sampling_topk=1 if is_greedy else order.top_k,
            sampling_topp=order.top_p,
            sampling_temperature=1 if is_greedy else order.temperature,
            callback=on_step,
        )
    except Exception as error:
        raise _fault_of(error) from None


class Decoding:
    """One generation in a thread of `threads`. `on_end` is called on the event loop once the thread is free again."""

    def __init__(
        self,
        threads: ThreadPoolExecutor,
        generator: ctranslate2.Generator,
        order: Order,
        on_end: Callable[[], None],
        queue_us: int,
    ) -> None:
        self.queue_us = queue_us
        """How long it waited for the thread."""
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._arrived: list[Token] = []
        self._news = asyncio.Event()
        self._thread = self._loop.run_in_executor(threads, run, generator, order, self._on_token)
        self._on_end = on_end
        self._thread.add_done_callback(self._ended)

    def _ended(self, _: asyncio.Future[None]) -> None:
        self._news.set()
        self._on_end()

    def _on_token(self, token: Token) -> bool:
        if self._stop.is_set():
            return True
        self._loop.call_soon_threadsafe(self._put, token)
        return False

    def _put(self, token: Token) -> None:
        self._arrived.append(token)
        self._news.set()

    async def tokens(self) -> AsyncGenerator[list[Token], None]:
        """Yield what has been made since the last time; a slow reader never holds up the model. Raises as `run`."""
        while not self._thread.done():
            await self._news.wait()
            self._news.clear()
            if self._arrived:
                arrived, self._arrived = self._arrived, []
                yield arrived
        # The last tokens were put before the thread's end was told.
        if self._arrived:
            yield self._arrived
        self._thread.result()

    async def aclose(self) -> None:
        """Stop the generation and wait until its thread is free."""
        self._stop.set()
        _, running = await asyncio.wait({self._thread}, timeout=STOP_TIMEOUT_S)
        if running:
            log.error("a generation does not stop; its place stays taken", extra={"timeout_s": STOP_TIMEOUT_S})
        elif not self._thread.cancelled():
            self._thread.exception()  # told already, or nobody is left to tell


def _fault_of(error: Exception) -> ParleyError:
    if isinstance(error, RuntimeError) and "CUDA" in str(error):
        return EngineDead(f"the GPU failed: {error}")  # a CUDA error leaves the process unable to use the device
    return EngineFault(f"CTranslate2 failed ({type(error).__name__}): {str(error)[:200]}")
