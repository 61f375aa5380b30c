"""espeak-ng: the embedded default. No download, no GPU, about a hundred languages; clear rather than natural."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from services.common.audio import Int16, StreamResampler
from services.common.errors import EngineDead
from services.tts.engine import Capabilities, Pronunciation, Rendered, SpeakerConfig, WordTiming
from services.tts.engines.espeak_ipa import to_espeak
from services.tts.engines.espeak_library import EspeakLibrary, load_library
from services.tts.engines.espeak_voices import ChosenVoice, VoiceCatalogue
from services.tts.settings import TtsSettings
from services.tts.text import Phrase, Span, Substitution, divide, ends_clause, ends_sentence
from services.tts.timing import Mark, word_bounds

log = logging.getLogger(__name__)
T = TypeVar("T")
Float64 = npt.NDArray[np.float64]

_WORDS_PER_MINUTE = 175
"""espeakRATE_NORMAL. Half and double of it lie within the library's 80 to 450."""
_MAX_SEGMENT_CHARS = 240
"""A longer phrase is rendered in parts, so that it holds the library for about 15 ms at a time and others get turns."""
_MAX_SEGMENT_S = 60
"""Speech is 15 s a segment; hundreds of digits or of characters it has to spell out are minutes, and are cut here."""
_QUIET = 64
"""-54 dB of full scale: below it, a sample at either end of a phrase is silence. The voice peaks near full scale."""
_LEAD_IN_MS = 5
"""Kept before the first sound. espeak-ng gives 0 to 50 ms: the closure of a stop, which nobody hears as speech."""
_SENTENCE_PAUSE_MS = 200
_CLAUSE_PAUSE_MS = 100
_NO_PAUSE_MS = 15
"""Silence after a phrase at speed 1, by its last mark. espeak-ng's own: 300 ms, or 7 where it is off."""
_LINE_END = re.compile(r"(\w[ \t]*)\n")
_ABORT_GRACE_S = 5.0
_WARM_UP = Phrase("ready", (Span(0, 5),))


