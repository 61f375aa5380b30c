"""What a caller sends: audio by the fast path, everything else checked and turned into events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.audio import AudioFormat, check_pcm
from services.common.errors import InvalidInput
from services.common.limits import AudioPace
from services.common.wire import audio_span, encode_audio
from services.orchestrator import events as ev

MAX_TEXT_CHARS = 4_000
MAX_REFUSALS = 100
"""A caller that sends this much that cannot be used is cut off: something is broken at its end."""


@dataclass(frozen=True, slots=True)
class CallerHooks:
    """Where a caller's messages go. All run on the event loop."""

    audio: Callable[[bytes, int], None]
    """(serialised audio message, bytes of samples in it)"""
    progress: Callable[[int, int], None]
    """(epoch, played_ms)"""
    dispatch: Callable[[ev.Event], None]
    switch_language: Callable[[str], None]
    """(BCP 47 tag): what the caller writes in from now on. Raises InvalidInput for a language that the agent lacks."""
    tool_result: Callable[[pb.ToolResult], None]
    refuse: Callable[[pb.ErrorCode.ValueType, str], None]
    end: Callable[[], None]


class CallerInput:
    """Validates one caller's stream. What cannot be used is answered by an error event, and the call goes on."""

    def __init__(self, audio_format: AudioFormat, hooks: CallerHooks, *, burst_ms: int, max_chunk_ms: int) -> None:
        self._format = audio_format
        self._hooks = hooks
        self._pace = AudioPace(burst_ms)
        self._max_chunk_ms = max_chunk_ms
        self._max_chunk_bytes = audio_format.byte_count(max_chunk_ms)
        self._refusals = 0
        self._usual_size = -1
        """Of a whole message: that of the newest that was good audio and nothing else..."""
        self._usual_start = b""
        """...and what it begins with, which says how much audio follows."""
        self._usual_bytes = 0
        self._usual_ms = 0.0

    def on_message(self, raw: bytes) -> None:
        """Take one serialised ConverseRequest. Raises Overloaded for a flood, InvalidInput for endless rubbish."""
        if (len(raw) == self._usual_size and raw.startswith(self._usual_start)) or self._is_audio(raw):
            self._pace.admit(self._usual_ms)
            self._hooks.audio(raw, self._usual_bytes)
            return
        try:
            self._on_request(pb.ConverseRequest.FromString(raw))
        except DecodeError:
            self._refuse("this is no ConverseRequest: check the client's protobuf definitions")
        except InvalidInput as error:
            self._refuse(str(error))

    def _is_audio(self, raw: bytes) -> bool:
        """Return whether a message is one good chunk of audio alone: then others that begin as it does are, too."""
        span = audio_span(raw)
        if span is None:
            return False
        count = span[1] - span[0]
        if not 0 < count <= self._max_chunk_bytes or count & 1:
            return False
        self._usual_size, self._usual_start = len(raw), raw[: span[0]]
        self._usual_bytes, self._usual_ms = count, self._format.duration_ms(count)
        return True

    def _refuse(self, message: str) -> None:
        self._refusals += 1
        if self._refusals > MAX_REFUSALS:
            raise InvalidInput(f"more than {MAX_REFUSALS} messages could not be used; the last: {message}")
        self._hooks.refuse(pb.ERROR_CODE_INVALID_INPUT, message)

    def _on_request(self, request: pb.ConverseRequest) -> None:
        kind = request.WhichOneof("control")
        if kind is None and not request.audio:
            raise InvalidInput("empty message: send audio or a control")
        for pcm in request.audio:
            if not pcm:
                raise InvalidInput("empty audio chunk: send at least one sample")
            check_pcm(pcm, self._format, self._max_chunk_ms)
            self._pace.admit(self._format.duration_ms(len(pcm)))
            self._hooks.audio(encode_audio(pcm), len(pcm))
        match kind:
            case "start":
                raise InvalidInput("start may only come first: open another stream for another call")
            case "playback_progress":
                self._hooks.progress(request.playback_progress.turn_epoch, request.playback_progress.played_ms)
            case "text_input":
                self._on_text(request.text_input)
            case "tool_result":
                self._hooks.tool_result(request.tool_result)
            case "interrupt":
                self._hooks.dispatch(ev.InterruptRequested())
            case "end":
                self._hooks.end()

    def _on_text(self, typed: pb.TextInput) -> None:
        text = typed.text
        if not text.strip():
            raise InvalidInput("text_input is empty")
        if len(text) > MAX_TEXT_CHARS:
            raise InvalidInput(f"text_input has {len(text)} characters: send at most {MAX_TEXT_CHARS}")
        if typed.language:
            self._hooks.switch_language(typed.language)
        self._hooks.dispatch(ev.TextTyped(text.strip()))
