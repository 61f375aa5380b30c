"""The callers of the endpointing bench: calls of several turns each, made with espeak-ng by a seed.

Each caller has a voice, a pace and a habit of pausing. A pause is cut into the sentence as it was synthesised, so that
what comes before it does not fall as at an end; where a caller adds something, it does. How long pauses are is
log-normal, as measured in speech (Campione and Veronis, A large-scale multilingual study of silent pause duration,
Speech Prosody 2002), around each caller's own median: a typical pause lasts a quarter to half a second, and speakers
differ much (Lundholm Fors, Production and Perception of Pauses in Speech, Gothenburg 2015). The habits themselves are
ours.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.endpointing_lines import HELD_OUT, TUNING
from services.common.audio import StreamResampler
from services.common.expected import Expected
from services.tts.engines.espeak_library import EspeakLibrary, load_library

RATE_HZ = 16000
TUNING_SEED = 1
"""The seed that the figures of services/turn/adapting.py were chosen on: its callers have other voices and lines."""
LEAD_MS, TAIL_MS = 960, 3600
NOISE_DBFS = -60.0
TURNS = 12
_FADE_MS = 4
_AUDIBLE_DB = 30.0
"""Speech ends with the last sample within this of the loudest, as parley/measure.py has it."""
_SIGMA = 0.45
_FILLER_SHARE = 0.25
_TUNING_VOICES = ("gmw/en-US", "gmw/en-US+f2", "gmw/en", "gmw/en+m4", "gmw/en-GB-x-rp+f5")
_HELD_OUT_VOICES = ("gmw/en-US+m3", "gmw/en-US+f4", "gmw/en-GB-x-rp", "gmw/en+f3", "gmw/en-GB-scotland+m2")


class Habit(NamedTuple):
    """How one kind of caller pauses."""

    name: str
    share: float
    """Of the places where one may pause, in how many this caller does."""
    median_ms: float


HABITS = (Habit("brisk", 0.2, 250.0), Habit("ordinary", 0.4, 420.0), Habit("slow", 0.7, 750.0))


class Word(NamedTuple):
    """A word as it was spoken."""

    text: str
    end_ms: float


class Turn(NamedTuple):
    """One turn: LEAD_MS of silence, speech with pauses, TAIL_MS of silence."""

    pcm: bytes
    words: tuple[Word, ...]
    end_ms: float
    """Where the last speech ends."""
    pauses_ms: tuple[float, ...]
    expected: Expected
    gap_ms: float
    """How long after the agent's last word the caller begins."""


class Call(NamedTuple):
    """One caller's turns."""

    habit: str
    turns: tuple[Turn, ...]


def make_calls(seed: int, calls: int, turns: int = TURNS) -> Iterator[Call]:
    """Yield the calls of that seed; each kind of caller makes as many."""
    chance = random.Random(seed)
    is_tuning = seed == TUNING_SEED
    voices, lines = (_TUNING_VOICES, TUNING) if is_tuning else (_HELD_OUT_VOICES, HELD_OUT)
    for number in range(calls):
        habit = HABITS[number % len(HABITS)]
        speaker = _Speaker(load_library(), chance, habit, chance.choice(voices), chance.randrange(140, 205))
        yield Call(habit.name, tuple(speaker.say(*line) for line in _script(lines, chance, turns)))


def _script(
    lines: Mapping[Expected, tuple[str, ...]], chance: random.Random, turns: int
) -> Iterator[tuple[Expected, str]]:
    """Yield what is asked and answered: an open question every third time, the rest by turns."""
    left = {expected: chance.sample(said, len(said)) for expected, said in lines.items()}
    others = [expected for expected in left if expected is not Expected.ANYTHING]
    for number in range(turns):
        expected = Expected.ANYTHING
        if number % 3:
            weights = [len(left[other]) for other in others]
            expected = chance.choices(others, weights)[0]
        yield expected, left[expected].pop()


