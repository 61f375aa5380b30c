"""Five service processes with fake engines and metrics on, and calls in which everything happens that has a metric."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley.errors import LaunchError
from parley.launcher import DEFAULT_PORTS, STAGES, Launcher, LaunchPlan
from tests.integration.observability.prometheus import PORT_ATTEMPTS, free_port
from tests.support.caller import (
    INTERRUPTED,
    LISTENING,
    SILENCE,
    SPEAKING,
    SPEECH,
    THINKING,
    Caller,
    calling,
    start_of,
)
from tests.support.tools import CALLS_TOOL, agent_that_looks_up, answer_once, waits_for_a_look_up, webhook

REPLY = " ".join(f"word{number}" for number in range(30)) + "."
SETTINGS = {f"PARLEY_{stage.upper()}_ENGINE": "fake" for stage in STAGES} | {
    "PARLEY_ASR_FAKE_TEXTS": json.dumps(["tell me more", "uh huh", "what else", "no the other one", "thank you"]),
    "PARLEY_ASR_FAKE_FINAL_DELAY_MS": "400",  # later than the first token: what was guessed until then cost something
    "PARLEY_LLM_FAKE_REPLY": REPLY,
    "PARLEY_LLM_FAKE_WORDS_PER_DELTA": "5",
    "PARLEY_LLM_FAKE_FIRST_DELAY_MS": "300",
    "PARLEY_LLM_FAKE_FAILURE": "bad_tool_call",
    "PARLEY_LLM_FAKE_FAIL_WHEN": "trouble",
    "PARLEY_ORCHESTRATOR_MAX_STREAMS": "2",
    **{f"PARLEY_LLM_{name.upper()}": value for name, value in CALLS_TOOL.items() if name != "fake_reply"},
}


@contextlib.asynccontextmanager
async def services(folder: Path) -> AsyncIterator[tuple[Launcher, dict[str, int], asyncio.Event]]:
    """Run the five services; give them, the port of each one's metrics, and what lets the agent's tool answer."""
    released = asyncio.Event()
    async with webhook(answer_once(released)) as url:
        (folder / "agents").mkdir()
        (folder / "agents" / "tester.yaml").write_text(agent_that_looks_up(url))
        async with _launched(folder) as (launcher, ports):
            yield launcher, ports, released


@contextlib.asynccontextmanager
async def _launched(folder: Path) -> AsyncIterator[tuple[Launcher, dict[str, int]]]:
    own = {"PARLEY_ORCHESTRATOR_AGENTS_DIR": str(folder / "agents")}
    for attempt in range(PORT_ATTEMPTS):
        ports = {name: free_port() for name in DEFAULT_PORTS}
        metrics = {f"PARLEY_{name.upper()}_METRICS_PORT": str(port) for name, port in ports.items()}
        plan = LaunchPlan(
            port_choice="free", is_owned=True, inherits_settings=False, extra_env=SETTINGS | own | metrics
        )
        launcher = Launcher(plan, folder / f"run{attempt}")
        try:
            await launcher.start()
        except LaunchError:
            if attempt == PORT_ATTEMPTS - 1:
                raise
        else:
            break
    try:
        yield launcher, ports
    finally:
        await launcher.stop()


async def hold_calls(channel: grpc.aio.Channel, released: asyncio.Event) -> None:
    """Hold calls one after another; each thing that is counted happens once or more."""
    await waits_for_a_look_up(channel, released)
    async with calling(channel, start_of(sends_playback_progress=True)) as caller:
        await _only_a_sound(caller)
        await _interrupted(caller)
        await _resumed(caller)
        await _discarded(caller)
    async with calling(channel) as caller:
        since = caller.mark()
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="trouble")))
        await caller.next(lambda r: r.turn_summary.outcome == "apology", since)
        await caller.state(LISTENING, since)
        since = caller.mark()
        await caller.say()
        await caller.state(THINKING, since)
        await caller.hang_up()
    await _refused(channel)


async def _audible(caller: Caller, since: int, offset_ms: int) -> int:
    """Wait for that much of an answer, and say that it was heard; return its epoch."""
    frame = (await caller.next(lambda r: r.HasField("audio") and r.audio.offset_ms >= offset_ms, since)).audio
    progress = pb.PlaybackProgress(turn_epoch=frame.turn_epoch, played_ms=offset_ms)
    await caller.send(pb.ConverseRequest(playback_progress=progress))
    return frame.turn_epoch


async def _interrupted(caller: Caller) -> None:
    """Ask, and speak over the answer with words; that is answered in turn, and stopped."""
    since = caller.mark()
    await caller.say()
    await caller.state(SPEAKING, since)
    epoch = await _audible(caller, since, 0)
    await _audible(caller, since, 400)
    await caller.audio(SPEECH, 2)
    await caller.kind("pause_playback", since)
    await caller.audio(SPEECH, 45)
    await caller.kind("clear_playback", since)
    await caller.send(pb.ConverseRequest(playback_progress=pb.PlaybackProgress(turn_epoch=epoch, played_ms=300)))
    await caller.state(INTERRUPTED, since)
    await caller.kind("turn_summary", since)
    since = caller.mark()
    await caller.audio(SILENCE, 10)
    await caller.state(SPEAKING, since)
    await _stop(caller, since)


async def _stop(caller: Caller, since: int) -> None:
    await _audible(caller, since, 0)
    await caller.send(pb.ConverseRequest(interrupt=pb.InterruptAgent()))
    await caller.next(lambda r: r.HasField("turn_summary") and r.turn_summary.interrupted, since)
    await caller.state(LISTENING, since)


async def _resumed(caller: Caller) -> None:
    """Go on speaking when the turn was thought over."""
    since = caller.mark()
    await caller.say()
    await caller.state(THINKING, since)
    mark = caller.mark()
    await caller.say()
    await caller.state(SPEAKING, mark)
    await _stop(caller, mark)


async def _only_a_sound(caller: Caller) -> None:
    """Make a sound over the answer, and let it go on."""
    since = caller.mark()
    await caller.say()
    await caller.state(SPEAKING, since)
    await _audible(caller, since, 0)
    await caller.audio(SPEECH, 3)
    await caller.kind("pause_playback", since)
    mark = caller.mark()
    await caller.audio(SILENCE, 40)
    await caller.kind("resume_playback", mark)
    await caller.send(pb.ConverseRequest(interrupt=pb.InterruptAgent()))
    await caller.kind("turn_summary", since)
    await caller.state(LISTENING, mark)


async def _discarded(caller: Caller) -> None:
    """End the call when the turn is probably over: the model was asked for nothing."""
    since = caller.mark()
    await caller.audio(SPEECH, 20)
    await caller.audio(SILENCE, 1)
    await caller.next(lambda r: r.HasField("transcript") and r.transcript.is_final, since)
    await caller.send(pb.ConverseRequest(end=pb.EndConversation()))
    await caller.over()


async def _refused(channel: grpc.aio.Channel) -> None:
    """Ask for an agent that there is not, and for one call more than are served."""
    async with calling(channel, start_of("nobody"), greeted=False) as nobody:
        await nobody.over()
        assert nobody.failure is not None
    async with calling(channel), calling(channel), calling(channel, greeted=False) as third:
        await third.over()
        assert third.failure is not None
        assert third.failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
