"""One stream's utterance: which audio to ask the model about next, and what is known from its answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.asr.engine import Recognised, Word
from services.asr.engines.whisper.gate import FRAME_MS, LevelGate
from services.asr.engines.whisper.language import UNKNOWN, Detection, LanguageChoice
from services.asr.engines.whisper.prompt import previous_tokens
from services.asr.engines.whisper.transcript import Heard, Transcript, written
from services.asr.engines.whisper.verdict import Thresholds, confidence, is_imagined, without_loops
from services.common.audio import BYTES_PER_SAMPLE, pcm_to_float

RATE_HZ = 16_000
BYTES_PER_MS = RATE_HZ * BYTES_PER_SAMPLE // 1000
FRAME_BYTES = FRAME_MS * BYTES_PER_MS
LEAD_MS = 200
"""Audio before the detected onset that is decoded too: a soft first consonant is no speech to the gate."""
TRAIL_MS = 200
"""Audio after the last loud frame that is decoded too, where it is there."""
SLACK_MS = 40
"""Speech that may follow what a hypothesis covers and still says nothing new: two frames of a fade."""
UNSURE_MS = 1_500
"""The end of a window that is full, which may break a word: its words wait for the next window."""
TOKENS_PER_S = 10
"""Nobody speaks faster (fast English is 5 tokens a second): a bound on what a decode can cost."""


@dataclass(frozen=True, slots=True)
class StreamSetup:
    """What the engine tells each of its streams."""

    window_ms: int
    thresholds: Thresholds
    start_of_previous: int
    with_punctuation: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One decode: a piece of an utterance, all that the model has to know of it."""

    pcm: bytes
    """16 kHz PCM16."""
    language: str
    """Whisper's code; empty: detect it."""
    previous: tuple[int, ...]
    """Tokens before the start of the transcript."""
    prefix: tuple[int, ...]
    """Tokens that the transcript begins with: committed words that are still in the window."""
    max_new_tokens: int
    detection: Detection = UNKNOWN
    """What a detection starts from."""
    start_ms: int = 0
    covers_ms: int = 0
    """End of the speech that an answer covers."""
    is_cut_short: bool = False
    """Whether the window ended before the speech did."""

    @property
    def length_ms(self) -> int:
        """How long its audio is."""
        return len(self.pcm) // BYTES_PER_MS


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model made of a question. Word times count from the question's first sample."""

    words: tuple[Heard, ...]
    log_probability: float
    """Mean over the new tokens."""
    no_speech: float
    language: str
    language_probability: float = 1.0