class _Speaker:
    def __init__(
        self, library: EspeakLibrary, chance: random.Random, habit: Habit, voice: str, words_per_minute: int
    ) -> None:
        self._library = library
        self._chance = chance
        self._habit = habit
        self._voice = voice
        self._words_per_minute = words_per_minute

    def say(self, expected: Expected, line: str) -> Turn:
        audio: list[npt.NDArray[np.float64]] = [np.zeros(LEAD_MS * RATE_HZ // 1000)]
        at_ms = float(LEAD_MS)
        words: list[Word] = []
        pauses_ms: list[float] = []
        for clause in self._clauses(line):
            for samples, spoken in self._pieces(clause):
                if words:
                    pauses_ms.append(self._pause_ms())
                    audio.append(np.zeros(round(pauses_ms[-1] * RATE_HZ / 1000)))
                    at_ms += len(audio[-1]) * 1000 / RATE_HZ
                words += [Word(word.text, at_ms + word.end_ms) for word in spoken]
                audio.append(samples)
                at_ms += len(samples) * 1000 / RATE_HZ
        audio.append(np.zeros(TAIL_MS * RATE_HZ // 1000))
        pcm = _on_a_line(np.concatenate(audio), self._chance.randrange(1 << 30))
        gap_ms = min(self._chance.lognormvariate(math.log(450), 0.4), LEAD_MS)
        return Turn(pcm, tuple(words), at_ms, tuple(pauses_ms), expected, gap_ms)

    def _clauses(self, line: str) -> list[str]:
        """Return the parts of a line that are said as if each were all, marks of hesitation left in."""
        clauses = [""]
        for part in re.split(r"\s*(/)\s*", line):
            if part != "/":
                clauses[-1] = f"{clauses[-1]} {part}".strip()
            elif self._chance.random() < self._habit.share:
                clauses.append("")
        return clauses

    def _pieces(self, clause: str) -> Iterator[tuple[npt.NDArray[np.float64], list[Word]]]:
        """Yield the clause as spoken, cut where this caller hesitates."""
        tokens: list[str] = []
        cuts: list[int] = []
        for part in clause.split("|"):
            if tokens and self._chance.random() < self._habit.share:
                tokens += ["um"] * (self._chance.random() < _FILLER_SHARE)
                cuts.append(len(tokens))
            tokens += part.split()
        samples, ends_ms = self._synthesise(tokens)
        for first, last in zip([0, *cuts], [*cuts, len(tokens)], strict=True):
            begin_ms = ends_ms[first - 1] if first else 0.0
            piece = samples[round(begin_ms * RATE_HZ / 1000) : round(ends_ms[last - 1] * RATE_HZ / 1000)]
            piece, cut_ms = _trimmed(piece)
            length_ms = len(piece) * 1000 / RATE_HZ
            yield (
                piece,
                [
                    Word(token, min(max(end_ms - begin_ms - cut_ms, 0.0), length_ms))
                    for token, end_ms in zip(tokens[first:last], ends_ms[first:last], strict=True)
                ],
            )

    def _synthesise(self, tokens: list[str]) -> tuple[npt.NDArray[np.float64], list[float]]:
        """Return the samples, and where each word ends."""
        text = " ".join(tokens)
        speech = self._library.speak(
            text,
            voice_file=self._voice,
            words_per_minute=self._words_per_minute,
            phonemes=False,
            should_stop=lambda _: False,
        )
        pcm = StreamResampler(self._library.sample_rate_hz, RATE_HZ).process(speech.samples.tobytes(), last=True)
        samples = np.frombuffer(pcm, "<i2").astype(np.float64) / 32768
        length_ms = len(samples) * 1000 / RATE_HZ
        ends_ms, at = [], 0
        for token in tokens:
            at += len(token)
            later = [mark.at_ms for mark in speech.marks if mark.position >= at]
            ends_ms.append(min(min(later, default=length_ms), length_ms))
            at += 1
        return samples, ends_ms

    def _pause_ms(self) -> float:
        return max(120.0, self._chance.lognormvariate(math.log(self._habit.median_ms), _SIGMA))


def _trimmed(samples: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float]:
    """Return the samples without what is too quiet at both ends, and how much went in front."""
    loud = np.flatnonzero(np.abs(samples) >= np.abs(samples).max(initial=1e-9) * 10 ** (-_AUDIBLE_DB / 20))
    kept = samples[loud[0] : loud[-1] + 1].copy()
    fade = np.linspace(0, 1, min(_FADE_MS * RATE_HZ // 1000, len(kept) // 2))
    kept[: len(fade)] *= fade
    kept[len(kept) - len(fade) :] *= fade[::-1]
    return kept, float(loud[0]) * 1000 / RATE_HZ


def _on_a_line(samples: npt.NDArray[np.float64], seed: int) -> bytes:
    noise = np.random.default_rng(seed).standard_normal(len(samples)) * 10 ** (NOISE_DBFS / 20)
    return (np.clip(samples + noise, -1, 1) * 32767).astype("<i2").tobytes()
