"""One stream inside a worker: from audio to words.

Audio passes the speech gate into a stretch; the grammar's decoder follows the stretch; the general decoder follows it
too where there is no grammar, or where the grammar's account looks doubtful. An answer is read off at any moment.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from services.asr.engines.sphinx.decoders import CepstralMean, GrammarModel, Models
from services.asr.engines.sphinx.gate import BYTES_PER_MS, GATE_FRAME_BYTES, GATE_FRAME_MS, SpeechGate, VoiceEvidence
from services.asr.engines.sphinx.noise import noise_amplitude
from services.asr.engines.sphinx.reading import (
    GOOD_SCORE,
    SHORT_SPEECH_MS,
    HeardWord,
    Reading,
    Term,
    favour_terms,
    fits_against,
    fits_alone,
)
from services.asr.engines.sphinx.stretch import (
    GENERAL_RESTARTS_MS,
    KNOWN_RESTARTS_MS,
    LEAD_MS,
    RESTARTS_MS,
    Follower,
    Stretch,
    VoiceMean,
)

PAUSE_MS = 810
"""After this much silence a stretch pauses: the decoder gets no more silence until speech resumes."""
TAIL_MS = 120
"""Silence after the last word that the decoder is given before its final answer."""
LONG_STRETCH_MS = 12_000
"""A stretch this long is closed at its next pause: going on after a final would mean to decode it all again."""
LONGEST_STRETCH_MS = 20_000
INCOMPLETE_MARGIN = 0.03
"""How much better (log score) a broken-off sentence must explain the audio than a whole one to be believed."""
SETTLED_SPEECH_MS = 600
"""Speech after which a well-fitting grammar's words may be called stable."""
NOISE_SCORE = -72.0
"""Where even the general model explains its words worse than this, they were noise."""
IDLE_S = 1.0
"""A stream without audio for so long lets the general decoder go."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer."""

    words: tuple[HeardWord, ...] = ()
    confidence: float = 0.0
    matches_grammar: bool = False
    """Whether the words are a whole sentence of the grammar."""
    is_settled: bool = True
    """False while the other decoder's account may yet be given instead."""


