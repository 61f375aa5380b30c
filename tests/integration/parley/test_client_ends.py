"""How the SDK tells that a call was refused, failed, broke off or is over."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley import events
from parley.client import Conversation
from parley.directory import list_agents
from parley.errors import CallError, CallFailed, CallLost, CallRefused, ServerBusy, ServerUnreachable
from parley.microphone import Microphone
from services.common.errors import InvalidInput, Overloaded
from tests.support.voice_agent import Line, scripted, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(30)]

SECOND = bytes(2 * 16000)


async def test_a_refused_call_says_why() -> None:
    async def script(line: Line) -> None:
        raise InvalidInput("agent 'nobody' is not known: choose one of desk")

    async with scripted(script) as (_, target):
        with pytest.raises(CallRefused, match="choose one of desk"):
            async with Conversation(target, agent="nobody"):
                raise AssertionError("the call must not start")


async def test_a_full_server_says_when_to_come_back() -> None:
    async def script(line: Line) -> None:
        raise Overloaded("all 200 streams are taken", retry_after_ms=2500)

    async with scripted(script) as (_, target):
        with pytest.raises(ServerBusy) as caught:
            async with Conversation(target, agent="desk"):
                raise AssertionError("the call must not start")
    assert caught.value.retry_after_ms == 2500


async def test_no_server_teaches_how_to_start_one() -> None:
    with pytest.raises(ServerUnreachable, match="parley up"):
        async with Conversation("127.0.0.1:9", agent="desk"):
            raise AssertionError("the call must not start")
    with pytest.raises(ServerUnreachable, match="parley up"):
        await list_agents("127.0.0.1:9")


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def script(line: Line) -> None:
        await line.control("end")

    async with scripted(script) as (_, target):
        with pytest.raises(ServerUnreachable, match="no answer"):
            async with Conversation(target, agent="desk", connect_timeout_s=0.2):
                raise AssertionError("the call must not start")


async def test_a_fatal_error_is_raised_after_its_events() -> None:
    async def script(line: Line) -> None:
        await line.begin("kept")
        await line.send(error=pb.ErrorEvent(code=pb.ERROR_CODE_STAGE_FAILED, message="asr is down", is_fatal=True))
        await line.ended(pb.END_REASON_STAGE_FAILED)

    async with scripted(script) as (_, target), Conversation(target, agent="desk") as call:
        seen = [await anext(call) for _ in range(3)]
        with pytest.raises(CallFailed, match="asr is down") as caught:
            await anext(call)
    assert caught.value.session_id == "kept"
    assert [event.name for event in seen] == ["started", "error", "ended"]


async def test_a_broken_connection_names_the_session_to_resume() -> None:
    async def script(line: Line) -> None:
        await line.begin("kept")
        await line._context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    async with scripted(script) as (_, target), Conversation(target, agent="desk") as call:
        assert isinstance(await anext(call), events.Started)
        with pytest.raises(CallLost, match="session_id='kept'"):
            await anext(call)


async def test_leaving_the_call_hangs_up_and_leaves_no_task_behind() -> None:
    async def script(line: Line) -> None:
        await line.begin()
        await line.control("end")

    async with scripted(script) as (service, target):
        before = asyncio.all_tasks()
        async with Conversation(target, agent="desk") as call, Microphone(call):
            await until(call, events.Started)
        async with asyncio.timeout(10):
            await service.finished.wait()
        assert not {task.get_name() for task in asyncio.all_tasks() - before} & {"receive", "playback", "microphone"}


async def test_who_gives_up_sending_does_not_end_the_call() -> None:
    gave_up = asyncio.Event()

    async def script(line: Line) -> None:
        await line.begin()
        await gave_up.wait()  # until then nothing is read, and writes come to wait
        await line.control("end")
        await line.ended()

    async def send_on(call: Conversation) -> None:
        while True:
            await call.send_audio(SECOND)

    async with scripted(script) as (_, target), Conversation(target, agent="desk") as call:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send_on(call), 0.5)
        gave_up.set()
        await call.end()
        await until(call, events.Ended)


async def test_what_is_said_into_a_call_that_ends_is_an_error_not_a_hang() -> None:
    async def script(line: Line) -> None:
        await line.begin()
        await line.hear(60)
        await line.ended()

    async with (
        scripted(script) as (_, target),
        Conversation(target, agent="desk") as call,
        Microphone(call) as microphone,
        asyncio.timeout(10),
    ):
        with pytest.raises(CallError, match="ended"):
            await microphone.say(3 * SECOND)


@pytest.mark.parametrize("ends_well", [True, False])
async def test_the_end_of_a_call_is_told_truly_while_audio_is_on_its_way(ends_well: bool) -> None:
    """In grpc.aio a write in flight at the end may hide how the call ended; some of these 60 calls meet that."""

    async def script(line: Line) -> None:
        await line.begin()
        await line.hear(200)
        if not ends_well:
            raise Overloaded("slow down")
        for epoch in range(20):
            await line.state(pb.CONVERSATION_STATE_LISTENING, epoch)
        await line.ended()

    async def talk(call: Conversation) -> None:
        while True:
            await call.send_audio(bytes(640))

    async with scripted(script) as (_, target):
        for _ in range(60):
            call = Conversation(target, agent="desk")
            async with call, asyncio.timeout(10):
                talking = asyncio.create_task(talk(call))
                seen, sent = await asyncio.gather(until_the_end(call), talking, return_exceptions=True)
            assert isinstance(sent, CallError)
            if ends_well:
                assert isinstance(seen, list), seen
                assert [event.name for event in seen[1:]] == ["state_changed"] * 20 + ["ended"]
            else:
                assert isinstance(seen, ServerBusy), seen


async def until_the_end(call: Conversation) -> list[events.Event]:
    return [event async for event in call]
