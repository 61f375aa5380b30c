"""Whatever happens in whatever order: of a guess that did not hold nothing is heard, kept or done.

And every turn that was committed is answered, once. A whole call in memory: the real session, state machine, replies
and tools; its stages follow a script, and time is virtual.
"""

from __future__ import annotations

import asyncio
import unittest.mock
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from voice.common.v1 import common_pb2
from voice.llm.v1.llm_pb2 import CHAT_ROLE_USER as USER
from voice.orchestrator.v1 import orchestrator_pb2 as pb
from voice.turn.v1 import turn_pb2

from services.orchestrator.agent import Agent
from services.orchestrator.agents import AgentBook
from services.orchestrator.calls import Calls
from services.orchestrator.guesses import Guesses
from services.orchestrator.metering import CallMeter
from services.orchestrator.reply import Reply
from services.orchestrator.session import Session
from services.orchestrator.sessions.store import MemoryStore
from services.orchestrator.speaking import Speaking
from services.orchestrator.speculation import words_of
from services.orchestrator.tools.mcp_servers import McpServers
from tests.support import virtual_time
from tests.support.scripted_stages import TOOL, ScriptedStages, numbers_in

pytestmark = pytest.mark.unit

AGENT = Agent.model_validate(
    {
        "name": "tester",
        "prompt": "You are a test.",
        "greeting": "",
        "tools": [
            {
                "name": TOOL,
                "description": "Books.",
                "parameters": {"type": "object"},
                "webhook": {"url": "http://tool.invalid/"},
            }
        ],
    }
)
TEXTS = ("one two", "One, um, two.", "one two three", "four", "")
HOWS = ("answer", "slow", "tool", "mute_tool", "fail", "full", "die", "hang")
STEPS = st.one_of(
    st.tuples(st.just("partial"), st.sampled_from(TEXTS), st.sampled_from((0.0, 0.5, 0.95))),
    st.tuples(st.just("final"), st.sampled_from(TEXTS)),
    st.tuples(st.sampled_from(("speech", "stopped", "eager", "resumed", "over"))),
    st.tuples(st.sampled_from(("interruption", "backchannel", "interrupt", "tts_breaks", "report"))),
    st.tuples(st.just("typed"), st.sampled_from(("five", "six"))),
    st.tuples(st.just("go_on")),
    st.tuples(st.just("wait"), st.sampled_from((1, 30, 210, 900))),
)


