"""The `parley` command against a real gRPC server that follows a script."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley import procfs, runstate
from parley.runstate import Running
from parley.wav import write_wav
from tests.integration.tts.client import running
from tests.support.voice_agent import Line, scripted

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

RATE = 16000


async def parley(*arguments: str) -> tuple[int, str, str]:
    """Run the command as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "parley.cli",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(40):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def question(folder: Path) -> Path:
    """Write a second and a half of tone at 8 kHz: what is said does not matter to a scripted agent."""
    samples = 9000 * np.sin(2 * np.pi * 220 * np.arange(8000 * 3 // 2) / 8000)
    path = folder / "question.wav"
    write_wav(path, samples.astype("<i2").tobytes(), 8000)
    return path


async def conversation(line: Line) -> None:
    """Greet, hear the question, call a tool, answer, be ended by the caller."""
    await line.begin()
    await line.state(pb.CONVERSATION_STATE_SPEAKING, 1)
    await line.said(pb.SPEAKER_AGENT, "Hello.", 1)
    await line.speak(1, 300)
    await line.hear(300)
    await line.send(turn_summary=pb.TurnSummary(turn_epoch=1, agent_text="Hello.", heard_text="Hello."))
    await line.state(pb.CONVERSATION_STATE_LISTENING, 1)
    while not any(line.audio[-3200:]):
        await line.hear(20)
    await line.said(pb.SPEAKER_USER, "when are", 2, is_final=False)
    await line.hear(1700)
    await line.said(pb.SPEAKER_USER, "when are you open", 2)
    await line.state(pb.CONVERSATION_STATE_THINKING, 2)
    call = pb.ToolCallEvent(call_id="1", name="hours", arguments_json="{}", turn_epoch=2)
    call.status = pb.TOOL_CALL_STATUS_STARTED
    await line.send(tool_call=call)
    call.status, call.result_json, call.duration_ms = pb.TOOL_CALL_STATUS_SUCCEEDED, '"nine to five"', 12
    await line.send(tool_call=call)
    await line.state(pb.CONVERSATION_STATE_SPEAKING, 2)
    await line.said(pb.SPEAKER_AGENT, "From nine to five.", 2)
    await line.speak(2, 200)
    await line.hear(200)
    hops = [pb.Hop(name="vad_hold", duration_ms=150), pb.Hop(name="llm_first_token", duration_ms=10)]
    await line.send(
        turn_summary=pb.TurnSummary(
            turn_epoch=2,
            user_text="when are you open",
            agent_text="From nine to five.",
            heard_text="From nine to five.",
            hops=hops,
            response_ms=160,
        )
    )
    await line.state(pb.CONVERSATION_STATE_LISTENING, 2)
    await line.control("end")
    await line.ended()


async def test_call_prints_one_event_a_line_and_the_summary_last(tmp_path: Path) -> None:
    async with scripted(conversation) as (_, target):
        recording = tmp_path / "made" / "call.wav"
        status, out, err = await parley(
            "call", str(question(tmp_path)), "--server", target, "--agent", "desk", "--json", "--out", str(recording)
        )
    assert (status, err) == (0, "")
    lines: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert all(isinstance(line["event"], str) and line["at_ms"] >= 0 for line in lines)
    names = [line["event"] for line in lines]
    assert names[0] == "started"
    assert names[-2:] == ["ended", "call_summary"]
    assert names.count("agent_audio") == 2, "the first audio of each turn alone"
    greeting, answer = lines[-1]["turns"]
    assert (greeting["user_text"], greeting["voice_to_voice_ms"]) == ("", None)
    assert (answer["user_text"], answer["heard_text"], answer["interrupted"]) == (
        "when are you open",
        "From nine to five.",
        False,
    )
    assert answer["voice_to_voice_ms"] > 0
    assert list(answer["hops_ms"]) == ["vad_hold", "llm_first_token", "network_and_client"]
    with wave.open(str(recording)) as recorded:
        assert (recorded.getnchannels(), recorded.getframerate()) == (2, RATE)
        tracks = np.frombuffer(recorded.readframes(recorded.getnframes()), dtype="<i2").reshape(-1, 2)
    assert np.count_nonzero(tracks[:, 1]) * 1000 / RATE == pytest.approx(500, abs=1)
    assert np.count_nonzero(np.abs(tracks[:, 0]) > 1000) * 1000 / RATE == pytest.approx(1400, abs=150)


async def test_call_shows_the_conversation_to_a_person(tmp_path: Path) -> None:
    async with scripted(conversation) as (_, target):
        status, out, _ = await parley("call", str(question(tmp_path)), "--server", target, "--agent", "desk")
    assert status == 0
    for shown in (
        "agent:  Hello.",
        "caller (partial): when are",
        "caller: when are you open",
        "hours({})",
        "nine to five",
        "vad_hold",
        "voice to voice",
        "the call has ended (caller)",
    ):
        assert shown in out
    assert "\x1b[" not in out, "no colour codes without a terminal"


async def test_a_fatal_error_makes_call_fail_with_the_summary_all_the_same(tmp_path: Path) -> None:
    async def script(line: Line) -> None:
        await line.begin()
        await line.send(
            error=pb.ErrorEvent(code=pb.ERROR_CODE_STAGE_FAILED, message="tts: tts is down", stage="tts", is_fatal=True)
        )
        await line.ended(pb.END_REASON_STAGE_FAILED)

    async with scripted(script) as (_, target):
        _, out, _ = await parley("call", str(question(tmp_path)), "--server", target, "--agent", "desk")
        assert "error stage_failed: tts: tts is down\n" in out
        status, out, _ = await parley("call", str(question(tmp_path)), "--server", target, "--agent", "desk", "--json")
    assert status == 1
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in lines] == ["started", "error", "ended", "call_failed", "call_summary"]
    assert "tts is down" in lines[3]["message"]


async def test_no_server_and_no_file_are_told_in_a_line(tmp_path: Path) -> None:
    status, _, err = await parley("call", str(question(tmp_path)), "--server", "127.0.0.1:9")
    assert status == 1
    assert "parley up" in err
    assert "Traceback" not in err
    status, _, err = await parley("call", str(tmp_path / "absent.wav"))
    assert (status, "no such file" in err) == (1, True)
    status, _, err = await parley("agents", "--server", "127.0.0.1:9")
    assert (status, "parley up" in err) == (1, True)
    status, _, err = await parley("say", "hello", "--server", "127.0.0.1:9", "--out", str(tmp_path / "say.wav"))
    assert (status, "parley up" in err) == (1, True)


async def test_a_server_of_another_kind_is_said_so(tmp_path: Path) -> None:
    async def script(line: Line) -> None: ...

    async with running() as served:
        tts = f"127.0.0.1:{served.server.port}"
        for command in (["call", str(question(tmp_path))], ["agents"]):
            status, _, err = await parley(*command, "--server", tts)
            assert (status, "is no orchestrator" in err) == (1, True), err
    async with scripted(script) as (_, target):
        status, _, err = await parley("say", "hello", "--server", target, "--out", str(tmp_path / "say.wav"))
        assert (status, "is no tts service" in err) == (1, True), err


async def test_a_file_that_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "below"
    async with running() as served:
        target = f"127.0.0.1:{served.server.port}"
        for out in (below / "say.wav", tmp_path):
            status, _, err = await parley("say", "hello", "--server", target, "--out", str(out))
            assert (status, err.count("\n"), str(out) in err) == (1, 1, True), err
    async with scripted(conversation) as (_, target):
        call = ("call", str(question(tmp_path)), "--server", target, "--agent", "desk")
        status, _, err = await parley(*call, "--out", str(below / "call.wav"))
        assert (status, err.count("\n"), "cannot be written" in err) == (1, 1, True), err
    status, _, err = await parley("demo", "--out", str(below))
    assert (status, err.count("\n"), str(below) in err) == (1, 1, True), err


@pytest.mark.parametrize("port", ["abc", "70000"])
async def test_what_is_no_port_is_told_with_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("PARLEY_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("PARLEY_ASR_PORT", port)
    status, _, err = await parley("up")
    assert (status, f"PARLEY_ASR_PORT='{port}'" in err, err.count("\n")) == (1, True, 1), err


async def test_an_empty_text_is_not_said(tmp_path: Path) -> None:
    status, _, err = await parley("say", " ", "--server", "127.0.0.1:9", "--out", str(tmp_path / "say.wav"))
    assert (status, "nothing to say" in err) == (1, True), err


async def test_up_tells_how_to_go_on_where_one_service_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_RUN_DIR", str(tmp_path))
    alive, dead = os.getpid(), 2**22 + 1  # above what Linux gives
    runstate.save(
        tmp_path,
        [
            Running("orchestrator", dead, 50050, None, "o.log"),
            Running("asr", alive, 50051, procfs.start_ticks(alive), "a.log"),
        ],
    )
    status, _, err = await parley("up")
    assert status == 1
    assert all(told in err for told in ("asr still run", "orchestrator (log: o.log)", "parley down")), err


async def test_agents_are_listed() -> None:
    async def script(line: Line) -> None: ...

    agent = pb.AgentInfo(
        name="desk", description="Books.", language="en-US", tools=["book"], languages=["en-US", "es-ES"]
    )
    async with scripted(script, [agent]) as (_, target):
        status, out, _ = await parley("agents", "--server", target)
        assert status == 0
        assert all(word in out for word in ("desk", "Books.", "en-US", "book"))
        _, out, _ = await parley("agents", "--server", target, "--json")
    assert json.loads(out) == [
        {
            "name": "desk",
            "description": "Books.",
            "language": "en-US",
            "tools": ["book"],
            "languages": ["en-US", "es-ES"],
        }
    ]


async def test_every_command_has_help_and_a_wrong_one_is_refused() -> None:
    for command in ("up", "down", "status", "call", "talk", "agents", "say", "demo"):
        status, out, err = await parley(command, "--help")
        assert (status, err) == (0, ""), command
        assert f"parley {command}" in out
    status, _, err = await parley("dance")
    assert status == 2
    assert "dance" in err
