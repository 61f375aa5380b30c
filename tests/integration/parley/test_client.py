"""The SDK against a real gRPC server that follows a script."""

from __future__ import annotations

import asyncio
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley import events
from parley.client import Conversation
from parley.directory import list_agents
from parley.errors import CallMisused
from parley.microphone import Microphone
from tests.support.voice_agent import Line, scripted, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(30)]

RATE = 16000


def tone(duration_ms: int) -> bytes:
    samples = np.arange(duration_ms * RATE // 1000)
    return (9000 * np.sin(2 * np.pi * 220 * samples / RATE)).astype("<i2").tobytes()


async def test_a_call_brings_typed_events_in_order_and_ends() -> None:
    async def script(line: Line) -> None:
        await line.begin("abc")
        await line.state(pb.CONVERSATION_STATE_SPEAKING, 1)
        await line.said(pb.SPEAKER_AGENT, "Hello.", 1)
        await line.control("end")
        await line.ended()

    async with scripted(script) as (service, target):
        async with Conversation(target, agent="desk", sample_rate_hz=8000) as call:
            await call.end()
            async with asyncio.timeout(10):
                seen = [event async for event in call]
        start = service.lines[0].start
    assert (start.agent, start.format.sample_rate_hz, start.sends_playback_progress) == ("desk", 8000, True)
    match seen:
        case [
            events.Started(session_id="abc", agent="desk"),
            events.StateChanged(state=events.State.SPEAKING, turn_epoch=1),
            events.Transcript(speaker=events.Speaker.AGENT, text="Hello.", is_final=True),
            events.Ended(reason="caller"),
        ]:
            assert [event.at_ms for event in seen] == sorted(event.at_ms for event in seen)
        case _:
            raise AssertionError(seen)
    with pytest.raises(CallMisused, match="ended"):
        await call.send_audio(bytes(320))


async def test_a_call_names_its_language_and_that_of_what_is_typed() -> None:
    async def script(line: Line) -> None:
        line.start = await line.control("start")
        await line.send(started=pb.ConversationStarted(agent="desk", language="es-ES", heard_languages=["en", "es-ES"]))
        await line.send(turn_summary=pb.TurnSummary(language=(await line.control("text_input")).language))
        await line.control("end")
        await line.ended()

    async with scripted(script) as (service, target):
        async with Conversation(target, agent="desk", language="es") as call:
            await call.text("guten Tag", "de")
            await call.end()
            async with asyncio.timeout(10):
                started, summary, _ = [event async for event in call]
        assert service.lines[0].start.language == "es"
    assert isinstance(started, events.Started) and isinstance(summary, events.TurnSummary)  # noqa: PT018
    assert (started.language, started.heard_languages, summary.language) == ("es-ES", ("en", "es-ES"), "de")


async def test_pause_and_clear_are_acknowledged_at_once_with_what_was_heard() -> None:
    async def script(line: Line) -> None:
        await line.begin()
        await line.speak(1, 1000)
        await line.control("playback_progress")
        await line.send(pause_playback=pb.PausePlayback(turn_epoch=1))
        await line.send(clear_playback=pb.ClearPlayback(turn_epoch=1))
        last = await line.control("playback_progress")
        while (progress := await line.control("playback_progress")) != last:
            last = progress  # two alike: those of the pause and of the clear, for nothing sounds in between
        await line.speak(1, 60)
        await line.speak(2, 60)
        while await line.control("playback_progress") != pb.PlaybackProgress(turn_epoch=2, played_ms=60):
            pass
        await line.ended()

    async with scripted(script) as (_, target), Conversation(target, agent="desk") as call, asyncio.timeout(10):
        audio = [event async for event in call if isinstance(event, events.AgentAudio)]
    assert call.playback.stale_frames == 3
    assert [event.is_stale for event in audio if event.turn_epoch == 2] == [False] * 3
    assert [event.turn_epoch for event in audio if event.is_first] == [1, 2]
    assert 0 < call.playback.position_of(1).played_ms < 1000


async def test_the_recording_holds_what_was_heard_where_it_was_heard(tmp_path: Path) -> None:
    async def script(line: Line) -> None:
        await line.begin()
        await line.hear(100)
        await line.speak(1, 400, level=5000)
        await line.hear(200)
        await line.send(clear_playback=pb.ClearPlayback(turn_epoch=1))
        await line.hear(400)
        await line.ended()

    async with scripted(script) as (_, target):
        async with Conversation(target, agent="desk", record=True) as call, Microphone(call) as microphone:
            await microphone.say(tone(100))
            async with asyncio.timeout(10):
                async for _ in call:
                    pass
        call.write_recording(tmp_path / "call.wav")
    with wave.open(str(tmp_path / "call.wav")) as recorded:
        assert (recorded.getnchannels(), recorded.getframerate()) == (2, RATE)
        tracks = np.frombuffer(recorded.readframes(recorded.getnframes()), dtype="<i2").reshape(-1, 2)
    agent = np.flatnonzero(tracks[:, 1] == 5000)
    heard_ms = len(agent) * 1000 / RATE
    assert heard_ms == pytest.approx(call.playback.position_of(1).played_ms, abs=1)
    assert heard_ms < 400
    assert agent[0] > np.flatnonzero(tracks[:, 0])[-1], "the agent began after the caller's 100 ms"


async def test_voice_to_voice_is_null_for_a_greeting_and_measured_for_an_answer() -> None:
    async def script(line: Line) -> None:
        await line.begin()
        await line.speak(1, 40)
        await line.send(turn_summary=pb.TurnSummary(turn_epoch=1, agent_text="Hello.", heard_text="Hello."))
        await line.hear(700)
        await line.speak(2, 40)
        await line.send(
            turn_summary=pb.TurnSummary(
                turn_epoch=2,
                user_text="hi",
                agent_text="Yes.",
                hops=[pb.Hop(name="vad_hold", duration_ms=200, client_ms=9, server_ms=5, network_ms=4)],
            )
        )
        await line.ended()

    async with (
        scripted(script) as (_, target),
        Conversation(target, agent="desk") as call,
        Microphone(call) as microphone,
    ):
        await microphone.say(tone(300))
        await until(call, events.Ended)
    greeting, answer = call.turns
    assert greeting.voice_to_voice_ms is None
    assert answer.voice_to_voice_ms is not None
    assert answer.voice_to_voice_ms >= 300
    assert answer.hops == (events.Hop(name="vad_hold", duration_ms=200, client_ms=9, server_ms=5, network_ms=4),)


async def test_client_tools_run_and_their_failures_are_told() -> None:
    async def script(line: Line) -> None:
        await line.begin()
        for call_id, name in (("1", "weather"), ("2", "broken"), ("3", "unknown")):
            await line.send(
                tool_call=pb.ToolCallEvent(
                    call_id=call_id,
                    name=name,
                    arguments_json='{"city": "Oslo"}',
                    runs_at_client=True,
                    status=pb.TOOL_CALL_STATUS_STARTED,
                )
            )
            results.append(await line.control("tool_result"))
        await line.ended()

    results: list[pb.ToolResult] = []

    async def broken(city: str) -> None:
        raise RuntimeError(f"no weather in {city}")

    async with scripted(script) as (service, target):
        call = Conversation(target, agent="desk", tools={"broken": broken})

        @call.tool
        async def weather(city: str) -> dict[str, str]:
            """Tells the weather."""
            return {"city": city, "sky": "clear"}

        async with call, asyncio.timeout(10):
            async for _ in call:
                pass
        declared = {tool.name: json.loads(tool.parameters_json_schema) for tool in service.lines[0].start.client_tools}
    assert set(declared) == {"weather", "broken"}
    assert declared["weather"]["required"] == ["city"]
    assert json.loads(results[0].result_json) == {"city": "Oslo", "sky": "clear"}
    assert "no weather in Oslo" in results[1].error
    assert "unknown" in results[2].error
    with pytest.raises(CallMisused, match="before"):
        call.tool(weather)


async def test_text_interrupt_and_audio_reach_the_server() -> None:
    async def script(line: Line) -> None:
        await line.begin()
        texts.append((await line.control("text_input")).text)
        await line.control("interrupt")
        await line.hear(20)
        texts.append(bytes(line.audio))
        await line.ended()

    texts: list[object] = []
    async with scripted(script) as (_, target), Conversation(target, agent="desk") as call:
        await call.text("what time is it")
        await call.interrupt()
        await call.send_audio(tone(20))
        await until(call, events.Ended)
    assert texts == ["what time is it", tone(20)]


async def test_a_session_is_resumed_by_id() -> None:
    async def script(line: Line) -> None:
        await line.begin("kept")
        await line.ended()

    async with scripted(script) as (service, target):
        async with Conversation(target, session_id="kept") as call:
            await until(call, events.Ended)
        assert service.lines[0].start.session_id == "kept"


async def test_misuse_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(CallMisused, match="agent"):
        Conversation()
    with pytest.raises(CallMisused, match="sample_rate_hz"):
        Conversation(agent="desk", sample_rate_hz=12345)
    with pytest.raises(CallMisused, match="async with"):
        await Conversation(agent="desk").text("hello")

    async def script(line: Line) -> None:
        await line.begin()
        await line.control("end")

    async with scripted(script) as (_, target), Conversation(target, agent="desk") as call:
        with pytest.raises(CallMisused, match="even"):
            await call.send_audio(b"odd")


async def test_agents_are_listed() -> None:
    async def script(line: Line) -> None: ...

    agent = pb.AgentInfo(name="desk", description="Books.", language="en-US", tools=["book"])
    async with scripted(script, [agent]) as (_, target):
        (listed,) = await list_agents(target)
    assert (listed.name, listed.description, listed.language, listed.tools) == ("desk", "Books.", "en-US", ("book",))