class EspeakEngine:
    """Renders phrases one at a time on one thread, in the order in which streams asked."""

    def __init__(self, settings: TtsSettings) -> None:
        self._default_voice = settings.voice
        self._worker = ThreadPoolExecutor(1, "espeak")
        self._library: EspeakLibrary | None = None
        self._catalogue: VoiceCatalogue | None = None
        self._capabilities: Capabilities | None = None
        self.running = 0

    @property
    def capabilities(self) -> Capabilities:
        """What it can do. Known once `start` has returned."""
        return _started(self._capabilities)

    async def start(self) -> None:
        """Load the library and speak a word, which reads the default voice's dictionary."""
        loop = asyncio.get_running_loop()
        self._library = library = await loop.run_in_executor(self._worker, load_library)
        entries = await loop.run_in_executor(self._worker, library.voices)
        self._catalogue = VoiceCatalogue(entries, library.variants, self._default_voice)
        self._capabilities = Capabilities(
            engine="espeak",
            model=f"espeak-ng {library.version}",
            voices=self._catalogue.listed,
            native_rate_hz=library.sample_rate_hz,
            ipa_languages=("en",),
        )
        async for _ in self.speaker(SpeakerConfig(library.sample_rate_hz)).render(_WARM_UP):
            pass

    async def close(self) -> None:
        """Let the phrase in work end, and give up the thread."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def speaker(self, config: SpeakerConfig) -> EspeakSpeaker:
        """Return a voice for one stream. Raises InvalidInput for an unknown voice or language."""
        return EspeakSpeaker(self, config, _started(self._catalogue).choose(config.voice, config.language))

    @property
    def library(self) -> EspeakLibrary:
        """The loaded library."""
        return _started(self._library)

    async def run(self, job: Callable[[Callable[[], bool]], T]) -> T:
        """Run a job on the worker thread. Cancelled, it returns only once the job has ended.

        Raises EngineDead where an aborted job does not come back.
        """
        aborted = threading.Event()
        future = self._worker.submit(job, aborted.is_set)
        waiting = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            aborted.set()
            if future.cancel():  # it had not begun
                raise
            _, stuck = await asyncio.wait({waiting}, timeout=_ABORT_GRACE_S)
            if stuck:
                raise EngineDead("espeak-ng does not return from a phrase") from None
            waiting.exception()  # looked at, so that asyncio does not report it: nobody waits for this job now
            raise


def _started(value: T | None) -> T:
    if value is None:
        raise RuntimeError("the engine is not started")
    return value


@dataclass(frozen=True, slots=True)
class _Segment:
    """Part of a phrase that is rendered in one go."""

    phrase: Phrase
    words: Sequence[Span]
    is_last: bool


class EspeakSpeaker:
    """One stream's voice."""

    def __init__(self, engine: EspeakEngine, config: SpeakerConfig, voice: ChosenVoice) -> None:
        self._engine = engine
        self._config = config
        self._voice = voice
        takes_ipa = voice.language in engine.capabilities.ipa_languages
        replacements, self._has_phonemes = _replacements(config.pronunciations, takes_ipa)
        self._substitution = Substitution(replacements)

    async def render(self, phrase: Phrase) -> AsyncGenerator[Rendered, None]:
        """Render a phrase, in parts where it is long."""
        rate_hz = self._engine.library.sample_rate_hz
        resampler = StreamResampler(rate_hz, self._config.sample_rate_hz)
        runs = divide(phrase, _MAX_SEGMENT_CHARS)
        before = 0
        self._engine.running += 1
        try:
            for number, words in enumerate(runs, 1):
                segment = _Segment(phrase, words, is_last=number == len(runs))
                queued_s = time.perf_counter()
                spoken = await self._engine.run(partial(self._speak, segment, queued_s, resampler))
                timings = _timings(spoken, before * 1000 / rate_hz)
                before += spoken.sample_count
                yield Rendered(spoken.pcm, timings, segment.is_last, spoken.queue_us)
        finally:
            self._engine.running -= 1

    def _speak(
        self, segment: _Segment, queued_s: float, resampler: StreamResampler, should_stop: Callable[[], bool]
    ) -> _Spoken:
        """Render one segment. Runs on the worker thread."""
        queue_us = round((time.perf_counter() - queued_s) * 1e6)
        words, library = segment.words, self._engine.library
        offset = words[0].start
        text = segment.phrase.text[offset : words[-1].end]
        if self._has_phonemes:  # then, and only then, the library takes what stands in brackets for phonemes
            text = text.replace("[[", "  ")
        # A line that ends without punctuation is a list item: this comma pauses even with no space after it.
        text = _LINE_END.sub(r"\1、", text)
        said = self._substitution.apply(text)
        limit = _MAX_SEGMENT_S * library.sample_rate_hz
        speech = library.speak(
            said.text,
            voice_file=self._voice.file,
            words_per_minute=round(_WORDS_PER_MINUTE * self._config.speed),
            phonemes=self._has_phonemes,
            should_stop=lambda samples: samples > limit or should_stop(),
        )
        if len(speech.samples) > limit:
            log.warning("a phrase was cut: too long to say", extra={"chars": len(text)})
        voice = trim(speech.samples, library.sample_rate_hz)
        marks = [Mark(offset + said.source_position(mark.position), mark.at_ms - voice.cut_ms) for mark in speech.marks]
        voice_ms = len(voice.samples) * 1000 / library.sample_rate_hz
        pause = np.zeros(round(pause_ms(text, self._config.speed) * library.sample_rate_hz / 1000), np.int16)
        samples = np.concatenate([voice.samples, pause])
        return _Spoken(
            pcm=resampler.process(samples.tobytes(), last=segment.is_last),
            sample_count=len(samples),
            words=words,
            bounds_ms=word_bounds(segment.phrase, words, marks, voice_ms),
            loud_ms=voice.loud_ms,
            queue_us=queue_us,
        )


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What a segment became: audio at the wanted rate, and times on the clock of the segment."""

    pcm: bytes
    sample_count: int
    words: Sequence[Span]
    bounds_ms: Sequence[float]
    loud_ms: Float64
    queue_us: int


def _timings(spoken: _Spoken, starts_at_ms: float) -> tuple[WordTiming, ...]:
    """Return the words with whole times. A word ends with its last sound, not where the pause after it ends."""
    timings: list[WordTiming] = []
    for word, (start_ms, bound_ms) in zip(spoken.words, pairwise(spoken.bounds_ms), strict=True):
        last = int(np.searchsorted(spoken.loud_ms, bound_ms)) - 1
        is_heard = last >= 0 and spoken.loud_ms[last] > start_ms
        end_ms = float(spoken.loud_ms[last]) if is_heard else bound_ms
        timings.append(WordTiming(word, int(starts_at_ms + start_ms), int(starts_at_ms + end_ms)))
    return tuple(timings)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Speech without the silence around it."""

    samples: Int16
    cut_ms: float
    """How much was cut off in front."""
    loud_ms: Float64
    """When each sample that can be heard sounds."""


def trim(samples: Int16, rate_hz: int) -> Trimmed:
    """Cut off the silence around speech, but for a short lead-in: silence in front is nothing but latency."""
    loud = np.flatnonzero((samples > _QUIET) | (samples < -_QUIET))
    if not len(loud):
        return Trimmed(samples[:0], 0.0, np.zeros(0))
    first = max(0, int(loud[0]) - _LEAD_IN_MS * rate_hz // 1000)
    loud_ms = (loud - first).astype(np.float64) * (1000 / rate_hz)
    return Trimmed(samples[first : int(loud[-1]) + 1], first * 1000 / rate_hz, loud_ms)


def pause_ms(text: str, speed: float) -> float:
    """Return the silence that belongs after `text`: long after a sentence, short after a clause, next to none else."""
    if ends_sentence(text):
        return _SENTENCE_PAUSE_MS / speed
    return (_CLAUSE_PAUSE_MS if ends_clause(text) else _NO_PAUSE_MS) / speed


def _replacements(pronunciations: Sequence[Pronunciation], takes_ipa: bool) -> tuple[list[tuple[str, str]], bool]:
    """Return (word, what to give to the library) and whether any of it is phonemes. Says once what it ignores."""
    replacements: list[tuple[str, str]] = []
    ignored = 0
    has_phonemes = False
    for entry in pronunciations:
        if not entry.ipa:
            replacements.append((entry.word, entry.respelling.replace("[[", "  ")))
        elif takes_ipa and (names := to_espeak(entry.ipa)) is not None:
            replacements.append((entry.word, f"[[{names}]]"))
            has_phonemes = True
        else:
            ignored += 1
    if ignored:
        log.warning("IPA pronunciations ignored: not English, or a symbol unknown", extra={"ignored": ignored})
    return replacements, has_phonemes
