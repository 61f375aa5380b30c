"""One stream to a stage, against a real gRPC server: opened, kept open, opened anew, and ended."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from services.common.errors import NotReady
from services.common.wire import encode_audio
from services.orchestrator.stages import stream as streams
from services.orchestrator.stages.stream import StageError, wait_until_up
from tests.integration.orchestrator_parts.raw_stage import CONFIG, DEADLINE_S, READY, Line, RawStage, streaming

pytestmark = pytest.mark.integration

CONTROL = b"\x22\x02\x08\x01"
"""Field 4, a message of two bytes: some control."""


def audio(number: int, size: int = 20) -> bytes:
    return encode_audio(bytes([number % 256]) * size)


async def received(line: Line, count: int) -> bytes:
    """Return what the stage got after the config, once that is `count` bytes."""
    async with asyncio.timeout(DEADLINE_S):
        while len(b"".join(line.received[1:])) < count:  # noqa: ASYNC110 - the script reads in a task of its own
            await asyncio.sleep(0.005)
    return b"".join(line.received[1:])


async def test_a_stream_begins_with_its_config_and_is_up_once_the_stage_is_ready() -> None:
    stage = RawStage()
    async with streaming(stage) as (client, _):
        await client.up()
        assert client.responses == [READY]
        assert client.stream.first_outcome.done()
        assert (await stage.line(0)).received == [CONFIG]
    assert client.lost == client.gave_up == []


async def test_what_is_sent_arrives_in_order() -> None:
    stage = RawStage()
    async with streaming(stage) as (client, _):
        await client.up()
        sent = b""
        for number in range(50):
            raw = audio(number) if number % 3 else audio(number) + CONTROL
            sent += raw
            (client.stream.send_audio if number % 3 else client.stream.send)(raw)
            if number % 7 == 0:
                await asyncio.sleep(0)
        assert await received(await stage.line(0), len(sent)) == sent


async def test_what_the_stage_says_is_passed_on_in_order() -> None:
    async def talkative(line: Line) -> None:
        await line.accept()
        for number in range(100):
            await line.write(b"%d" % number)
        await line.listen()

    async with streaming(RawStage(talkative)) as (client, _):
        await client.until(lambda: len(client.responses) == 101)
    assert client.responses == [READY, *(b"%d" % number for number in range(100))]


async def test_audio_behind_a_slow_write_goes_out_as_one_message_and_controls_ride_along() -> None:
    go_on = asyncio.Event()

    async def slow(line: Line) -> None:
        await line.accept()
        await go_on.wait()
        await line.listen()

    stage = RawStage(slow)
    async with streaming(stage) as (client, _):
        await client.up()
        line = await stage.line(0)
        clog = [audio(number, 200_000) for number in range(3)]  # more than HTTP/2 takes from a peer that does not read
        for raw in clog:
            client.stream.send(raw)
            await asyncio.sleep(0.01)
        later = [audio(number) for number in range(40)]
        for raw in later[:30]:
            client.stream.send_audio(raw)
        client.stream.send(CONTROL)
        for raw in later[30:]:
            client.stream.send_audio(raw)
        go_on.set()
        everything = b"".join([*clog, *later[:30], CONTROL, *later[30:]])
        assert await received(line, len(everything)) == everything
        assert line.received[4:] == [b"".join([*later[:30], CONTROL]), b"".join(later[30:])]


async def test_a_message_never_grows_beyond_what_stages_accept() -> None:
    """Services refuse messages over 1 MiB, and a refused stream is a lost one."""
    go_on = asyncio.Event()

    async def slow(line: Line) -> None:
        await line.accept()
        await go_on.wait()
        await line.listen()

    stage = RawStage(slow)
    async with streaming(stage) as (client, _):
        await client.up()
        sent = [audio(number, 100_000) for number in range(30)]
        for raw in sent:
            client.stream.send_audio(raw)
        go_on.set()
        line = await stage.line(0)
        assert await received(line, len(b"".join(sent))) == b"".join(sent)
        assert max(len(raw) for raw in line.received) < 1 << 20


async def test_a_stage_that_dies_is_told_anew_once_it_is_back() -> None:
    stage = RawStage()
    async with streaming(stage) as (client, _):
        await client.up()
        client.stream.send(CONTROL)
        await received(await stage.line(0), len(CONTROL))
        await stage.kill()
        await client.until(lambda: bool(client.lost))
        client.stream.send_audio(audio(1))  # part of what the replay tells
        client.replay = [CONTROL, audio(1)]
        await stage.start()
        line = await stage.line(1)
        assert await received(line, len(CONTROL + audio(1))) == CONTROL + audio(1)
        client.stream.send_audio(audio(2))
        assert await received(line, len(CONTROL + audio(1) + audio(2))) == CONTROL + audio(1) + audio(2)
        assert line.received[0] == CONFIG
        assert client.responses == [READY, READY]
    assert len(client.lost) == 1
    assert client.lost[0].stage == "asr"
    assert client.gave_up == []


async def test_restart_drops_the_stream_and_opens_another() -> None:
    stage = RawStage()
    async with streaming(stage) as (client, _):
        await client.up()
        client.replay = [CONTROL]
        client.stream.restart("it owes an answer")
        client.stream.restart("and another")
        line = await stage.line(1)
        assert await received(line, len(CONTROL)) == CONTROL
        async with asyncio.timeout(DEADLINE_S):
            await stage.lines[0].closed.wait()
        assert not line.closed.is_set()
    assert [error.detail for error in client.lost] == ["it owes an answer"]
    assert len(stage.lines) == 2


async def test_the_loss_of_a_first_stream_that_took_two_attempts_is_told() -> None:
    async def late(line: Line) -> None:
        await line.read()
        if len(stage.lines) == 1:
            await line.fail(grpc.StatusCode.UNAVAILABLE, "not yet")
        await line.write(READY)
        await line.listen()

    stage = RawStage(late)
    async with streaming(stage) as (client, _):
        await client.up()
        assert client.lost == [], "there was nothing to lose"
        client.stream.restart("it owes an answer")
        await client.until(lambda: bool(client.lost))
    assert [error.detail for error in client.lost] == ["it owes an answer"]


@pytest.mark.parametrize("how", ["while it is down", "in the moment it breaks"])
async def test_a_restart_of_a_stream_that_is_down_leaves_later_restarts_their_effect(how: str) -> None:
    """The health check restarts the streams of a stage that is down: afterwards a hung one must still be dropped."""
    stage = RawStage()
    async with streaming(stage) as (client, _):
        await client.up()
        await stage.kill()
        if how == "while it is down":
            await client.until(lambda: bool(client.lost))
            client.stream.restart("it does not answer health checks")
        else:
            connection = client.stream._connection
            assert connection is not None
            connection.add_done_callback(lambda _: client.stream.restart("it does not answer health checks"))
            await client.until(lambda: bool(client.lost))
        await stage.start()
        before = len(stage.lines)
        await client.until(lambda: client.responses.count(READY) >= 2)
        await client.up()
        client.stream.restart("it owes an answer")
        await client.until(lambda: client.responses.count(READY) >= 3)
        assert len(stage.lines) >= before + 1


async def test_a_stream_that_is_cancelled_leaves_nothing_running() -> None:
    stage = RawStage()
    async with streaming(stage) as (client, task):
        await client.up()
        task.cancel()
        await asyncio.wait({task}, timeout=DEADLINE_S)
        assert task.cancelled()
        async with asyncio.timeout(DEADLINE_S):
            await stage.lines[0].closed.wait()
        assert [other for other in asyncio.all_tasks() if other.get_name().startswith("asr-")] == []


async def test_a_stream_that_is_cancelled_between_two_connections_leaves_nothing_running() -> None:
    stage = RawStage()
    async with streaming(stage) as (client, task):
        await client.up()
        await stage.kill()
        await client.until(lambda: bool(client.lost))
        task.cancel()
        await asyncio.wait({task}, timeout=DEADLINE_S)
        assert task.cancelled()
        await asyncio.sleep(0)
        assert [other for other in asyncio.all_tasks() if other.get_name().startswith("asr-")] == []


# --- stages that do not do as they should -----------------------------------------------------------------------------


async def test_a_stage_that_refuses_the_config_fails_at_once() -> None:
    async def refusing(line: Line) -> None:
        await line.read()
        await line.fail(grpc.StatusCode.INVALID_ARGUMENT, "no such language")

    stage = RawStage(refusing)
    async with streaming(stage, grace_ms=60_000) as (client, task):
        with pytest.raises(NotReady, match="cannot start the call: asr: INVALID_ARGUMENT: no such language"):
            await wait_until_up([client.stream], 5_000)
        await asyncio.wait({task}, timeout=DEADLINE_S)
        assert task.done()
    assert len(stage.lines) == 1
    assert client.gave_up == client.lost == []


async def test_a_stage_that_is_not_there_is_named() -> None:
    async with streaming(RawStage(), start=False, grace_ms=60_000) as (client, _):
        with pytest.raises(NotReady, match="not reachable: asr"):
            await wait_until_up([client.stream], 200)


async def test_a_stage_that_is_not_there_fails_the_start_after_the_grace() -> None:
    async with streaming(RawStage(), start=False, grace_ms=100) as (client, _):
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(StageError, match="UNAVAILABLE"):
                await client.stream.first_outcome
    assert client.gave_up == client.lost == []


async def test_a_stage_that_stays_down_is_given_up_once() -> None:
    stage = RawStage()
    async with streaming(stage, grace_ms=300) as (client, task):
        await client.up()
        await stage.kill()
        await client.until(lambda: bool(client.gave_up))
        await asyncio.wait({task}, timeout=DEADLINE_S)
        assert task.done()
        client.stream.send_audio(audio(1))  # harmless
        client.stream.restart("harmless too")
    assert (len(client.lost), len(client.gave_up)) == (1, 1)


@pytest.mark.parametrize("trouble", ["ends", "fails", "says rubbish"])
async def test_a_stage_that_takes_streams_and_drops_them_is_given_up_too(trouble: str) -> None:
    """Otherwise the caller would hear of it twenty times a second for as long as the call lasts."""

    async def flapping(line: Line) -> None:
        await line.accept()
        match trouble:
            case "fails":
                await line.fail(grpc.StatusCode.INTERNAL, "engine fault")
            case "says rubbish":
                await line.write(b"rubbish")
                await line.listen()

    stage = RawStage(flapping)
    async with streaming(stage, grace_ms=500) as (client, _):

        def on_response(raw: bytes) -> None:
            if raw == b"rubbish":
                raise ValueError("no message of ours")

        client.on_response = on_response
        await client.until(lambda: bool(client.gave_up))
    assert len(client.lost) == 1
    assert len(stage.lines) < 12


async def test_a_stage_that_had_a_moment_of_trouble_long_ago_is_not_held_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STABLE_S", 0.05)
    stage = RawStage()
    async with streaming(stage, grace_ms=400) as (client, _):
        for number in range(1, 5):
            await client.until(lambda wanted=number: len(client.responses) == wanted)  # type: ignore[misc]
            await asyncio.sleep(0.15)
            client.stream.restart(f"trouble {number}")
        await client.until(lambda: len(client.responses) == 5)
    assert client.gave_up == []
    assert [error.detail for error in client.lost] == [f"trouble {number}" for number in range(1, 5)]


async def test_a_stage_that_never_says_ready_is_dropped_and_tried_again() -> None:
    stage = RawStage()

    async def hanging_first(line: Line) -> None:
        if len(stage.lines) == 1:
            await line.listen()
        await line.accept()
        await line.listen()

    stage.script = hanging_first
    async with streaming(stage, ready_ms=100) as (client, _):
        await client.up()
        async with asyncio.timeout(DEADLINE_S):
            await stage.lines[0].closed.wait()
        assert client.responses == [READY]
    assert len(stage.lines) == 2


async def test_a_stage_that_ends_the_stream_before_it_is_ready_is_tried_again() -> None:
    stage = RawStage()

    async def ending_first(line: Line) -> None:
        if len(stage.lines) > 1:
            await line.accept()
            await line.listen()

    stage.script = ending_first
    async with streaming(stage) as (client, _):
        await client.up()
    assert len(stage.lines) == 2


async def test_a_stage_that_stops_reading_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "WRITE_DEADLINE_MS", 100)
    stage = RawStage()

    async def deaf_first(line: Line) -> None:
        await line.accept()
        if len(stage.lines) == 1:
            await line.closed.wait()
        await line.listen()

    stage.script = deaf_first
    async with streaming(stage) as (client, _):
        await client.up()
        async with asyncio.timeout(DEADLINE_S):
            while not client.lost:
                client.stream.send_audio(audio(1, 64_000))
                await asyncio.sleep(0.02)
        await client.until(lambda: client.responses == [READY, READY])
    assert client.lost[0].detail == "it does not read what it is sent"


async def test_what_waits_for_a_stage_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_PENDING_BYTES", 10_000)
    async with streaming(RawStage(), start=False, grace_ms=60_000) as (client, _):
        for number in range(200):
            client.stream.send_audio(audio(number, 1_000))
            assert client.stream._pending_bytes <= 10_000
