"""What a caller must have heard, worked out a second time: from the synthesis service's own word timings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc.aio
from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2

from parley.rpc import open_channel

RENDERING_MS = 2.0
"""The same phrase is as long, and its words end, to within about a millisecond each time espeak-ng renders it."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase as it is spoken: the end of each word in its audio, and how long the audio lasts."""

    words: tuple[tuple[str, int], ...]
    audio_ms: float


def heard_words(phrases: Sequence[Phrase], played_ms: float) -> list[str]:
    """Return the words whose audio had ended when `played_ms` of the phrases' audio, end to end, had been played."""
    heard: list[str] = []
    begins_ms = 0.0
    for phrase in phrases:
        heard += [word for word, end_ms in phrase.words if begins_ms + end_ms <= played_ms]
        begins_ms += phrase.audio_ms
    return heard


def likeliest_words(phrases: Sequence[Phrase], played_ms: float, told: Sequence[str]) -> list[str]:
    """Return what `heard_words` says, or `told` where it says that a moment earlier or later."""
    for off_ms in (0.0, -RENDERING_MS, RENDERING_MS):
        if (heard := heard_words(phrases, played_ms + off_ms)) == list(told):
            return heard
    return heard_words(phrases, played_ms)


class Phrasebook:
    """Asks the synthesis service for phrases, each once."""

    def __init__(self, target: str, *, voice: str, language: str, sample_rate_hz: int) -> None:
        self._target = target
        self._bytes_per_ms = sample_rate_hz * 2 / 1000
        self._config = tts_pb2.SynthesizeConfig(
            format=common_pb2.AudioFormat(sample_rate_hz=sample_rate_hz, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE),
            voice=voice,
            language=language,
            speed=1.0,
        )
        self._known: dict[str, Phrase] = {}

    async def of(self, texts: Sequence[str]) -> list[Phrase]:
        """Return the phrases of these texts, in order."""
        if missing := [text for text in dict.fromkeys(texts) if text not in self._known]:
            await self._ask(missing)
        return [self._known[text] for text in texts]

    async def _ask(self, texts: Sequence[str]) -> None:
        words: list[list[tuple[str, int]]] = [[] for _ in texts]
        sizes = [0] * len(texts)
        async with open_channel(self._target) as channel:
            method: Any = channel.stream_stream("/voice.tts.v1.StreamingTts/Synthesize")
            stream = method()
            await stream.write(tts_pb2.SynthesizeRequest(config=self._config).SerializeToString())
            for number, text in enumerate(texts):
                phrase = tts_pb2.SynthesizeText(turn_epoch=1, phrase_id=number, text=text)
                await stream.write(tts_pb2.SynthesizeRequest(text=phrase).SerializeToString())
            await stream.write(tts_pb2.SynthesizeRequest(finish=common_pb2.FinishInput()).SerializeToString())
            while (raw := await stream.read()) is not grpc.aio.EOF:
                response = tts_pb2.SynthesizeResponse.FromString(raw)
                if response.HasField("words"):
                    words[response.words.phrase_id] += [(w.text, w.end_ms) for w in response.words.words]
                elif response.HasField("audio"):
                    sizes[response.audio.phrase_id] += len(response.audio.pcm)
        for text, spoken, size in zip(texts, words, sizes, strict=True):
            self._known[text] = Phrase(tuple(spoken), size / self._bytes_per_ms)
