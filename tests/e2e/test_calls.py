"""Calls through five real processes with the embedded engines: a command-line call, noise, and stages that go wrong."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import pytest
import pytest_asyncio
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley.launcher import Launcher, LaunchPlan
from parley.speech import synthesise
from parley.wav import write_wav
from services.common.audio import float_to_pcm
from services.common.wire import encode_audio
from tests.support.caller import DEADLINE_S, Caller, calling, start_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

QUICK = {
    "PARLEY_ORCHESTRATOR_FIRST_TOKEN_MS": "1500",
    "PARLEY_ORCHESTRATOR_REPLY_MS": "2500",
    "PARLEY_ORCHESTRATOR_HEALTH_INTERVAL_MS": "300",
    "PARLEY_ORCHESTRATOR_HEALTH_DEADLINE_MS": "600",
}


@pytest_asyncio.fixture
async def services(tmp_path: Path) -> AsyncIterator[Launcher]:
    """Run all five services as processes on free ports."""
    launcher = Launcher(LaunchPlan(port_choice="free", is_owned=True, extra_env=QUICK), tmp_path / "run")
    await launcher.start()
    try:
        yield launcher
    finally:
        await launcher.stop()


def pid_of(services: Launcher, name: str) -> int:
    """Return the process id of a service."""
    return next(service.pid for service in services.running if service.name == name)


async def test_a_call_from_the_command_line(services: Launcher, tmp_path: Path) -> None:
    [pcm] = await synthesise(services.target("tts"), ["what are your opening hours"], voice="en-us+f2")
    question, recording = tmp_path / "question.wav", tmp_path / "call.wav"
    write_wav(question, pcm, 16000)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "parley.cli", "call", str(question), "--agent", "appointments",
        "--server", services.target("orchestrator"), "--out", str(recording), "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(90):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    events: list[dict[str, Any]] = [json.loads(line) for line in out.decode().splitlines()]
    assert all("event" in event and "at_ms" in event for event in events[:-1])
    summary = events[-1]
    assert summary["event"] == "call_summary"
    turn = next(turn for turn in summary["turns"] if turn["user_text"])
    assert turn["user_text"] == "what are your opening hours"
    assert "eight" in turn["agent_text"]
    assert turn["heard_text"] == turn["agent_text"]
    assert turn["voice_to_voice_ms"] > 0
    assert set(turn["hops_ms"]) >= {"vad_hold", "turn_decision", "llm_first_token", "tts_first_audio", "transit_out"}
    assert recording.stat().st_size > len(pcm)


async def test_a_call_goes_on_in_spanish(services: Launcher) -> None:
    async with (
        grpc.aio.insecure_channel(services.target("orchestrator")) as channel,
        calling(channel, start_of("shop")) as caller,
    ):
        started = caller.all("started")[0]
        assert (started.language, list(started.heard_languages)) == ("en-US", [])  # pocketsphinx hears English alone
        [english] = await answers(caller, ("when are you open", ""))
        spanish, still, back = await answers(
            caller, ("¿A qué hora abren?", "es"), ("¿Dónde está mi pedido?", ""), ("how long does delivery take", "en")
        )
        assert "nine to five" in english.agent_text
        assert "nueve a cinco" in spanish.agent_text
        assert "cinco días laborables" in still.agent_text
        assert "within five" in back.agent_text
        summaries = (english, spanish, still, back)
        assert [summary.language for summary in summaries] == ["en-US", "es-ES", "es-ES", "en-US"]
        assert all(summary.heard_text == summary.agent_text for summary in summaries)
        epoch = spanish.turn_epoch
        heard = sum(len(frame.pcm) for frame in caller.all("audio") if frame.turn_epoch == epoch)
        phrases = [t.text for t in caller.all("transcript") if (t.turn_epoch, t.speaker) == (epoch, pb.SPEAKER_AGENT)]
        by_voice = {
            voice: sum(map(len, await synthesise(services.target("tts"), phrases, voice=voice)))
            for voice in ("es", "en-gb")
        }
        assert heard == pytest.approx(by_voice["es"], rel=0.02)  # no two renderings are the same
        assert heard != pytest.approx(by_voice["en-gb"], rel=0.03)


async def answers(caller: Caller, *typed: tuple[str, str]) -> list[pb.TurnSummary]:
    """Type each text in its language and hear the answer out."""
    summaries = []
    for text, language in typed:
        since = caller.mark()
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text=text, language=language)))
        summaries.append((await caller.next(lambda r: r.turn_summary.user_text != "", since)).turn_summary)
    return summaries


async def play(caller: Caller, pcm: bytes, chunk_ms: int = 20) -> None:
    """Send audio at the pace it was recorded."""
    size = 32 * chunk_ms
    began = asyncio.get_running_loop().time()
    for number, at in enumerate(range(0, len(pcm), size)):
        await caller.send_raw(encode_audio(pcm[at : at + size]))
        await asyncio.sleep(max(0.0, began + (number + 1) * chunk_ms / 1000 - asyncio.get_running_loop().time()))


async def test_noise_and_silence_are_no_turns(services: Launcher) -> None:
    noise = np.random.default_rng(7).normal(0, 0.01, 16000 * 6).astype(np.float32)
    async with calling(_channel(services), start_of("appointments")) as caller:
        await play(caller, float_to_pcm(noise) + bytes(32000 * 2))
        assert not [summary.user_text for summary in caller.all("turn_summary") if summary.user_text]
        await _is_answered(caller, "what are your opening hours")


def _channel(services: Launcher) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(services.target("orchestrator"))


async def _is_answered(caller: Caller, text: str) -> None:
    since = caller.mark()
    await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text=text)))
    summary = await caller.next(lambda r: r.turn_summary.user_text == text, since)
    assert summary.turn_summary.outcome == ""


async def test_a_model_that_hangs_is_apologised_for_in_the_agents_voice(services: Launcher) -> None:
    async with calling(_channel(services), start_of("appointments")) as caller:
        pid = pid_of(services, "llm")
        os.kill(pid, signal.SIGSTOP)
        try:
            since = caller.mark()
            await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="hello")))
            said = await caller.next(lambda r: r.turn_summary.outcome == "apology", since)
            epoch = said.turn_summary.turn_epoch
            assert sum(len(frame.pcm) for frame in caller.all("audio", since) if frame.turn_epoch == epoch) > 32000
        finally:
            os.kill(pid, signal.SIGCONT)
        await _is_answered(caller, "how much is a cleaning")


async def test_a_recogniser_killed_in_mid_call_ends_it_with_a_goodbye(services: Launcher) -> None:
    async with calling(_channel(services), start_of("appointments")) as caller:
        os.kill(pid_of(services, "asr"), signal.SIGKILL)
        error = await caller.kind("error")
        assert (error.code, error.stage) == (pb.ERROR_CODE_STAGE_FAILED, "asr")
        async with asyncio.timeout(3 * DEADLINE_S):
            while not caller.all("ended"):
                await caller.next(lambda r: r.HasField("ended"))
        assert caller.all("ended")[-1].reason == pb.END_REASON_STAGE_FAILED
        assert caller.all("turn_summary")[-1].outcome == "goodbye"
    assert not _orphans()


def _orphans() -> list[Path]:
    """Return recognition processes that outlived their service."""
    commands = Path("/proc").glob("[0-9]*/cmdline")
    return [path for path in commands if b"sphinx.nursery" in _read(path) and _parent(path) == 1]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _parent(path: Path) -> int:
    try:
        return int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0