class Hearing:
    """Audio in, questions out, answers in, text out; one utterance after another."""

    def __init__(self, setup: StreamSetup, language: LanguageChoice, terms: Sequence[int]) -> None:
        self._setup = setup
        self._language = language
        self._terms = terms
        self._gate = LevelGate()
        self._begin()

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that are told apart, as BCP 47 tags; empty: one is named, or any is detected."""
        return tuple(self._language.among.values())

    def reset(self) -> None:
        """Begin another utterance."""
        self._gate.reset()
        self._language.next_utterance()
        self._begin()

    def _begin(self) -> None:
        self._pcm = bytearray()
        self._dropped_ms = 0
        self._gated_ms = 0
        self._stretch = 0
        self._window_ms = -1
        self._covers_ms = 0
        self._asked_ms = 0
        self._transcript = Transcript()

    def accept(self, pcm: bytes) -> None:
        """Take 16 kHz PCM16."""
        self._pcm += pcm
        begin = (self._gated_ms - self._dropped_ms) * BYTES_PER_MS
        count = (len(self._pcm) - begin) // FRAME_BYTES
        if count:
            samples = pcm_to_float(bytes(self._pcm[begin : begin + count * FRAME_BYTES]))
            self._gate.feed(samples.reshape(count, -1))
            self._gated_ms += count * FRAME_MS

    # --- what there is to do ------------------------------------------------------------------------------------------

    @property
    def speech_end_ms(self) -> int:
        """End of the latest speech."""
        return self._gate.stretches[-1].end_ms if self._gate.stretches else 0

    @property
    def silence_ms(self) -> int:
        """Silence since the latest sound: a word that is just beginning ends it."""
        return self._gate.quiet_ms

    @property
    def is_covered(self) -> bool:
        """Whether what is known covers all that was said."""
        return self._covers_ms >= self.speech_end_ms - SLACK_MS

    @property
    def unasked_ms(self) -> int:
        """Speech since the newest question."""
        return self.speech_end_ms - self._asked_ms

    # --- questions and answers ----------------------------------------------------------------------------------------

    def ask(self) -> Question:
        """Return the next question: of the uncovered speech, as much as a window holds. Not while one is open."""
        self._leave_covered_stretches()
        stretch = self._gate.stretches[self._stretch]
        if self._window_ms < 0:
            before = self._gate.stretches[self._stretch - 1].end_ms if self._stretch else 0
            self._window_ms = max(before, stretch.start_ms - LEAD_MS)
            self._forget_audio()
        heard_ms = self._dropped_ms + len(self._pcm) // BYTES_PER_MS
        full_ms = self._window_ms + self._setup.window_ms
        end_ms = min(stretch.end_ms + TRAIL_MS, heard_ms, full_ms)
        covers_ms = min(stretch.end_ms, full_ms)
        self._asked_ms = covers_ms
        transcript = self._transcript
        past = [token for word in transcript.past for token in word.tokens]
        return Question(
            pcm=self._audio(self._window_ms, end_ms),
            language=self._language.wanted,
            previous=previous_tokens(self._setup.start_of_previous, self._terms, past),
            prefix=tuple(token for word in transcript.committed for token in word.tokens),
            max_new_tokens=8 + TOKENS_PER_S * (end_ms - self._window_ms) // 1000,
            detection=self._language.detection(covers_ms - max(self._window_ms, stretch.start_ms)),
            start_ms=self._window_ms,
            covers_ms=covers_ms,
            is_cut_short=stretch.end_ms > full_ms,
        )

    def abandon(self, question: Question) -> None:
        """Note that a question will not be answered."""
        if self._asked_ms == question.covers_ms:
            self._asked_ms = self._covers_ms

    def learn(self, question: Question, answer: Answer) -> None:
        """Take the answer to the latest question."""
        length_ms = question.length_ms
        words = without_loops(answer.words)
        if is_imagined(words, answer.no_speech, answer.log_probability, self._setup.thresholds):
            words = ()
        else:  # a noise is in no language
            self._language.learn(answer.language, answer.language_probability, length_ms)
        transcript = self._transcript
        transcript.take(
            [_moved(word, question.start_ms, length_ms) for word in words],
            question.covers_ms,
            commits=bool(self._language.wanted),  # words of another language would be a prefix of what follows
        )
        self._covers_ms = question.covers_ms
        if question.is_cut_short:
            self._next_window(question.start_ms + length_ms - UNSURE_MS)
        elif borders := transcript.cut():
            self._window_ms = self._cut_between(*borders)
            self._forget_audio()

    def _leave_covered_stretches(self) -> None:
        stretches = self._gate.stretches
        while self._stretch + 1 < len(stretches) and self._covers_ms >= stretches[self._stretch].end_ms - SLACK_MS:
            self._transcript.settle()
            self._transcript.leave()
            self._stretch += 1
            self._window_ms = -1

    def _next_window(self, unsure_ms: int) -> None:
        """Go on after a full window: what ends before `unsure_ms` stands, the rest is decoded with what follows."""
        transcript = self._transcript
        transcript.settle(unsure_ms)
        window_ms = unsure_ms
        if transcript.kept and transcript.tail:
            window_ms = self._cut_between(transcript.kept[-1], transcript.tail[0])
        transcript.leave()
        self._window_ms = max(window_ms, self._window_ms + UNSURE_MS)
        self._covers_ms = self._window_ms
        self._forget_audio()

    def _cut_between(self, left: Heard, right: Heard) -> int:
        from_ms, to_ms = (left.start_ms + left.end_ms) // 2, (right.start_ms + right.end_ms) // 2
        return max(self._window_ms, self._gate.quietest_ms(from_ms, to_ms))

    def _audio(self, start_ms: int, end_ms: int) -> bytes:
        first = (start_ms - self._dropped_ms) * BYTES_PER_MS
        return bytes(memoryview(self._pcm)[first : (end_ms - self._dropped_ms) * BYTES_PER_MS])

    def _forget_audio(self) -> None:
        """Drop the audio before the window."""
        spare_ms = min(self._window_ms, self._gated_ms) - self._dropped_ms
        if spare_ms > 0:
            del self._pcm[: spare_ms * BYTES_PER_MS]
            self._dropped_ms += spare_ms

    # --- text ---------------------------------------------------------------------------------------------------------

    def recognised(self, queue_ms: float = 0.0, engine_ms: float = 0.0) -> Recognised:
        """Return what is known of the utterance."""
        with_punctuation = self._setup.with_punctuation
        words = self._transcript.words
        shown = [(word, written([word], with_punctuation=with_punctuation)) for word in words]
        return Recognised(
            text=written(words, with_punctuation=with_punctuation),
            confidence=confidence(words),
            words=tuple(Word(text, word.start_ms, word.end_ms, word.probability) for word, text in shown if text),
            stable_prefix=written(self._transcript.kept, with_punctuation=with_punctuation),
            language=self._language.told if words else "",
            queue_ms=queue_ms,
            engine_ms=engine_ms,
        )


def _moved(word: Heard, start_ms: int, length_ms: int) -> Heard:
    """Return a word with its times in the utterance, none beyond the audio."""
    first, last = min(word.start_ms, length_ms), min(word.end_ms, length_ms)
    return replace(word, start_ms=start_ms + first, end_ms=start_ms + last)
