"""Speech over the agent, over real servers: it goes on at a word, and is heard to the end where it must be."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley import events
from parley.client import Conversation
from tests.support.caller import LISTENING, SILENCE, SPEAKING, SPEECH, Caller, calling, start_of
from tests.support.stack import AGENT, stack

pytestmark = pytest.mark.integration

WORD_MS = 200
"""Of the fake voice."""
WORDS = " ".join(f"word{number}" for number in range(40)) + "."
SENTENCES = (
    "We have Tuesday at ten, Wednesday at half past two, and Friday morning. Tell me which of them suits you best."
)
PLAYED = start_of(sends_playback_progress=True, rewinds_playback=True)
NOTICE = "This call is recorded for training."
VOICE = np.random.default_rng(1).normal(0, 6000, (60, 320)).astype("<i2")
"""Frames of 20 ms that are like nothing that is played."""
RATE_HZ = 16000
FRAME_MS = 20
DEADLINE_S = 20


async def speaks(caller: Caller, since: int, until_ms: int) -> int:
    """Wait until so much of the agent's answer was sent; return its epoch."""
    epoch = int((await caller.state(SPEAKING, since)).turn_epoch)
    await caller.next(lambda r: r.audio.turn_epoch == epoch and r.audio.offset_ms >= until_ms, since)
    return epoch


@pytest.mark.parametrize("rewinds", [True, False])
async def test_after_a_backchannel_the_agent_goes_on_with_the_word_that_was_cut(tmp_path: Path, rewinds: bool) -> None:
    hears = {"fake_texts": ("tell me more", "uh huh")}
    start = start_of(sends_playback_progress=True, rewinds_playback=rewinds)
    async with stack(tmp_path, llm={"fake_reply": WORDS}, asr=hears) as parts, calling(parts.channel, start) as caller:
        since = caller.mark()
        await caller.say()
        epoch = await speaks(caller, since, 1000)
        await caller.audio(SPEECH, 3)
        await caller.kind("pause_playback", since)
        progress = pb.PlaybackProgress(turn_epoch=epoch, played_ms=5 * WORD_MS + 20)
        await caller.send(pb.ConverseRequest(playback_progress=progress))
        mark = caller.mark()
        await caller.audio(SILENCE, 40)
        resumed = await caller.kind("resume_playback", mark)
        again = await caller.kind("audio", mark)
        assert resumed.HasField("from_ms") == rewinds
        if rewinds:
            assert resumed.from_ms == again.offset_ms == 5 * WORD_MS
        else:
            assert again.offset_ms > 1000
        assert (await caller.kind("turn_summary", mark)).heard_text == WORDS


async def test_a_greeting_that_must_be_heard_is_not_paused_and_what_is_said_over_it_is_answered(
    tmp_path: Path,
) -> None:
    agent = AGENT.replace("Hello there.", WORDS) + "turn: {must_be_heard: [greeting]}\n"
    heard = {"fake_texts": ("cancel my order",)}
    async with (
        stack(tmp_path, agent=agent, llm={"fake_reply": "You said {user}."}, asr=heard) as parts,
        calling(parts.channel, PLAYED, greeted=False) as caller,
    ):
        await speaks(caller, 0, 300)
        await caller.say(frames=60)
        greeting = await caller.kind("turn_summary")
        assert (greeting.heard_text, greeting.interrupted) == (WORDS, False)
        answer = await caller.next(lambda r: r.turn_summary.user_text == "cancel my order")
        assert answer.turn_summary.agent_text == "You said cancel my order."
        assert not caller.all("pause_playback")
        assert not caller.all("clear_playback")


async def test_a_backchannel_over_a_line_that_must_be_heard_is_not_answered(tmp_path: Path) -> None:
    agent = AGENT.replace("Hello there.", WORDS) + "turn: {must_be_heard: [greeting]}\n"
    async with (
        stack(tmp_path, agent=agent, asr={"fake_texts": ("uh huh",)}) as parts,
        calling(parts.channel, PLAYED, greeted=False) as caller,
    ):
        await speaks(caller, 0, 300)
        await caller.say(frames=5, silence_frames=40)
        await caller.kind("turn_summary")
        await caller.state(LISTENING)
        assert len(caller.all("turn_summary")) == 1
        assert not caller.all("pause_playback")


