"""What every system under comparison is given: the same stages, with the same delays, chunks and audio. Pure.

Parley's stages are its own services with their `fake` engines, set by STAGE_DELAYS; a peer's stages are made from the
rest of this module, in the peer's process. It imports nothing but the standard library, as it runs in peers' virtual
environments too.
"""

from __future__ import annotations

from enum import Enum

RATE_HZ = 16000
BYTES_A_MS = RATE_HZ * 2 // 1000
ASR_FINAL_MS = 10
"""From the first silence to the final transcript."""
LLM_FIRST_MS = 50
TTS_FIRST_MS = 30
HEARD = "hello there how are you"
HEARD_WORD_MS = 200
"""Speech after which a partial transcript has one word more."""
REPLY = "one two three four five six seven eight."
WORDS_A_DELTA = 2
"""Of the reply, how much the model says at a time; all of it at once after the first delay."""
WORD_MS = 200
CHUNK_MS = 100
"""How much audio synthesis gives at a time; all of it at once after the first delay."""
REPLY_MS = WORD_MS * len(REPLY.split())
SERIES_STAGES_MS = ASR_FINAL_MS + LLM_FIRST_MS + TTS_FIRST_MS
"""What the stages take where all of it comes after the end of the turn: what is beyond is added latency."""
READY_STAGES_MS = LLM_FIRST_MS + TTS_FIRST_MS
"""The same where the transcript is final by the end of the turn."""

STAGE_DELAYS = {
    "PARLEY_ASR_FAKE_TEXTS": f'["{HEARD}"]',
    "PARLEY_ASR_FAKE_WORD_MS": str(HEARD_WORD_MS),
    "PARLEY_ASR_FAKE_FINAL_DELAY_MS": str(ASR_FINAL_MS),
    "PARLEY_LLM_FAKE_REPLY": REPLY,
    "PARLEY_LLM_FAKE_FIRST_DELAY_MS": str(LLM_FIRST_MS),
    "PARLEY_LLM_FAKE_WORDS_PER_DELTA": str(WORDS_A_DELTA),
    "PARLEY_TTS_FAKE_FIRST_AUDIO_MS": str(TTS_FIRST_MS),
    "PARLEY_TTS_FAKE_WORD_MS": str(WORD_MS),
    "PARLEY_TTS_FAKE_CHUNK_MS": str(CHUNK_MS),
}

METHODS = {
    "asr": "/voice.asr.v1.StreamingAsr/Recognize",
    "turn": "/voice.turn.v1.TurnDetector/Detect",
    "llm": "/voice.llm.v1.LanguageModel/Generate",
    "tts": "/voice.tts.v1.StreamingTts/Synthesize",
}

DETECTOR_FRAME_MS = 32
"""A detector hears whole frames of this length, so of eight frames of a caller's five make it decide something."""
END_SILENCE_MS = 40


def deltas() -> list[str]:
    """Return the reply as the model gives it."""
    words = REPLY.split()
    parts = [" ".join(words[at : at + WORDS_A_DELTA]) for at in range(0, len(words), WORDS_A_DELTA)]
    return [part if at == 0 else f" {part}" for at, part in enumerate(parts)]


def chunks(text: str) -> list[bytes]:
    """Return a text's audio as synthesis gives it: PCM16 mono at 16 kHz, never silent."""
    pcm = b"\x10\x01" * (WORD_MS * len(text.split()) * BYTES_A_MS // 2)
    size = CHUNK_MS * BYTES_A_MS
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]


class Sound(Enum):
    """What a detector tells of a caller."""

    STARTED = "started"
    WORD = "word"
    """A partial transcript has one word more."""
    STOPPED = "stopped"
    """The first silence: the recogniser finalises."""
    ENDED = "ended"
    """The turn is over."""


class Detector:
    """The rule of Parley's fake turn detector, and when its fake recogniser has a new partial."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._at_ms = 0
        self._is_speech = False
        self._silence_ms = 0
        self._speech_ms = 0

    @property
    def words(self) -> str:
        """The partial transcript."""
        return " ".join(HEARD.split()[: self._speech_ms // HEARD_WORD_MS])

    def hear(self, pcm: bytes) -> list[Sound]:
        """Take a caller's frame; return what it makes known, in order."""
        self._pending.append(pcm)
        before_ms, self._at_ms = self._at_ms, self._at_ms + len(pcm) // BYTES_A_MS
        if self._at_ms // DETECTOR_FRAME_MS == before_ms // DETECTOR_FRAME_MS:
            return []
        heard, self._pending = self._pending, []
        return [sound for frame in heard for sound in self._judge(frame)]

    def _judge(self, frame: bytes) -> list[Sound]:
        took_ms = len(frame) // BYTES_A_MS
        return self._speech(took_ms) if frame.strip(b"\0") else self._silence(took_ms)

    def _speech(self, took_ms: int) -> list[Sound]:
        told = [] if self._is_speech else [Sound.STARTED]
        if not self._is_speech:
            self._is_speech, self._speech_ms = True, 0
        words = self.words
        self._silence_ms = 0
        self._speech_ms += took_ms
        return told + [Sound.WORD] * (self.words != words)

    def _silence(self, took_ms: int) -> list[Sound]:
        if not self._is_speech:
            return []
        told = [] if self._silence_ms else [Sound.STOPPED]
        self._silence_ms += took_ms
        if self._silence_ms >= END_SILENCE_MS:
            self._is_speech, self._silence_ms = False, 0
            told.append(Sound.ENDED)
        return told
