"""A fake for tests and benchmarks, declared as such: any sample that is not zero is speech; silence ends each turn.

It costs next to nothing a chunk, and it decides by the chunk: the first chunk with sound starts speech, the first
silent one stops it and announces the end of the turn, which comes after a settable silence whatever is said.
"""

from __future__ import annotations

import asyncio
from typing import Final

from services.common.audio import BYTES_PER_SAMPLE
from services.common.errors import EngineDead
from services.turn.engine import Capabilities, Completeness, Frame, Heard
from services.turn.gate import GateRules
from services.turn.settings import TurnSettings

_GATE: Final = GateRules(onset_frames=1, stop_silence_ms=0.0)


class FakeTurn:
    """Deterministic stand-in for an engine, with settable delays and failures."""

    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self._capabilities = Capabilities(
            engine="fake",
            model="fake (any sound is speech)",
            capacity_streams=settings.max_streams,
            uses_audio_model=False,
            gate=_GATE,
            fixed_delay_ms=settings.fake_end_of_turn_ms,
        )

    @property
    def capabilities(self) -> Capabilities:
        """What it is."""
        return self._capabilities

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to release."""

    def open(self, sample_rate_hz: int) -> FakeStream:
        """Open a stream."""
        return FakeStream(self._settings, sample_rate_hz)


class FakeStream:
    """One stream of the fake."""

    def __init__(self, settings: TurnSettings, sample_rate_hz: int) -> None:
        self._ms_per_byte = 1000 / (BYTES_PER_SAMPLE * sample_rate_hz)
        self._delay_s = settings.fake_delay_ms / 1000
        self._failure = settings.fake_failure
        self._failure_after_ms = settings.fake_failure_after_ms
        self._bytes = 0
        self._end_ms = 0.0

    async def hear(self, pcm: bytes) -> Heard:
        """Return the chunk as one frame: 1 with any sound in it, else 0."""
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        speech = 1.0 if pcm.strip(b"\0") else 0.0
        start_ms = self._end_ms
        self._bytes += len(pcm)
        self._end_ms = end_ms = self._bytes * self._ms_per_byte
        if self._failure != "none" and end_ms >= self._failure_after_ms:
            speech = await self._fail()
        return Heard((Frame(start_ms, end_ms, speech),))

    async def judge(self, onset_ms: float) -> Completeness | None:
        """Return None: it has no audio model."""
        return None

    def close(self) -> None:
        """Nothing to release."""

    async def _fail(self) -> float:
        match self._failure:
            case "die":
                raise EngineDead("the fake engine died, as it was set to")
            case "hang":
                await asyncio.Event().wait()
        return float("nan")