async def test_what_is_typed_over_a_line_that_must_be_heard_is_answered_in_its_own_language(tmp_path: Path) -> None:
    agent = AGENT.replace("Hello there.", WORDS) + "turn: {must_be_heard: [greeting]}\nlanguages: [{tag: es-ES}]\n"
    async with (
        stack(tmp_path, agent=agent, llm={"fake_reply": "You said {user}."}) as parts,
        calling(parts.channel, PLAYED, greeted=False) as caller,
    ):
        await speaks(caller, 0, 300)
        await caller.send(pb.ConverseRequest(text_input=pb.TextInput(text="hola", language="es")))
        answer = (await caller.next(lambda r: r.turn_summary.user_text == "hola")).turn_summary
        assert (answer.agent_text, answer.language) == ("You said hola.", "es-ES")
        assert caller.all("turn_summary")[0].heard_text == WORDS


async def test_a_notice_that_the_model_says_is_heard_to_its_end_and_no_further(tmp_path: Path) -> None:
    agent = AGENT + f'turn: {{notices: ["{NOTICE}"]}}\n'
    reply = f"{NOTICE} {WORDS}"
    heard = {"fake_texts": ("hello", "cancel my order")}
    async with (
        stack(tmp_path, agent=agent, llm={"fake_reply": reply}, asr=heard) as parts,
        calling(parts.channel, PLAYED) as caller,
    ):
        since = caller.mark()
        await caller.say()
        await speaks(caller, since, 0)
        await caller.audio(SPEECH, 60)
        summary = await caller.kind("turn_summary", since)
        assert summary.interrupted
        assert summary.heard_text.startswith(NOTICE)
        assert summary.heard_text != reply
        assert not caller.all("pause_playback", since)
        mark = caller.mark()
        await caller.audio(SILENCE, 20)
        answered = await caller.kind("turn_summary", mark)
        assert answered.user_text == "cancel my order"


class Speakerphone:
    """A caller whose microphone hears the loudspeaker `lag_ms` later, and what the caller says, if anything."""

    def __init__(self, call: Conversation, lag_ms: int) -> None:
        self.call = call
        self.heard: list[events.Event] = []
        self.says: deque[bytes] = deque()
        self._on_its_way = deque([SILENCE] * (lag_ms // FRAME_MS))
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        async for event in self.call:
            async with self._news:
                self.heard.append(event)
                self._news.notify_all()

    async def run(self) -> None:
        """Play and record, frame by frame, at the pace of real time."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not self.call.has_ended:
            self._on_its_way.append(self.call.playback.pull(RATE_HZ * FRAME_MS // 1000))
            echo = self._on_its_way.popleft()
            await self.call.send_audio(self.says.popleft() if self.says else echo)
            due_s += FRAME_MS / 1000
            await asyncio.sleep(due_s - loop.time())

    async def until(self, kind: type[events.Event], count: int = 1) -> None:
        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(lambda: len(self.of(kind)) >= count)

    def of(self, kind: type[events.Event]) -> list[events.Event]:
        return [event for event in self.heard if isinstance(event, kind)]


@pytest.mark.parametrize("says", [False, True])
async def test_the_agents_own_echo_does_not_stop_it_but_a_caller_over_it_does(tmp_path: Path, says: bool) -> None:
    agent = AGENT.replace("Hello there.", SENTENCES)
    hears = {"fake_texts": ("stop that please",), "fake_partial_lag_ms": 800}  # partials come behind, as they do
    parts_of: dict[str, Any] = {"asr": hears, "tts": {"engine": "espeak"}}
    async with (
        stack(tmp_path, agent=agent, **parts_of) as parts,
        Conversation(parts.address, agent="tester", playback="device") as call,
    ):
        phone = Speakerphone(call, lag_ms=120)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(phone.listen()), tasks.create_task(phone.run())]
            await phone.until(events.PlaybackResumed)
            if says:
                phone.says.extend(voice.tobytes() for voice in VOICE)
            await phone.until(events.TurnSummary)
            for task in running:
                task.cancel()
    greeting = call.turns[0]
    assert greeting.interrupted == says
    assert len(phone.of(events.PlaybackPaused)) == 1 + says, "from the second onset on an echo does not even pause it"
    if not says:
        assert greeting.heard_text == SENTENCES
