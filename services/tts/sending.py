"""From an engine's pieces of a phrase to messages: checked, cut into frames, numbered, timed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2

from services.common.audio import BYTES_PER_SAMPLE, AudioFormat
from services.common.errors import EngineFault
from services.tts.engine import Rendered, WordTiming
from services.tts.frames import EpochAudio
from services.tts.pending import Attempt, PhraseToSpeak
from services.tts.text import Phrase

Write: TypeAlias = Callable[[tts_pb2.SynthesizeResponse], Awaitable[None]]


def server_timing(received_s: float, queue_us: int = 0, engine_us: int = 0) -> common_pb2.ServerTiming:
    """Return the timing of a response that is sent now. `received_s` is on time.perf_counter()'s clock."""
    since_us = round((time.perf_counter() - received_s) * 1e6)
    return common_pb2.ServerTiming(received_to_sent_us=since_us, queue_us=queue_us, engine_us=engine_us)


class PhraseSender:
    """Sends one phrase, and stops between two messages as soon as its attempt is cancelled.

    A write that has begun is never cut off: a stream would not survive it, and that frame is dropped by its number.
    """

    def __init__(
        self,
        item: PhraseToSpeak,
        phrase: Phrase,
        audio: EpochAudio,
        audio_format: AudioFormat,
        *,
        write: Write,
        is_cancelled: Callable[[Attempt], bool],
    ) -> None:
        self._item = item
        self._phrase = phrase
        self._audio = audio
        self._format = audio_format
        self._write = write
        self._is_cancelled = is_cancelled
        self._paused_ms = 0
        self._words_sent = 0
        self._last_start_ms = 0
        self._sent_bytes = 0
        self.is_done = False
        """Whether the phrase's last samples were sent."""

    async def pause(self, pause_ms: int) -> bool:
        """Send silence before the phrase, to be heard while the engine works; False where its attempt was cancelled."""
        silence = Rendered(bytes(self._format.byte_count(pause_ms)))
        self._paused_ms = pause_ms
        return await self.send(silence, 0)

    async def send(self, piece: Rendered, engine_us: int) -> bool:
        """Send one piece, words first, so that whoever has audio can tell which words are in it.

        Returns False where the attempt was cancelled meanwhile. Raises EngineFault for rubbish.
        """
        if len(piece.pcm) % BYTES_PER_SAMPLE:
            raise EngineFault(f"the speech engine gave {len(piece.pcm)} bytes: half a sample")
        if piece.words and not await self._send_words(piece, engine_us):
            return False
        frames = list(self._audio.cut(piece.pcm))
        for number, frame in enumerate(frames, 1):
            is_last = piece.is_last and number == len(frames)
            if not frame and not is_last:
                continue
            audio = tts_pb2.SpeechAudio(
                phrase_id=self._item.phrase_id,
                pcm=frame,
                offset_ms=int(self._format.duration_ms(self._sent_bytes)),
                is_last=is_last,
            )
            if not await self._send(audio=audio, timing=self._timing(piece, engine_us)):
                return False
            self._sent_bytes += len(frame)
            self._audio.count(len(frame))
        self.is_done = piece.is_last
        return True

    async def _send_words(self, piece: Rendered, engine_us: int) -> bool:
        self._check_words(piece.words)
        raw = self._item.text
        words = [
            tts_pb2.SpokenWord(
                text=raw[word.span.start : word.span.end],
                start_ms=self._paused_ms + word.start_ms,
                end_ms=self._paused_ms + word.end_ms,
                char_start=word.span.start,
                char_end=word.span.end,
            )
            for word in piece.words
        ]
        timings = tts_pb2.WordTimings(phrase_id=self._item.phrase_id, words=words)
        return await self._send(words=timings, timing=self._timing(piece, engine_us))

    def _check_words(self, words: tuple[WordTiming, ...]) -> None:
        expected = self._phrase.words[self._words_sent : self._words_sent + len(words)]
        if tuple(word.span for word in words) != expected:
            raise EngineFault("the speech engine timed other words than those of the phrase")
        for word in words:
            if not self._last_start_ms <= word.start_ms <= word.end_ms:
                raise EngineFault("the speech engine gave word times that run backwards")
            self._last_start_ms = word.start_ms
        self._words_sent += len(words)

    async def _send(
        self,
        *,
        timing: common_pb2.ServerTiming,
        audio: tts_pb2.SpeechAudio | None = None,
        words: tts_pb2.WordTimings | None = None,
    ) -> bool:
        epoch, attempt = self._item.of
        if self._is_cancelled((epoch, attempt)):
            return False
        response = tts_pb2.SynthesizeResponse(
            turn_epoch=epoch, attempt=attempt, timing=timing, audio=audio, words=words
        )
        await self._write(response)
        return True

    def _timing(self, piece: Rendered, engine_us: int) -> common_pb2.ServerTiming:
        return server_timing(self._item.received_s, piece.queue_us, engine_us)
