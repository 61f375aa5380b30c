"""What bad input gets: a typed error that says what to do, while the call, and everybody else's, goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from voice.common.v1 import common_pb2
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common.wire import encode_audio
from services.orchestrator import servicer
from tests.support.caller import METHOD, SILENCE, SPEECH, Caller, calling, start_of
from tests.support.stack import Stack, stack

pytestmark = pytest.mark.integration

PCM = common_pb2.AUDIO_ENCODING_PCM_S16LE


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Stack]:
    """Run everything with fake engines."""
    async with stack(tmp_path) as running:
        yield running


def audio_format(rate_hz: int, encoding: int = PCM) -> common_pb2.AudioFormat:
    return common_pb2.AudioFormat(sample_rate_hz=rate_hz, encoding=encoding)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "code", "says"),
    [
        (pb.ConverseRequest(interrupt=pb.InterruptAgent()), grpc.StatusCode.INVALID_ARGUMENT, "must carry start"),
        (pb.ConverseRequest(audio=[SILENCE]), grpc.StatusCode.INVALID_ARGUMENT, "must carry start"),
        (pb.ConverseRequest(), grpc.StatusCode.INVALID_ARGUMENT, "must carry start"),
        (start_of(agent="nobody"), grpc.StatusCode.NOT_FOUND, "there are: tester"),
        (start_of(session_id="0123456789abcdef"), grpc.StatusCode.NOT_FOUND, "leave session_id empty"),
        (start_of(session_id="../../etc"), grpc.StatusCode.INVALID_ARGUMENT, "none of ours"),
        (start_of(format=audio_format(16000, 0)), grpc.StatusCode.INVALID_ARGUMENT, "AUDIO_ENCODING_PCM_S16LE"),
        (start_of(format=audio_format(16000, 99)), grpc.StatusCode.INVALID_ARGUMENT, "AUDIO_ENCODING_PCM_S16LE"),
        (start_of(format=audio_format(12345)), grpc.StatusCode.INVALID_ARGUMENT, "send one of"),
        (
            start_of(client_tools=[pb.ClientTool(name="t", parameters_json_schema="no json")]),
            grpc.StatusCode.INVALID_ARGUMENT,
            "client tool 't'",
        ),
    ],
)
async def test_a_call_that_cannot_begin(
    parts: Stack, first: pb.ConverseRequest, code: grpc.StatusCode, says: str
) -> None:
    async with calling(parts.channel, first, greeted=False) as caller:
        await caller.over()
        assert caller.failure is not None
        assert caller.failure.code() is code
        assert says in str(caller.failure.details())
    await still_answers(parts)


async def test_a_caller_that_never_begins_is_not_waited_for(parts: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servicer, "FIRST_MESSAGE_MS", 50)
    caller = Caller(parts.channel.stream_stream(METHOD)())
    await caller.over()
    assert caller.failure is not None
    assert caller.failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "no start within 50 ms" in str(caller.failure.details())
    await still_answers(parts)


@pytest.mark.parametrize(
    ("first", "says"), [(None, "closed before start"), (b"\xff\xff", "no ConverseRequest"), (b"", "must carry start")]
)
async def test_a_call_that_begins_with_nothing_of_ours(parts: Stack, first: bytes | None, says: str) -> None:
    caller = Caller(parts.channel.stream_stream(METHOD)())
    if first is None:
        await caller.call.done_writing()
    else:
        await caller.send_raw(first)
    await caller.over()
    assert caller.failure is not None
    assert caller.failure.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert says in str(caller.failure.details())
    await still_answers(parts)


async def still_answers(parts: Stack) -> None:
    """Assert that a new call is answered."""
    async with calling(parts.channel) as caller:
        await goes_on(caller)


async def goes_on(caller: Caller) -> None:
    """Assert that this call is answered."""
    since = caller.mark()
    await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="hello")))
    assert (await caller.kind("turn_summary", since)).heard_text


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (encode_audio(b"\x01\x02\x03"), "must be even"),
        (encode_audio(b""), "empty"),
        (b"", "empty message"),
        (encode_audio(bytes(2 * 16000 * 2)), "send at most 1000 ms"),
        (b"\xff\xff\xff", "no ConverseRequest"),
        (start_of().SerializeToString(), "start may only come first"),
        (pb.ConverseRequest(text_input=pb.TextInput(text="  ")).SerializeToString(), "text_input is empty"),
        (pb.ConverseRequest(text_input=pb.TextInput(text="x" * 5000)).SerializeToString(), "at most"),
        (pb.ConverseRequest(tool_result=pb.ToolResult(call_id="x")).SerializeToString(), "no such call"),
    ],
)
async def test_a_message_that_cannot_be_used(parts: Stack, raw: bytes, says: str) -> None:
    async with calling(parts.channel) as caller:
        await caller.send_raw(raw)
        error = await caller.kind("error")
        assert error.code == pb.ERROR_CODE_INVALID_INPUT
        assert says in error.message
        assert not error.is_fatal
        await goes_on(caller)


async def test_playback_positions_that_cannot_be(parts: Stack) -> None:
    async with calling(parts.channel) as caller:
        for epoch, played_ms in ((1, 4_000_000_000), (4_000_000_000, 1), (0, 0)):
            progress = pb.PlaybackProgress(turn_epoch=epoch, played_ms=played_ms)
            await caller.send(pb.ConverseRequest(playback_progress=progress))
        await goes_on(caller)


async def test_a_flood_of_audio_is_refused_and_the_session_can_be_resumed(parts: Stack) -> None:
    async with calling(parts.channel) as caller:
        session_id = caller.all("started")[0].session_id
        await caller.audio(SILENCE * 50, 12)
        await caller.over()
        assert caller.failure is not None
        assert caller.failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "real time" in str(caller.failure.details())
        assert "retry-after-ms" in dict(caller.failure.trailing_metadata())
    async with calling(parts.channel, start_of(session_id=session_id), greeted=False) as again:
        assert (await again.kind("started")).resumed
        await goes_on(again)


async def test_a_message_over_the_servers_limit_ends_only_that_call(parts: Stack) -> None:
    async with calling(parts.channel) as caller:
        await caller.send_raw(encode_audio(bytes(3 << 20)))
        await caller.over()
        assert caller.failure is not None
        assert caller.failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await still_answers(parts)


async def test_endless_rubbish_ends_the_call(parts: Stack) -> None:
    async with calling(parts.channel) as caller:
        for _ in range(101):
            await caller.send_raw(b"\xff\xff")
        await caller.over()
        assert caller.failure is not None
        assert caller.failure.code() is grpc.StatusCode.INVALID_ARGUMENT
    await still_answers(parts)


async def test_a_caller_that_vanishes_leaves_nothing_running(parts: Stack) -> None:
    async with calling(parts.channel) as caller:
        session_id = caller.all("started")[0].session_id
        await caller.audio(SPEECH, 10)
    describe = parts.channel.unary_unary(
        "/voice.orchestrator.v1.VoiceAgent/GetSession",
        request_serializer=pb.GetSessionRequest.SerializeToString,
        response_deserializer=pb.GetSessionResponse.FromString,
    )
    for _ in range(200):
        session = await describe(pb.GetSessionRequest(session_id=session_id))
        if not session.is_live:
            break
    assert not session.is_live
    assert 0 < session.expires_in_s <= 600
    for stage in ("asr", "turn", "tts"):
        await parts.servers[stage].interceptor.wait_idle()


async def test_one_call_more_than_there_is_room_for(tmp_path: Path) -> None:
    async with stack(tmp_path, orchestrator={"max_streams": 1}) as parts, calling(parts.channel) as caller:
        async with calling(parts.channel, greeted=False) as refused:
            await refused.over()
            assert refused.failure is not None
            assert refused.failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "retry-after-ms" in dict(refused.failure.trailing_metadata())
        await goes_on(caller)


async def test_silence_is_asked_after_and_then_closed(tmp_path: Path) -> None:
    async with stack(tmp_path, orchestrator={"idle_ms": 150}) as parts, calling(parts.channel) as caller:
        await caller.over()
        said = [summary.agent_text for summary in caller.all("turn_summary")]
        assert said == ["Hello there.", "Are you there?", "Are you there?", "Goodbye now."]
        assert caller.all("ended")[-1].reason == pb.END_REASON_IDLE
        assert caller.failure is None
