"""Turns out of the stream that orchestrators keep in Redis."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from parley.errors import LatencyError
from parley.latency.budget import LINE_NAMES
from parley.latency.statistics import Turn
from services.common.turn_log import STREAM, TurnEntry

DEADLINE_S = 5.0
PAGE = 1000


def turns_of_redis(url: str, *, session_id: str = "", since_s: float | None = None) -> tuple[list[Turn], int]:
    """Return the turns that answered speech, and how many others there were. Raises LatencyError.

    `since_s`: only those logged so long ago, or less, by the Redis server's clock.
    """
    try:
        import redis
    except ImportError as error:
        raise LatencyError("the redis package is missing: pip install -e '.[orchestrator]' in the checkout") from error
    found: dict[tuple[str, int], Turn] = {}
    others: set[tuple[str, int]] = set()
    try:
        with redis.Redis.from_url(
            url, socket_timeout=DEADLINE_S, socket_connect_timeout=DEADLINE_S, decode_responses=True
        ) as client:
            for at_s, entry in _entries(client, since_s):
                if session_id not in ("", entry.session_id):
                    continue
                # A turn whose writing was not confirmed may be there twice.
                key = entry.session_id, entry.epoch
                if entry.response_ms > 0 and set(entry.lines_ms) <= set(LINE_NAMES):  # and no line of another release
                    found[key] = Turn(
                        entry.lines_ms,
                        entry.session_id,
                        entry.agent,
                        entry.epoch,
                        entry.outcome,
                        at_s,
                        entry.hidden_ms,
                    )
                else:
                    others.add(key)
    except (redis.RedisError, ValueError, OSError) as error:
        raise LatencyError(f"the turns cannot be read from Redis: {error}") from error
    return list(found.values()), len(others - set(found))


def _entries(client: Any, since_s: float | None) -> Iterator[tuple[float, TurnEntry]]:
    begin = "-"
    if since_s is not None:
        seconds, microseconds = client.time()
        begin = str(max(0, round((seconds + microseconds / 1e6 - since_s) * 1000)))
    while page := client.xrange(STREAM, min=begin, count=PAGE):
        for entry_id, fields in page:
            with contextlib.suppress(ValueError):  # another release's, in the days around an update
                yield int(entry_id.partition("-")[0]) / 1000, TurnEntry.from_fields(fields)
        begin = f"({page[-1][0]}"
