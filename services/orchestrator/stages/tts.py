"""Speech synthesis for one call: phrases out, audio in; a broken stream is reopened and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from voice.common.v1 import common_pb2
from voice.tts.v1 import tts_pb2

from services.common.audio import AudioFormat
from services.orchestrator.agent import Agent, Voice
from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.stream import StageError, StageStream, StreamHooks
from services.orchestrator.timeline import TimedWord
from services.orchestrator.wording.wording import SpokenPhrase

STAGE = "tts"


@dataclass(frozen=True, slots=True)
class SpeechHooks:
    """What synthesis tells. Called on the event loop."""

    on_ready: Callable[[common_pb2.EngineInfo], None]
    on_audio: Callable[[int, int, bytes, bool, common_pb2.ServerTiming], None]
    """(epoch, phrase_id, pcm, is_last, the server's timing)"""
    on_words: Callable[[int, int, list[TimedWord]], None]
    on_lost: Callable[[StageError], None]
    on_gave_up: Callable[[StageError], None]


@dataclass(slots=True)
class _Phrase:
    said: SpokenPhrase
    traceparent: str
    language: str = ""
    position_bytes: int = 0
    """Audio of the phrase that the present stream has sent."""
    told_bytes: int = 0
    """Audio of the phrase that was passed on, whichever stream it came by."""


class Speech:
    """One call's stream to the synthesis service."""

    def __init__(self, stages: Stages, config: bytes, hooks: SpeechHooks, **limits: int) -> None:
        self._hooks = hooks
        self._of = (0, 0)
        self._phrases: dict[int, _Phrase] = {}
        self.stream = StageStream(
            STAGE,
            StreamHooks(
                open_call=lambda: stages.call(STAGE, wait=True),
                config=lambda: config,
                replay=self._replay,
                on_response=self._on_response,
                on_lost=hooks.on_lost,
                on_gave_up=hooks.on_gave_up,
            ),
            **limits,
        )

    def speak(
        self,
        epoch: int,
        phrase_id: int,
        said: SpokenPhrase,
        traceparent: str = "",
        *,
        attempt: int = 0,
        language: str = "",
    ) -> None:
        """Have a phrase of turn `epoch` spoken. `traceparent`: the turn's trace context.

        `language`: one of the agent's, as a BCP 47 tag; empty: its first.
        `attempt`: which answer of the turn it belongs to; after one that was cancelled, the next needs a larger number.
        """
        if (epoch, attempt) != self._of:
            self._of = (epoch, attempt)
            self._phrases.clear()
        phrase = self._phrases[phrase_id] = _Phrase(said, traceparent, language)
        self.stream.send(self._text(phrase_id, phrase))

    def cancel(self, epoch: int, attempt: int = 0) -> None:
        """Stop speaking this attempt at turn `epoch`; nothing of it is told after this."""
        if self._of == (epoch, attempt) and self._phrases:
            self._phrases.clear()
            cancel = tts_pb2.CancelSpeech(turn_epoch=epoch, attempt=attempt)
            self.stream.send(tts_pb2.SynthesizeRequest(cancel=cancel).SerializeToString())

    def _replay(self) -> Iterable[bytes]:
        for phrase_id, phrase in self._phrases.items():
            phrase.position_bytes = 0
            yield self._text(phrase_id, phrase)

    def _text(self, phrase_id: int, phrase: _Phrase) -> bytes:
        epoch, attempt = self._of
        message = text_message(
            phrase.said,
            epoch,
            phrase_id,
            attempt=attempt,
            traceparent=phrase.traceparent,
            language=phrase.language,
        )
        return tts_pb2.SynthesizeRequest(text=message).SerializeToString()

    def _on_response(self, raw: bytes) -> None:
        response = tts_pb2.SynthesizeResponse.FromString(raw)
        kind = response.WhichOneof("event")
        if kind == "ready":
            self._hooks.on_ready(response.ready.info)
        elif kind == "draining":
            self.stream.move_on()
        elif (response.turn_epoch, response.attempt) != self._of:
            return
        elif kind == "audio":
            self._on_audio(response)
        elif kind == "words" and response.words.phrase_id in self._phrases:
            words = [TimedWord(word.end_ms, word.char_end, word.start_ms) for word in response.words.words]
            self._hooks.on_words(response.turn_epoch, response.words.phrase_id, words)

    def _on_audio(self, response: tts_pb2.SynthesizeResponse) -> None:
        audio = response.audio
        phrase = self._phrases.get(audio.phrase_id)
        if phrase is None:
            return
        pcm = audio.pcm
        if len(pcm) % 2:
            self.stream.restart("it sent half a sample")
            return
        start = phrase.position_bytes
        phrase.position_bytes += len(pcm)
        if start < phrase.told_bytes:  # said before the stream broke: never said twice
            pcm = pcm[phrase.told_bytes - start :]
        phrase.told_bytes = max(phrase.told_bytes, phrase.position_bytes)
        if audio.is_last:
            del self._phrases[audio.phrase_id]
        if pcm or audio.is_last:
            self._hooks.on_audio(response.turn_epoch, audio.phrase_id, pcm, audio.is_last, response.timing)


def text_message(
    said: SpokenPhrase, epoch: int, phrase_id: int, *, attempt: int = 0, traceparent: str = "", language: str = ""
) -> tts_pb2.SynthesizeText:
    """Return a phrase as the synthesis service takes it."""
    return tts_pb2.SynthesizeText(
        turn_epoch=epoch,
        attempt=attempt,
        phrase_id=phrase_id,
        text=said.spoken.text,
        traceparent=traceparent,
        language=language,
        style=said.style,
        pause_ms=said.pause_ms,
    )


def tts_config(agent: Agent, audio_format: AudioFormat, session_id: str) -> bytes:
    """Return the first request of a synthesis stream for `agent`, in all its languages, serialised."""
    voice = agent.voice
    config = tts_pb2.SynthesizeConfig(
        format=common_pb2.AudioFormat(
            sample_rate_hz=audio_format.sample_rate_hz, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE
        ),
        voice=voice.name,
        language=agent.language_tag,
        speed=voice.speed,
        style=voice.style,
        pronunciations=_pronunciations(voice),
        session_id=session_id,
        languages=[
            tts_pb2.LanguageVoice(
                language=other.tag,
                voice=other.voice.name,
                speed=other.voice.speed,
                style=other.voice.style,
                pronunciations=_pronunciations(other.voice),
            )
            for other in agent.languages
        ],
    )
    return tts_pb2.SynthesizeRequest(config=config).SerializeToString()


def _pronunciations(voice: Voice) -> list[tts_pb2.Pronunciation]:
    return [
        tts_pb2.Pronunciation(word=p.word, ipa=p.ipa)
        if p.ipa
        else tts_pb2.Pronunciation(word=p.word, respelling=p.respelling)
        for p in voice.pronunciations
    ]