@st.composite
def turns(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Return what happens in a turn that is guessed at, with whatever else between."""
    text = draw(st.sampled_from(TEXTS[:4]))
    final = draw(st.sampled_from((text, text, "one two three", "four")))
    confidence = draw(st.sampled_from((0.0, 0.95)))
    chain: list[tuple[Any, ...]] = [("speech",), ("partial", text, confidence), ("eager",), ("final", final), ("over",)]
    if draw(st.booleans()):
        chain.insert(2, ("wait", 210))
    if draw(st.booleans()):
        chain[-1], chain[-2] = chain[-2], chain[-1]
    for _ in range(draw(st.integers(0, 2))):
        chain.insert(draw(st.integers(2, len(chain))), draw(STEPS))
    return [*chain, ("wait", draw(st.sampled_from((1, 30, 900))))]


TOLD: dict[str, dict[str, Any]] = {
    "speech": {"speech_started": turn_pb2.SpeechStarted()},
    "stopped": {"speech_stopped": turn_pb2.SpeechStopped()},
    "eager": {"eager_end_of_turn": turn_pb2.EagerEndOfTurn(probability=0.9)},
    "resumed": {"turn_resumed": turn_pb2.TurnResumed()},
    "over": {"end_of_turn": turn_pb2.EndOfTurn(speech_ms=800)},
    "interruption": {"interruption": turn_pb2.Interruption()},
    "backchannel": {"backchannel": turn_pb2.Backchannel()},
}
"""What the turn detector says."""
SEQUENCES = st.lists(st.one_of(turns(), turns(), st.lists(STEPS, max_size=6)), min_size=1, max_size=5)


@dataclass(repr=False)
class World:
    """One call and all that came of it."""

    stages: ScriptedStages
    requests: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    responses: list[pb.ConverseResponse] = field(default_factory=list)
    tool_runs: list[str] = field(default_factory=list)
    commits: list[tuple[int, str]] = field(default_factory=list)
    dropped: list[Reply] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    """Generations begun so far, whenever a test asked."""
    session: Session | None = None
    budget: Any = None

    async def read(self) -> AsyncIterator[bytes]:
        """Yield what the caller sends."""
        while (raw := await self.requests.get()) is not None:
            yield raw

    async def write(self, raw: bytes) -> None:
        """Take what the caller is sent."""
        self.responses.append(pb.ConverseResponse.FromString(raw))

    def send(self, **control: Any) -> None:
        """Have the caller send a message."""
        self.requests.put_nowait(pb.ConverseRequest(**control).SerializeToString())

    async def run_tool(self, request: httpx.Request) -> httpx.Response:
        """Be the tool: it has a side effect."""
        self.tool_runs.append(request.headers.get("idempotency-key") or request.content.decode())
        await asyncio.sleep(0.05)
        return httpx.Response(200, json={"ok": True})

    async def do(self, step: tuple[Any, ...]) -> None:
        """Let something happen, and all that follows from it at once."""
        happening, *details = step
        if happening in TOLD:
            self.stages.tell_turn(**TOLD[happening])
        else:
            await getattr(self, f"_{happening}")(*details)
        await asyncio.sleep(0.001)
        self._check_running()

    async def _partial(self, text: str, confidence: float) -> None:
        self.stages.hear(text, is_final=False, confidence=confidence)

    async def _final(self, text: str) -> None:
        if self.stages.finalize_id:
            self.stages.hear(text, is_final=True, confidence=0.9)

    async def _interrupt(self) -> None:
        self.send(interrupt=pb.InterruptAgent())

    async def _typed(self, text: str) -> None:
        self.send(text_input=pb.TextInput(text=text))

    async def _tts_breaks(self) -> None:
        self.stages.lines["tts"][0].break_off()

    async def _go_on(self) -> None:
        for made in self.stages.running():
            if made.how == "slow":
                self.stages.go_on(made)

    async def _count(self) -> None:
        self.counts.append(len(self.stages.generations))

    async def _wait(self, duration_ms: float) -> None:
        await asyncio.sleep(duration_ms / 1000)

    async def _report(self) -> None:
        """Change the conversation behind a guess's back, as a late result does."""
        assert self.session is not None
        said = next((m for m in self.session._history.messages if m.role == "assistant" and m.content), None)
        if said is not None:
            said.content += " and so on"

    def _check_running(self) -> None:
        """Hold the model to one generation, and that one to somebody who wants it."""
        assert self.session is not None
        speaking = self.session._parts.speaking
        wanted = [reply for reply in (speaking._reply, speaking.answers.guessed) if reply is not None]
        assert len(self.stages.running()) <= len(wanted) <= 1, "the model works for nobody"

    async def settle(self) -> None:
        """Let the turn in progress come to its end, whatever it is."""
        await self.do(("resumed",))
        await self.do(("over",))
        await self.do(("final", "four"))
        for _ in range(8):
            await self.do(("go_on",))
            await self.do(("wait", 900))
        await asyncio.sleep(15)


async def play(world: World, steps: list[tuple[Any, ...]]) -> None:
    """Hold a call in which these things happen."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(world.run_tool))
    book = AgentBook({AGENT.name: AGENT})
    calls = Calls(book, world.stages, MemoryStore(60), http, McpServers([]))  # type: ignore[arg-type]
    world.budget = calls._speculation
    audio = common_pb2.AudioFormat(sample_rate_hz=16000, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)
    start = pb.StartConversation(agent=AGENT.name, format=audio)
    holding = asyncio.create_task(calls.hold(start, world.read(), world.write, CallMeter()))
    await asyncio.sleep(0.1)
    (world.session,) = calls._live.values()
    for step in steps:
        await world.do(step)
    await world.settle()
    world.requests.put_nowait(None)
    await holding
    await http.aclose()


@contextmanager
def noted(world: World) -> Iterator[None]:
    """Have commits and dropped guesses noted in `world`."""
    start_reply, drop = Speaking.start_reply, Guesses.drop

    def committing(speaking: Speaking, epoch: int, user_text: str, *rest: Any) -> None:
        world.commits.append((epoch, user_text))
        start_reply(speaking, epoch, user_text, *rest)

    def dropping(guesses: Guesses, reason: str) -> None:
        if guesses.reply is not None:
            world.dropped.append(guesses.reply)
        drop(guesses, reason)

    with (
        unittest.mock.patch.object(Speaking, "start_reply", committing),
        unittest.mock.patch.object(Guesses, "drop", dropping),
    ):
        yield


def heard_numbers(world: World) -> set[int]:
    """Return the generations that are in audio the caller was sent."""
    levels = {
        int.from_bytes(r.audio.pcm[at : at + 2], "little")
        for r in world.responses
        if r.HasField("audio")
        for at in range(0, len(r.audio.pcm), 64)
    }
    return {level - 1 for level in levels}


def check(world: World) -> None:
    """Hold the call to what is promised of guesses."""
    assert world.session is not None
    dropped = {int(n) for reply in world.dropped for r in reply.rounds for n in numbers_in(r.message.content)}
    dropped |= {
        int(n) for reply in world.dropped for r in reply.rounds for c in r.message.tool_calls for n in numbers_in(c.id)
    }
    assert not dropped & heard_numbers(world), "heard"
    for response in world.responses:
        match response.WhichOneof("event"):
            case "transcript":
                assert not dropped & set(numbers_in(response.transcript.text)), "told"
            case "tool_call":
                assert not dropped & set(numbers_in(response.tool_call.call_id)), "announced"
            case "turn_summary":
                assert not dropped & set(numbers_in(response.turn_summary.agent_text)), "summed up"
    assert not dropped & {n for run in world.tool_runs for n in numbers_in(run)}, "done"
    kept = {n for m in world.session._history.messages for n in numbers_in(m.content)}
    kept |= {n for m in world.session._history.messages for call in m.tool_calls for n in numbers_in(call.id)}
    assert not dropped & kept, "kept"
    for summary in (r.turn_summary for r in world.responses if r.HasField("turn_summary")):
        for number in numbers_in(summary.agent_text):
            asked = [m.content for m in world.stages.generations[number].config.messages if m.role == USER]
            assert words_of(asked[-1]) == words_of(summary.user_text), "an answer to something else"
    summaries = Counter(r.turn_summary.turn_epoch for r in world.responses if r.HasField("turn_summary"))
    for epoch, text in world.commits:
        assert summaries[epoch] == 1, f"turn {epoch} ({text!r}) has {summaries[epoch]} ends"
    runs = Counter(n for run in world.tool_runs for n in numbers_in(run))
    assert all(count == 1 for count in runs.values()), "a tool ran twice"
    assert world.stages.running() == []
    assert world.budget._open == 0
    apologies = [r for r in world.responses if r.HasField("turn_summary") and r.turn_summary.outcome == "apology"]
    live_failures = [r for r in world.responses if r.turn_summary.outcome.startswith("failed")]
    answered_late = [r for r in world.responses if r.turn_summary.outcome == "not_heard"]
    assert len(apologies) <= len(live_failures) + len(answered_late) + _unanswered(world), "an apology for a guess"


def _unanswered(world: World) -> int:
    """Return how often the agent apologised since a transcript or an answer never came."""
    return sum(how == "hang" for how in (made.how for made in world.stages.generations)) + len(world.commits) + 1


@given(sequences=SEQUENCES, hows=st.lists(st.sampled_from(HOWS), max_size=12))
@settings(max_examples=150, deadline=None)
def test_a_guess_that_does_not_hold_leaves_no_trace(sequences: list[list[tuple[Any, ...]]], hows: list[str]) -> None:
    async def example() -> None:
        world = World(ScriptedStages())
        world.stages.script.extend(hows)
        with noted(world):
            await play(world, [step for steps in sequences for step in steps])
        check(world)
        event(f"held: {any(r.turn_summary.speculated for r in world.responses)}")
        event(f"dropped: {bool(world.dropped)}")
        event(f"dropped with a tool call: {any(r.message.tool_calls for d in world.dropped for r in d.rounds)}")
        event(f"tools run: {bool(world.tool_runs)}")

    virtual_time.run(example())


def test_words_that_stand_still_in_silence_are_answered_before_the_turn_is_probably_over() -> None:
    async def example() -> None:
        world = World(ScriptedStages())
        told = [("speech",), ("partial", "one two", 0.95), ("stopped",), ("wait", 190), ("count",), ("wait", 20)]
        with noted(world):
            await play(world, [*told, ("count",), ("eager",), ("final", "one two"), ("over",), ("wait", 900)])
        assert world.counts == [0, 1]
        summary = next(r.turn_summary for r in world.responses if r.turn_summary.user_text == "one two")
        assert summary.speculated
        assert numbers_in(summary.agent_text) == [0, 0]
        check(world)

    virtual_time.run(example())