class Hearing:
    """The stream. `accept` audio, `decode` until it has no more to do, ask `partial` or `finalize`."""

    def __init__(self, models: Models, grammar: GrammarModel | None, terms: tuple[Term, ...]) -> None:
        self._models = models
        self._grammar = grammar
        self._terms = terms
        self._gate = SpeechGate()
        self._voice = VoiceMean()
        self.needs_general = grammar is None
        self._last_audio_s = time.monotonic()
        self._begin()

    def _begin(self) -> None:
        self._loose = b""
        self._lead: deque[bytes] = deque(maxlen=LEAD_MS // GATE_FRAME_MS)
        self._clock_bytes = 0
        self._committed: tuple[HeardWord, ...] = ()
        self._committed_confidence = 1.0
        self._stretch: Stretch | None = None
        self._is_active = False
        self._main: Follower | None = None
        self._has_yielded = False
        self._check: Follower | None = None
        self._must_commit = False
        self._final: Reading | None = None
        self._latest = Reading()
        self._gate.clear()
        self._gate.evidence = VoiceEvidence()

    # --- audio in ---

    def accept(self, pcm: bytes) -> None:
        """Take PCM16 at 16 kHz through the speech gate."""
        self._last_audio_s = time.monotonic()
        self._has_yielded = False
        loose = self._loose + pcm
        whole = len(loose) - len(loose) % GATE_FRAME_BYTES
        for at in range(0, whole, GATE_FRAME_BYTES):
            self._clock_bytes += GATE_FRAME_BYTES
            self._frame(loose[at : at + GATE_FRAME_BYTES])
        self._loose = loose[whole:]

    def _frame(self, frame: bytes) -> None:
        is_speech = self._gate.is_speech(frame)
        if self._is_active and self._stretch is not None:
            self._stretch.add(frame, is_speech)
            if self._stretch.silence_ms >= PAUSE_MS or self._stretch.length_ms >= LONGEST_STRETCH_MS:
                self._pause()
            return
        self._lead.append(frame)
        if self._gate.has_onset:
            self._resume()

    def _pause(self) -> None:
        self._is_active = False
        self._lead.clear()
        self._gate.clear()
        if self._stretch is not None and (self._grammar is None or self._stretch.length_ms >= LONG_STRETCH_MS):
            self._must_commit = True

    def _resume(self) -> None:
        now_ms = self._clock_bytes / BYTES_PER_MS
        lead = b"".join(self._lead)
        self._lead.clear()
        self._is_active = True
        if self._final is not None and self._stretch is not None and self._stretch.length_ms >= LONG_STRETCH_MS:
            self._must_commit = True
        if self._must_commit:
            self._commit()
        if self._stretch is None:
            self._stretch = Stretch(noise_amplitude(self._gate.peak_db), lead, now_ms)
        else:
            self._stretch.resume(lead, now_ms)
        self._stretch.speech_ms += GATE_FRAME_MS
        self._final = None

    def _commit(self) -> None:
        """Close the stretch: its words stand, and the next speech begins another. Not where no decoder is free."""
        reading = self._conclude()
        if reading is None:
            return
        if reading.words:
            self._committed += reading.words
            self._committed_confidence = min(self._committed_confidence, reading.confidence)
        self._close_followers()
        self._stretch, self._final, self._must_commit = None, None, False
        self._gate.evidence = VoiceEvidence()

    # --- decoding ---

    def decode(self, limit_bytes: int) -> bool:
        """Decode a slice of what waits. Returns whether more waits and could be decoded now."""
        if self._stretch is None or self._final is not None:
            return False
        if self._main is None and not self._has_yielded:
            self._main = self._follow_main(self._stretch)
        main = self._main
        if main is None:
            return False
        if main.behind_bytes > 0:
            main.advance(limit_bytes)
        if main.behind_bytes > 0:
            return True
        if self._must_commit and not self._is_active:
            self._commit()
        return False

    def decode_spare(self, limit_bytes: int) -> bool:
        """Let the general decoder look at a doubtful stretch, in time nobody else needs. Returns whether more waits."""
        stretch = self._stretch
        if stretch is None or self._grammar is None or self._main is None or self._final is not None:
            return False
        if self._check is None:
            if stretch.speech_ms < SHORT_SPEECH_MS or self._latest.word_score >= GOOD_SCORE or not self._latest.words:
                return False
            self._check = self._follow_check(stretch, self._main.heard)
            if self._check is None:
                return False
        self._check.advance(limit_bytes)
        return self._check.behind_bytes > 0

    def _follow_main(self, stretch: Stretch) -> Follower | None:
        grammar = self._grammar
        if grammar is None:
            return self._follow_general(stretch, self._voice.known, GENERAL_RESTARTS_MS)
        decoder = grammar.lease()
        restarts_ms = KNOWN_RESTARTS_MS if self._voice.is_settled else RESTARTS_MS
        return Follower(stretch, decoder, lambda: grammar.give_back(decoder), self._voice.known, restarts_ms)

    def _follow_check(self, stretch: Stretch, heard: CepstralMean | None) -> Follower | None:
        return self._follow_general(stretch, self._voice.known.joined(heard) if heard else self._voice.known)

    def _follow_general(
        self, stretch: Stretch, mean: CepstralMean, restarts_ms: tuple[int, ...] = ()
    ) -> Follower | None:
        decoder = self._models.lease_general(self)
        if decoder is None:
            return None
        return Follower(stretch, decoder, self._models.give_back_general, mean, restarts_ms)

    def yield_general(self) -> bool:
        """Let the general decoder go: a check at once, a stream that has nothing else only when it stands idle.

        A stream that has let it go asks for it again once audio comes or an answer is wanted, and starts over.
        """
        if self._check is not None:
            self._check.close()
            self._check = None
            return True
        main = self._main
        if self._grammar is not None or main is None or main.behind_bytes > 0:
            return False
        if time.monotonic() - self._last_audio_s < IDLE_S:
            return False
        main.close()
        self._main = None
        self._has_yielded = True
        return True

    # --- answers ---

    def partial(self) -> Heard:
        """Return what is heard so far."""
        if self._final is not None:
            return self._answer(self._final)
        if self._stretch is None or self._main is None or not self._gate.evidence.is_voice:
            return self._answer(Reading())
        self._latest = self._stretch.read(self._main.segments(), is_complete=False)
        reading = self._latest
        is_settled = self._grammar is None or (
            reading.word_score >= GOOD_SCORE and reading.speech_ms >= SETTLED_SPEECH_MS and self._check is None
        )
        if self._check is not None and self._check.behind_bytes < 1000 * BYTES_PER_MS:
            general = self._stretch.read(self._check.segments())
            if not (fits_alone(reading) or fits_against(reading, general)):
                reading = self._favour(general)
        return self._answer(reading, is_settled=is_settled)

    def finalize(self) -> Heard | None:
        """Return the final answer so far; None where it must wait for the general decoder: ask again.

        Audio may follow. Silence alone changes nothing; speech opens the stretch again.
        """
        if self._stretch is not None and self._final is None:
            if self._is_active and self._loose:
                self._stretch.add(self._loose, is_speech=False)
                self._clock_bytes += len(self._loose)
                self._loose = b""
            reading = self._conclude()
            if reading is None:
                return None
            self._final = reading
        self._is_active = False
        self._lead.clear()
        self._gate.clear()
        return self._answer(self._final or Reading())

    def _answer(self, reading: Reading, *, is_settled: bool = True) -> Heard:
        words = self._committed + reading.words
        texts = [word.text for word in words]
        confidence = reading.confidence if reading.words else self._committed_confidence
        matches = bool(texts) and self._grammar is not None and self._grammar.automaton.accepts(texts)
        confidence = round(min(confidence, self._committed_confidence), 3) if words else 0.0
        return Heard(words, confidence, matches, is_settled)

    def _conclude(self) -> Reading | None:
        """Decode what is left and end the passes. None: another stream holds the general decoder."""
        if self._final is not None:
            return self._final
        stretch = self._stretch
        if stretch is None:
            return Reading()
        if self._main is None:
            self._main = self._follow_main(stretch)
        if self._main is None:
            return None
        self._main.advance(len(stretch.audio))
        open_end, open_score, whole, whole_score = self._main.conclude(
            stretch.quiet(max(0, TAIL_MS - stretch.silence_ms))
        )
        heard = self._main.heard
        self._voice.learn(heard)
        self._main = None
        if not self._gate.evidence.is_voice:
            return Reading()
        if self._grammar is None:
            general = stretch.read(whole or open_end)
            return self._favour(general) if general.word_score >= NOISE_SCORE else Reading()
        is_complete = bool(whole) and open_score - whole_score <= INCOMPLETE_MARGIN
        grammar = stretch.read(whole if is_complete else open_end, is_complete)
        return self._judge(stretch, grammar, heard)

    def _judge(self, stretch: Stretch, grammar: Reading, heard: CepstralMean | None) -> Reading:
        """Return the grammar's account where it fits, otherwise the general model's."""
        fits = fits_alone(grammar)
        if fits is None or (fits is False and stretch.speech_ms >= SHORT_SPEECH_MS):
            if self._check is None:
                self._check = self._follow_check(stretch, heard)
            general: Reading | None = None
            if self._check is not None:
                self._check.advance(len(stretch.audio))
                open_end, _, whole, _ = self._check.conclude(stretch.quiet(TAIL_MS))
                general = stretch.read(whole or open_end)
            fits = fits is None and fits_against(grammar, general)
            if not fits and general is not None:
                grammar = self._favour(general) if general.word_score >= NOISE_SCORE else Reading()
        elif fits is False:
            grammar = Reading()
        if self._check is not None:
            self._check.close()
            self._check = None
        return grammar

    def _favour(self, general: Reading) -> Reading:
        if not self._terms:
            return general
        words = favour_terms(general.words, self._terms, self._models.phones)
        return Reading(words, general.word_score, general.total_score, general.speech_ms)

    # --- the end ---

    def reset(self) -> None:
        """Drop the utterance and begin another; what is known of the voice stays."""
        self._close_followers()
        self._begin()

    def close(self) -> None:
        """Give every decoder back."""
        self._close_followers()

    def _close_followers(self) -> None:
        for follower in (self._main, self._check):
            if follower is not None:
                follower.close()
        self._main = self._check = None
