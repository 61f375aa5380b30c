"""A caller made of audio files: sends at real-time pace, silence included, like a microphone that is never off."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

from parley.errors import CallError, CallMisused
from services.common.audio import AudioFormat

if TYPE_CHECKING:
    from parley.client import Conversation

FRAME_MS = 20
_ENDED = "the call ended before everything was said"


class Microphone:
    """Feeds a call for as long as the `async with` lasts.

    A frame is sent when its last sample would have been recorded. The microphone falls silent by itself when the call
    ends.
    """

    def __init__(self, call: Conversation, frame_ms: int = FRAME_MS) -> None:
        self._call = call
        self._frame_s = frame_ms / 1000
        self._frame_bytes = AudioFormat(call.sample_rate_hz).byte_count(frame_ms)
        self._pending: deque[tuple[bytes, asyncio.Future[float]]] = deque()
        self._position = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="microphone")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        assert self._task is not None  # noqa: S101 - set by __aenter__
        self._task.cancel()
        (outcome,) = await asyncio.gather(self._task, return_exceptions=True)
        if kind is None and isinstance(outcome, Exception):
            raise outcome

    async def say(self, pcm: bytes) -> float:
        """Say `pcm` after what is being said already. Returns the call's clock (ms) when its last sample was sent.

        Raises CallMisused where the call ends before that.
        """
        if self._task is None or self._task.done():
            raise CallMisused(_ENDED)
        done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._pending.append((pcm, done))
        return await done

    @property
    def is_silent(self) -> bool:
        """Whether nothing waits to be said."""
        return not self._pending

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        finished: list[asyncio.Future[float]] = []
        try:
            while not self._call.has_ended:
                due_s += self._frame_s
                await asyncio.sleep(due_s - loop.time())
                frame, finished = self._next_frame()
                try:
                    await self._call.send_audio(frame)
                except CallError:
                    if self._call.has_ended:
                        return  # whoever iterates over the call is told why
                    raise
                for done in finished:
                    if not done.done():
                        done.set_result(self._call.elapsed_ms)
        finally:
            for done in (*finished, *(done for _, done in self._pending)):
                if not done.done():
                    done.set_exception(CallMisused(_ENDED))
            self._pending.clear()

    def _next_frame(self) -> tuple[bytes, list[asyncio.Future[float]]]:
        frame = bytearray()
        finished = []
        while self._pending and len(frame) < self._frame_bytes:
            pcm, done = self._pending[0]
            piece = pcm[self._position : self._position + self._frame_bytes - len(frame)]
            frame += piece
            self._position += len(piece)
            if self._position >= len(pcm):
                finished.append(done)
                self._pending.popleft()
                self._position = 0
        return bytes(frame.ljust(self._frame_bytes, b"\0")), finished
