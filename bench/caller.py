"""A caller for the measurements with real engines: speaks recordings in real time, and notes when what was said."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from parley import events
from parley.client import Conversation
from parley.errors import CallError
from parley.listener import Listener, WaitedTooLong

RATE_HZ = 16000
FRAME_MS = 20
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2
WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """When a recording was spoken, on the call's clock, in ms: where a microphone would have recorded it."""

    start_ms: float
    end_ms: float


class Caller:
    """One call, from `async with` on: a microphone that never stops, and a listener.

    The microphone's clock is ideal: frame n is due 20 ms after frame n-1, and a frame sent late counts as recorded when
    it was due. What is late at the client then makes a latency larger, never smaller.
    """

    def __init__(self, target: str, agent: str) -> None:
        self.call = Conversation(target, agent=agent, sample_rate_hz=RATE_HZ)
        self.listener = Listener(self.call, self._note)
        self.heard: list[events.Event] = []
        """All events so far, without the audio itself."""
        self.first_audio_ms: dict[int, float] = {}
        """By epoch: when the turn's first audio arrived."""
        self._pending: deque[bytes] = deque()
        self._said: asyncio.Future[float] | None = None
        self._speaking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.call.__aenter__()
        await self.listener.__aenter__()
        self._speaking = asyncio.create_task(self._speak(), name="microphone")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
        await self.listener.__aexit__(kind, error, trace)
        await self.call.__aexit__(kind, error, trace)

    async def say(self, pcm: bytes) -> Spoken:
        """Speak a recording; return when that was, once its last sample is sent."""
        frames = [pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0") for at in range(0, len(pcm), FRAME_BYTES)]
        self._said = asyncio.get_running_loop().create_future()
        self._pending.extend(frames)
        end_ms = await self._said
        start_ms = end_ms - len(frames) * FRAME_MS
        return Spoken(start_ms, start_ms + len(pcm) * 1000 / (2 * RATE_HZ))

    async def until(self, condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
        """Wait for a condition on what was heard. Raises WaitedTooLong, also where the call ends before."""
        if not await self.listener.until(condition, timeout_s, what):
            raise WaitedTooLong(f"the call ended before: {what} ({self.listener.failure})")

    async def agent_is_done(self, quiet_ms: float = 450.0) -> None:
        """Wait until the agent has finished."""
        await self.until(lambda: self.listener.agent_is_done(quiet_ms), "the agent has finished")

    async def greeted(self) -> None:
        """Wait until the greeting is over."""
        await self.until(lambda: bool(self.call.turns), "the agent greets")
        await self.agent_is_done()

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        silence = bytes(FRAME_BYTES)
        due_s = loop.time()
        while not self.call.has_ended:
            due_s += FRAME_MS / 1000
            await asyncio.sleep(due_s - loop.time())
            frame = self._pending.popleft() if self._pending else silence
            try:
                await self.call.send_audio(frame)
            except CallError:
                return  # the listener knows why
            if frame is not silence and not self._pending and self._said is not None and not self._said.done():
                self._said.set_result(self.call.elapsed_ms - (loop.time() - due_s) * 1000)

    def _note(self, event: events.Event) -> None:
        if isinstance(event, events.AgentAudio):
            self.first_audio_ms.setdefault(event.turn_epoch, event.at_ms)
        else:
            self.heard.append(event)
