"""One stage is redeployed with another engine under live calls: five real processes, one of them replaced.

There is no second server of the stage: the old process drains and ends before the new one starts on its port, as
`docker compose up -d <stage>` does it. So callers may hear an apology, and nothing worse.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import pytest
import pytest_asyncio
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley.launcher import Launcher, LaunchPlan
from parley.speech import synthesise
from services.common.wire import encode_audio
from tests.support.caller import SPEAKING, Caller, calling, start_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TEST_MODELS = str(Path(__file__).resolve().parents[2] / ".models" / "test")
QUESTION = "what are your opening hours"
CALLS = 3
FRAME_BYTES = 640
FRAME_S = 0.02


@dataclass(frozen=True)
class Swap:
    """What a stage becomes. `answer`: what the agent says then; `heard`: what the caller is taken to have said."""

    stage: str
    env: dict[str, str]
    answer: str = "eight"
    heard: str = QUESTION


SWAPS = [
    Swap(
        "tts",
        {
            "PARLEY_TTS_ENGINE": "piper",
            "PARLEY_TTS_MODELS_DIR": TEST_MODELS,
            "PARLEY_TTS_PIPER_VOICES": json.dumps(["piper-tiny"]),
            "PARLEY_TTS_VOICE": "",
            "PARLEY_TTS_VOICE_ALIASES": json.dumps({"*": ""}),
        },
    ),
    Swap("llm", {"PARLEY_LLM_ENGINE": "fake", "PARLEY_LLM_FAKE_REPLY": "I am the new one."}, answer="the new one"),
    Swap(
        "asr",
        {"PARLEY_ASR_ENGINE": "fake", "PARLEY_ASR_FAKE_TEXTS": json.dumps(["how much is a cleaning"])},
        answer="dollars",
        heard="how much is a cleaning",
    ),
    Swap("turn", {"PARLEY_TURN_ENGINE": "fake", "PARLEY_TURN_FAKE_END_OF_TURN_MS": "400"}),
]


@pytest_asyncio.fixture
async def services(tmp_path: Path) -> AsyncIterator[Launcher]:
    """Run all five services as processes on free ports."""
    launcher = Launcher(LaunchPlan(port_choice="free", is_owned=True), tmp_path / "run")
    await launcher.start()
    try:
        yield launcher
    finally:
        await launcher.stop()


class Microphone:
    """A caller's open microphone: silence at the pace of real time, and speech when there is some."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._speech = b""

    def speak(self, pcm: bytes) -> None:
        """Say this next."""
        self._speech += pcm

    async def run(self) -> None:
        """Send until cancelled."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            frame, self._speech = self._speech[:FRAME_BYTES], self._speech[FRAME_BYTES:]
            await self._caller.send_raw(encode_audio(frame.ljust(FRAME_BYTES, b"\0")))
            due_s += FRAME_S
            await asyncio.sleep(max(0.0, due_s - loop.time()))


@pytest.mark.parametrize("swap", SWAPS, ids=lambda swap: swap.stage)
async def test_a_stage_is_redeployed_with_another_engine_under_live_calls(services: Launcher, swap: Swap) -> None:
    [question] = await synthesise(services.target("tts"), [QUESTION], voice="en-us+f2")
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(services.target("orchestrator")))
        callers = [await stack.enter_async_context(calling(channel, start_of("appointments"))) for _ in range(CALLS)]
        microphones = [Microphone(caller) for caller in callers]
        running = [tasks.create_task(microphone.run()) for microphone in microphones]
        try:
            talking, answered, _ = callers
            spoken = talking.mark()
            microphones[0].speak(question)
            await talking.kind("transcript", spoken)
            asked = answered.mark()
            await answered.send(pb.ConverseRequest(text_input=pb.TextInput(text="how much is a cleaning")))
            await answered.state(SPEAKING, asked)
            await services.redeploy(swap.stage, swap.env)
            for caller, since in ((talking, spoken), (answered, asked)):
                summary = await caller.kind("turn_summary", since)
                assert summary.outcome in ("", "apology")
            async with asyncio.TaskGroup() as asking:
                for caller, microphone in zip(callers, microphones, strict=True):
                    asking.create_task(is_answered_by_the_new_one(caller, microphone, question, swap))
        finally:
            for task in running:
                task.cancel()


async def is_answered_by_the_new_one(caller: Caller, microphone: Microphone, question: bytes, swap: Swap) -> None:
    """Ask aloud; the answer comes from the engine that replaced the other, and the call was never dropped."""
    since = caller.mark()
    microphone.speak(question)
    answered = await caller.next(lambda r: r.turn_summary.user_text == swap.heard, since)
    assert answered.turn_summary.outcome == ""
    assert swap.answer in answered.turn_summary.heard_text
    assert not caller.all("ended")
    assert caller.failure is None
    epochs = [summary.turn_epoch for summary in caller.all("turn_summary")]
    assert len(epochs) == len(set(epochs))
