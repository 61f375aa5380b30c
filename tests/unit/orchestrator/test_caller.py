"""What a caller may send, what it may not, and what it is told then."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.audio import AudioFormat
from services.common.errors import InvalidInput, Overloaded
from services.common.wire import encode_audio
from services.orchestrator import events as ev
from services.orchestrator.caller import MAX_REFUSALS, MAX_TEXT_CHARS, CallerHooks, CallerInput

pytestmark = pytest.mark.unit

FORMAT = AudioFormat(16000)
MAX_CHUNK_MS = 1000


@dataclass
class Call:
    """Everything that came of what a caller sent, in order."""

    happened: list[tuple[str, object]] = field(default_factory=list)
    burst_ms: int = 10_000

    def __post_init__(self) -> None:
        hooks = CallerHooks(
            audio=lambda raw, count: self.happened.append(("audio", (raw, count))),
            progress=lambda epoch, played_ms: self.happened.append(("progress", (epoch, played_ms))),
            dispatch=lambda event: self.happened.append(("event", event)),
            switch_language=self.on_language,
            tool_result=self.on_tool_result,
            refuse=lambda code, message: self.happened.append((f"refused {code}", message)),
            end=lambda: self.happened.append(("end", None)),
        )
        self.input = CallerInput(FORMAT, hooks, burst_ms=self.burst_ms, max_chunk_ms=MAX_CHUNK_MS)

    def on_language(self, tag: str) -> None:
        if tag == "fr":
            raise InvalidInput("this agent speaks en-US, es-ES")
        self.happened.append(("language", tag))

    def on_tool_result(self, result: pb.ToolResult) -> None:
        if result.call_id == "unknown":
            raise InvalidInput("no such call is waiting")
        self.happened.append(("result", result.call_id))

    def send(self, request: pb.ConverseRequest | bytes) -> list[tuple[str, object]]:
        self.happened.clear()
        self.input.on_message(request if isinstance(request, bytes) else request.SerializeToString())
        return list(self.happened)

    @property
    def pcm(self) -> bytes:
        messages = [value for kind, value in self.happened if kind == "audio"]
        raw = b"".join(message[0] for message in messages)  # type: ignore[index]
        return b"".join(pb.ConverseRequest.FromString(raw).audio)


REFUSED = f"refused {pb.ERROR_CODE_INVALID_INPUT}"
PCM = bytes(range(256)) * 2


def test_audio_is_passed_on_as_it_came() -> None:
    raw = encode_audio(PCM)
    assert Call().send(raw) == [("audio", (raw, len(PCM)))]


def test_several_chunks_in_a_message_are_passed_on_one_by_one() -> None:
    call = Call()
    happened = call.send(pb.ConverseRequest(audio=[PCM, PCM[:20]]))
    assert happened == [("audio", (encode_audio(PCM), 512)), ("audio", (encode_audio(PCM[:20]), 20))]


@pytest.mark.parametrize(
    ("request_", "happened"),
    [
        (pb.ConverseRequest(playback_progress=pb.PlaybackProgress(turn_epoch=3, played_ms=40)), ("progress", (3, 40))),
        (pb.ConverseRequest(text_input=pb.TextInput(text=" hello ")), ("event", ev.TextTyped("hello"))),
        (pb.ConverseRequest(tool_result=pb.ToolResult(call_id="a", result_json="{}")), ("result", "a")),
        (pb.ConverseRequest(interrupt=pb.InterruptAgent()), ("event", ev.InterruptRequested())),
        (pb.ConverseRequest(end=pb.EndConversation()), ("end", None)),
    ],
)
def test_controls(request_: pb.ConverseRequest, happened: tuple[str, object]) -> None:
    assert Call().send(request_) == [happened]
    request_.audio.append(PCM)
    assert Call().send(request_) == [("audio", (encode_audio(PCM), len(PCM))), happened]


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (pb.ConverseRequest(audio=[b"abc"]), "even"),
        (pb.ConverseRequest(audio=[b""]), "empty audio chunk"),
        (pb.ConverseRequest(audio=[bytes(FORMAT.byte_count(MAX_CHUNK_MS + 20))]), f"at most {MAX_CHUNK_MS} ms"),
        (b"", "empty message"),
        (b"\xff\xff\xff", "no ConverseRequest"),
        (b"\x0a\x05ab", "no ConverseRequest"),
        (b"GET / HTTP/1.1\r\n", "no ConverseRequest"),
        (pb.ConverseRequest(start=pb.StartConversation(agent="a")), "start may only come first"),
        (pb.ConverseRequest(text_input=pb.TextInput()), "empty"),
        (pb.ConverseRequest(text_input=pb.TextInput(text=" \n ")), "empty"),
        (pb.ConverseRequest(text_input=pb.TextInput(text="bonjour", language="fr")), "speaks en-US, es-ES"),
        (pb.ConverseRequest(text_input=pb.TextInput(text="a" * (MAX_TEXT_CHARS + 1))), f"at most {MAX_TEXT_CHARS}"),
        (pb.ConverseRequest(tool_result=pb.ToolResult(call_id="unknown")), "no such call"),
        (common_pb2.AudioFormat(sample_rate_hz=3).SerializeToString(), ""),
    ],
)
def test_what_cannot_be_used_is_refused_and_the_call_goes_on(request_: pb.ConverseRequest | bytes, told: str) -> None:
    call = Call()
    happened = call.send(request_)
    assert [kind for kind, _ in happened] == [REFUSED]
    assert told in str(happened[0][1])
    assert call.send(encode_audio(PCM))[0][0] == "audio"


def test_typed_text_may_name_its_language() -> None:
    caller = Call()
    caller.input.on_message(pb.ConverseRequest(text_input=pb.TextInput(text="hola", language="es")).SerializeToString())
    assert caller.happened == [("language", "es"), ("event", ev.TextTyped("hola"))]


def test_good_audio_before_bad_is_not_lost() -> None:
    happened = Call().send(pb.ConverseRequest(audio=[PCM, b"abc"], interrupt=pb.InterruptAgent()))
    assert [kind for kind, _ in happened] == ["audio", REFUSED]


def test_endless_rubbish_ends_the_call() -> None:
    call = Call()
    for _ in range(MAX_REFUSALS):
        call.send(b"")
    with pytest.raises(InvalidInput, match="empty message"):
        call.send(b"")


def test_audio_far_faster_than_real_time_ends_the_call() -> None:
    call = Call(burst_ms=2000)
    second = encode_audio(bytes(FORMAT.byte_count(990)))
    call.send(second)
    call.send(second)
    with pytest.raises(Overloaded, match="ahead of real time"):
        call.send(second)


def test_several_chunks_in_a_message_are_not_a_way_around_the_pace() -> None:
    call = Call(burst_ms=2000)
    with pytest.raises(Overloaded):
        call.send(pb.ConverseRequest(audio=[bytes(FORMAT.byte_count(1000))] * 4))


@given(st.binary(max_size=200))
def test_no_bytes_break_it(raw: bytes) -> None:
    call = Call()
    for kind, value in call.send(raw):
        assert kind in {"audio", "progress", "event", "result", "end", REFUSED}
        if kind == "audio":
            assert isinstance(value, tuple)
            assert value[1] % 2 == 0


@given(st.lists(st.binary(min_size=2, max_size=64).filter(lambda pcm: len(pcm) % 2 == 0), min_size=1, max_size=6))
def test_audio_comes_out_as_it_went_in(chunks: list[bytes]) -> None:
    call = Call()
    call.send(pb.ConverseRequest(audio=chunks))
    assert call.pcm == b"".join(chunks)
