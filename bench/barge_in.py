"""Speaking over the agent, with the embedded default engines: out/bench/barge_in.json. See bench/README.md."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import observed
from bench.caller import RATE_HZ, Caller
from bench.heard import Phrasebook, likeliest_words
from bench.onset import onset_ms
from bench.stack import OUT, Stack, running
from bench.tap import Tap
from bench.trial import Seen, Trial, summary
from parley import events
from parley.errors import CallError
from parley.listener import WaitedTooLong
from parley.speech import synthesise

AGENT = "appointments"
AGENT_VOICE, AGENT_LANGUAGE = "en-gb", "en-US"
VOICES = ("en-us", "en-us+f3", "en-us+m1", "en-gb+f2", "en-us+f5")
SENTENCES = (
    "what treatments do you offer",
    "what services do you offer",
    "please tell me about your treatments",
    "which treatments do you offer",
)
"""All of them are answered at length, so an answer to what interrupted an answer is interrupted in turn."""
WORD_DELAY_MS = "120"
"""The rules engine pauses between words, so that it is still at work when it is interrupted, as a model would be."""
AFTER_MS = (400, 4000)
"""How much of the answer is heard before the caller speaks up."""
SLOW = {
    "PARLEY_LLM_RULES_WORD_DELAY_MS": WORD_DELAY_MS,
    "PARLEY_TTS_ENGINE": "fake",
    "PARLEY_TTS_FAKE_REAL_TIME_FACTOR": "0.7",
    "PARLEY_TTS_FAKE_CHUNK_MS": "100",
}
"""espeak makes a phrase in 5 ms and is hardly ever caught at work: the fake takes most of the audio's own length."""
TRIALS, SLOW_TRIALS, TRIALS_A_CALL = 50, 8, 10
SEED = 7
Recordings = Mapping[str, Sequence[bytes]]
"""By voice, each of SENTENCES."""
SETTLE_S = 0.3
"""After a turn is over: what is late shows itself."""


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Measure with the embedded default, then a few times with synthesis that is slow enough to be interrupted too."""
    result, recordings = await _measure(
        Part("barge_in", {"PARLEY_LLM_RULES_WORD_DELAY_MS": WORD_DELAY_MS}, 6 if quick else TRIALS)
    )
    slow, _ = await _measure(Part("barge_in_slow", SLOW, 3 if quick else SLOW_TRIALS), recordings)
    return result | {"slow_engines": slow}


@dataclass(frozen=True, slots=True)
class Part:
    """One set of engines, and how often they are interrupted."""

    name: str
    environment: Mapping[str, str]
    trials: int


async def _measure(part: Part, recordings: Recordings | None = None) -> tuple[dict[str, Any], Recordings]:
    """Hold calls with many interruptions each, one call after the other, and return what was measured.

    Without `recordings` the synthesis service under test speaks the caller's sentences too; they are returned.
    """
    folder = OUT / part.name / "observed"
    chance = random.Random(SEED)
    trials: list[Trial] = []
    failures: list[str] = []
    stale = 0
    async with Tap(("turn", "llm", "tts")) as tap:
        observing = {f"BENCH_OBSERVED_{name.upper()}": str(folder / name) for name in ("llm", "tts")}
        environment = dict(part.environment) | tap.environment() | observing
        modules = {"llm": "bench.observed_llm", "tts": "bench.observed_tts"}
        async with running(part.name, environment, modules, tap.lead_to) as stack:
            recordings = recordings or await _record(stack)
            book = Phrasebook(stack.target("tts"), voice=AGENT_VOICE, language=AGENT_LANGUAGE, sample_rate_hz=RATE_HZ)
            for number, first in enumerate(range(0, part.trials, TRIALS_A_CALL)):
                voice = VOICES[number % len(VOICES)]
                call = _Call(stack, tap, book, folder, voice, recordings[voice], chance)
                try:
                    await call.hold(min(TRIALS_A_CALL, part.trials - first), trials)
                except (CallError, WaitedTooLong) as error:
                    failures.append(str(error))
                stale += call.stale_frames
    return summary(trials, failures, stale), recordings


async def _record(stack: Stack) -> Recordings:
    return {
        voice: await synthesise(stack.target("tts"), SENTENCES, voice=voice, sample_rate_hz=RATE_HZ) for voice in VOICES
    }


class _Call:
    """One call with its trials."""

    def __init__(
        self,
        stack: Stack,
        tap: Tap,
        book: Phrasebook,
        folder: Path,
        voice: str,
        recordings: Sequence[bytes],
        chance: random.Random,
    ) -> None:
        self._stack = stack
        self._tap = tap
        self._book = book
        self._folder = folder
        self._voice = voice
        self._recordings = recordings
        self._chance = chance
        self.stale_frames = 0

    async def hold(self, trials: int, into: list[Trial]) -> None:
        recordings = self._recordings
        caller = Caller(self._stack.target("orchestrator"), AGENT)
        try:
            async with caller:
                await caller.greeted()
                await caller.say(recordings[0])
                for number in range(trials):
                    epoch, heard_ms = await self._listen(caller)
                    into.append(await self._interrupt(caller, epoch, heard_ms, recordings[(number + 1) % 4]))
        finally:
            self.stale_frames = caller.call.playback.stale_frames

    async def _listen(self, caller: Caller) -> tuple[int, int]:
        """Wait until a random part of the next answer is heard; return its epoch and how much was heard."""
        newest = max((turn.turn_epoch for turn in caller.call.turns), default=0)
        wanted_ms = self._chance.randint(*AFTER_MS)
        playback = caller.call.playback

        def heard() -> bool:
            return playback.position.turn_epoch > newest and playback.position.played_ms >= wanted_ms

        await caller.until(heard, f"{wanted_ms} ms of an answer are heard")
        return playback.position.turn_epoch, wanted_ms

    async def _interrupt(self, caller: Caller, epoch: int, heard_ms: int, pcm: bytes) -> Trial:
        call = caller.call
        first_event, first_passed = len(caller.heard), len(self._tap.log)
        spoken = await caller.say(pcm)
        await caller.until(lambda: any(turn.turn_epoch == epoch for turn in call.turns), f"turn {epoch} is over")
        await asyncio.sleep(SETTLE_S)
        passed = self._tap.log[first_passed:]
        turn = next(turn for turn in call.turns if turn.turn_epoch == epoch)
        said = await self._book.of(_phrases(caller.heard, epoch))
        seen = Seen(
            onset_ms=spoken.start_ms + onset_ms(pcm, RATE_HZ),
            paused_ms=_at(caller.heard[first_event:], events.PlaybackPaused, epoch),
            cleared_ms=_at(caller.heard[first_event:], events.PlaybackCleared, epoch),
            call_clock_ms=call.elapsed_ms - time.monotonic() * 1000,
            passed=passed,
            llm=observed.read(self._folder / "llm"),
            tts=observed.read(self._folder / "tts"),
        )
        told = turn.heard_text.split()
        played_ms = call.playback.position_of(epoch).played_ms
        return Trial(
            self._voice,
            heard_ms,
            outcome="interrupted" if turn.interrupted else turn.outcome or "answered in full",
            times_ms=seen.times_ms(epoch),
            llm_was_running=seen.llm_was_running,
            tts_audio_after_cancel=seen.tts_audio_after_cancel(epoch),
            expected_words=tuple(likeliest_words(said, played_ms, told)),
            heard_words=tuple(told),
        )


def _phrases(heard: Sequence[events.Event], epoch: int) -> list[str]:
    """Return what the agent meant to say in a turn, phrase by phrase."""
    return [
        event.text
        for event in heard
        if isinstance(event, events.Transcript) and event.speaker is events.Speaker.AGENT and event.turn_epoch == epoch
    ]


def _at(
    heard: Sequence[events.Event], kind: type[events.PlaybackPaused | events.PlaybackCleared], epoch: int
) -> float | None:
    return next((event.at_ms for event in heard if isinstance(event, kind) and event.turn_epoch == epoch), None)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(quick="--quick" in sys.argv)), indent=2))
