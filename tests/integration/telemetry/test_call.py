"""A call over real gRPC into a real OTLP collector: every span, edge and attribute of the table, hop by hop."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from services.common import logging as structured
from services.common import spans
from tests.support.caller import INTERRUPTED, LISTENING, SILENCE, SPEAKING, SPEECH, Caller, calling, start_of
from tests.support.collector import Collector, Span, tracing
from tests.support.stack import AGENT, stack

pytestmark = pytest.mark.integration

WORD = "tangerine"
REPLY = " ".join([WORD] * 60) + "."
TURN_DETECTOR = {"stall_grace_ms": 60_000}
"""A caller here sends audio when a test comes to it: what is late is not silence, however busy the machine."""
ASR = {"fake_texts": (f"look up the {WORD}", f"no the other {WORD}", f"one more {WORD}")}
LLM = {
    "fake_reply": REPLY,
    "fake_words_per_delta": 5,
    "fake_tool_when": "look",
    "fake_tool_name": "lookup",
    "fake_tool_arguments": json.dumps({"day": WORD}),
}
TOOL = pb.ClientTool(name="lookup", description="Looks up.", parameters_json_schema='{"type": "object"}')

Kinds = dict[str, Any]
CALL: Kinds = {spans.SESSION_ID: str}
TURN: Kinds = CALL | {spans.TURN_EPOCH: int}
HOP: Kinds = {spans.TURN_EPOCH: int} | dict.fromkeys(
    (spans.HOP_CLIENT_MS, spans.HOP_SERVER_MS, spans.HOP_QUEUE_MS, spans.HOP_ENGINE_MS, spans.HOP_NETWORK_MS), float
)
SERVER: Kinds = TURN | {spans.ENGINE: str, spans.MODEL: str}
ENGINE: Kinds = SERVER | {spans.HOP_QUEUE_MS: float, spans.HOP_ENGINE_MS: float}
TABLE: dict[str, tuple[str, Kinds]] = {
    spans.CONVERSATION: ("", CALL | {
        spans.CONVERSATION_ID: str, spans.AGENT: str, spans.CALL_RESUMED: bool, spans.CALL_TURNS: int,
        spans.CALL_END_REASON: str,
    }),
    spans.TURN: (spans.CONVERSATION, TURN | {spans.TURN_OUTCOME: str}),
    spans.TURN_RESPONSE: (spans.TURN, TURN | {spans.RESPONSE_MS: float}),
    **{line: (spans.TURN_RESPONSE, {spans.TURN_EPOCH: int}) for line in spans.LINE_NAMES},
    spans.VAD_HOLD: (spans.TURN_RESPONSE, HOP),
    spans.TURN_DECISION: (spans.TURN_RESPONSE, HOP),
    spans.ASR_FINALIZATION: (spans.TURN_RESPONSE, HOP),
    spans.LLM_FIRST_TOKEN: (spans.TURN_RESPONSE, HOP),
    spans.TTS_FIRST_AUDIO: (spans.TURN_RESPONSE, HOP),
    spans.SPECULATION: (spans.TURN, TURN | {spans.SPECULATION_KIND: str, spans.SPECULATION_OUTCOME: str}),
    spans.TOOL_CALL: (spans.TURN, TURN | {
        spans.OPERATION: str, spans.TOOL_NAME: str, spans.TOOL_CALL_ID: str, spans.TOOL_TYPE: str,
    }),
    spans.BARGE_IN: (spans.TURN, TURN | {spans.BARGE_IN_OUTCOME: str, spans.BARGE_IN_PAUSED_MS: float}),
    spans.BARGE_IN_DETECTION: (spans.BARGE_IN, TURN),
    spans.BARGE_IN_CLEAR_SENT: (spans.BARGE_IN, TURN),
    spans.BARGE_IN_CLEAR_ACKNOWLEDGED: (spans.BARGE_IN, TURN),
    spans.CANCELLATION: (spans.TURN, TURN | {spans.CANCELLATION_CAUSE: str}),
    spans.ASR_FINALIZE: (spans.TURN, ENGINE | {spans.AUDIO_MS: float}),
    spans.TURN_DECIDE: (spans.CONVERSATION, ENGINE | {
        spans.DECISION_PROBABILITY: float, spans.DECISION_DELAY_MS: int, spans.DECISION_REASON: str,
    }),
    spans.LLM_GENERATE: (spans.TURN, TURN | {
        spans.CONVERSATION_ID: str, spans.OPERATION: str, spans.PROVIDER: str, spans.RESPONSE_MODEL: str,
        spans.RESPONSE_FIRST_CHUNK_S: float, spans.SPECULATIVE: bool, spans.HOP_QUEUE_MS: float,
        spans.HOP_ENGINE_MS: float,
    }),
    spans.TTS_SPEAK: (spans.TURN, ENGINE | {spans.PHRASE_ID: int, spans.PHRASE_CHARS: int}),
}  # fmt: skip
"""By span: its parent, and the attributes that each of it has."""


LATE = "turn: {min_gap_ms: 800}\n"
"""Every answer is held back, so that the line of that is there too."""


async def acknowledge(caller: Caller, epoch: int, played_ms: int) -> None:
    await caller.send(pb.ConverseRequest(playback_progress=pb.PlaybackProgress(turn_epoch=epoch, played_ms=played_ms)))


async def until_audible(caller: Caller, since: int, offset_ms: int = 0) -> int:
    heard = await caller.next(lambda r: r.HasField("audio") and r.audio.offset_ms >= offset_ms, since)
    return heard.audio.turn_epoch


async def answered_and_interrupted_by_speech(caller: Caller) -> None:
    """Ask; the answer needs a tool, and is spoken over."""
    since = caller.mark()
    await caller.say()
    call = await caller.kind("tool_call", since)
    await caller.send(pb.ConverseRequest(tool_result=pb.ToolResult(call_id=call.call_id, result_json=f'"{WORD}"')))
    epoch = await until_audible(caller, since)
    await acknowledge(caller, epoch, 0)
    await until_audible(caller, since, 400)
    await caller.audio(SPEECH, 2)
    await caller.kind("pause_playback", since)
    await caller.audio(SPEECH, 45)
    await caller.kind("clear_playback", since)
    await acknowledge(caller, epoch, 300)
    await caller.state(INTERRUPTED, since)
    assert (await caller.kind("turn_summary", since)).interrupted
    await caller.audio(SILENCE, 10)


async def whole_call(caller: Caller) -> None:
    """Hold a call in which everything happens that has a span."""
    await answered_and_interrupted_by_speech(caller)
    since = caller.mark()
    await caller.state(SPEAKING, since)
    epoch = await until_audible(caller, since)
    await acknowledge(caller, epoch, 0)
    await caller.send(pb.ConverseRequest(interrupt=pb.InterruptAgent()))
    await caller.kind("turn_summary", since)
    await caller.state(LISTENING, since)
    # A turn that is probably over, and then the call is: the model's stream was opened for nothing.
    since = caller.mark()
    await caller.audio(SPEECH, 20)
    await caller.audio(SILENCE, 1)
    await caller.next(lambda r: r.HasField("transcript") and r.transcript.is_final, since)
    await caller.send(pb.ConverseRequest(end=pb.EndConversation()))
    await caller.over()


@asynccontextmanager
async def traced_call(
    folder: Path, consent: pb.Consent | None = None, *, trace_transcripts: bool = False
) -> AsyncIterator[Collector]:
    """Hold the whole call; everything has arrived at the collector inside the block."""
    orchestrator = {"trace_transcripts": trace_transcripts}
    first = start_of(sends_playback_progress=True, client_tools=[TOOL], consent=consent)
    async with (
        tracing() as collector,
        stack(folder, agent=AGENT + LATE, orchestrator=orchestrator, asr=ASR, turn=TURN_DETECTOR, llm=LLM) as parts,
        calling(parts.channel, first) as caller,
    ):
        await whole_call(caller)
    yield collector


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Write the process's log as JSON into a buffer."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(structured._JsonFormatter("test"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def test_the_table_has_every_span_of_the_registry() -> None:
    assert {kind.name: kind.parent for kind in spans.SPANS} == {name: parent for name, (parent, _) in TABLE.items()}


async def test_a_call_leaves_every_span_of_the_table(tmp_path: Path) -> None:
    with logged() as log:
        async with traced_call(tmp_path) as collector:
            check_table(collector)
            check_story(collector)
            check_sums(collector)
            for span in collector.spans:
                assert WORD.encode() not in span.raw, span.name
                assert not [name for name in span.attributes if ".pii." in name]
    check_logs(collector, log.getvalue())


def check_table(collector: Collector) -> None:
    conversation = collector.one(spans.CONVERSATION)
    assert {span.trace_id for span in collector.spans} == {conversation.trace_id}
    assert {span.name for span in collector.spans} == set(TABLE), "a hop without a span, or a span without a row"
    for span in collector.spans:
        parent_name, attributes = TABLE[span.name]
        parent = collector.parent(span)
        assert (parent.name if parent else "") == parent_name, span
        missing = {
            name: kind
            for name, kind in attributes.items()
            if type(span.attributes.get(name)) not in (kind, *_like(kind))
        }
        assert not missing, f"{span.name} lacks {missing}: {span.attributes}"
        assert set(span.attributes) <= set(spans.ATTRIBUTES), span
        assert span.begin_ns <= span.end_ns


def _like(kind: type) -> tuple[type, ...]:
    return (int,) if kind is float else ()


def check_story(collector: Collector) -> None:
    """Check what the spans say of this call."""
    session = collector.one(spans.CONVERSATION).attributes
    assert (session[spans.AGENT], session[spans.CALL_END_REASON], session[spans.CALL_TURNS]) == ("tester", "caller", 2)
    outcomes = [span.attributes[spans.TURN_OUTCOME] for span in collector.named(spans.TURN)]
    assert outcomes == ["greeting", "answer", "answer", "call_ended"]
    asked = collector.named(spans.TURN)[1]
    below = {span.name for span in collector.children(asked)}
    assert below == {
        spans.TURN_RESPONSE, spans.SPECULATION, spans.TOOL_CALL, spans.BARGE_IN, spans.CANCELLATION, spans.ASR_FINALIZE,
        spans.LLM_GENERATE, spans.TTS_SPEAK,
    }  # fmt: skip
    epochs = {span.attributes[spans.TURN_EPOCH] for span in collector.children(asked)}
    assert epochs == {asked.attributes[spans.TURN_EPOCH]}
    names = [span.name for span in collector.children(asked)]
    in_vain = [
        span
        for span in collector.children(asked)
        if span.attributes.get(spans.SPECULATION_KIND) == "reply"
        and span.attributes.get(spans.SPECULATION_OUTCOME) == "discarded"
    ]
    asked_for = names.count(spans.LLM_GENERATE)
    assert 2 <= asked_for <= 2 + len(in_vain), "before the tool, after it, and for wrong guesses that got that far"
    tool = collector.one(spans.TOOL_CALL)
    assert (tool.attributes[spans.TOOL_NAME], tool.attributes[spans.TOOL_TYPE]) == ("lookup", "function")
    assert collector.one(spans.BARGE_IN).attributes[spans.BARGE_IN_OUTCOME] == "interruption"
    causes = [span.attributes[spans.CANCELLATION_CAUSE] for span in collector.named(spans.CANCELLATION)]
    assert causes == ["barge_in", "requested"]
    speculated = {
        (span.attributes[spans.SPECULATION_KIND], span.attributes[spans.SPECULATION_OUTCOME])
        for span in collector.named(spans.SPECULATION)
    }
    assert {("reply", "used"), ("stream", "used"), ("reply", "discarded")} <= speculated
    reasons = {span.attributes.get(spans.SPECULATION_REASON) for span in collector.named(spans.SPECULATION)}
    assert reasons <= {None, *spans.DISCARDS}


def check_sums(collector: Collector) -> None:
    """Check that the lines of each turn lie end to end and add up to its response."""
    responses = collector.named(spans.TURN_RESPONSE)
    assert len(responses) == 2
    for response in responses:
        lines = by_line(collector.children(response))
        assert list(lines) == list(spans.LINE_NAMES)
        for before, after in pairwise(lines.values()):
            assert before.end_ns == after.begin_ns, (before.name, after.name)
        total_ms = sum(line.duration_ms for line in lines.values())
        assert total_ms == pytest.approx(response.duration_ms, abs=0.01)
        assert total_ms == pytest.approx(response.attributes[spans.RESPONSE_MS], abs=2)
        assert lines[spans.TRANSIT_IN].duration_ms > 0, "the caller acknowledges: its round trip is known"
        assert lines[spans.TRANSIT_IN].duration_ms == pytest.approx(lines[spans.TRANSIT_OUT].duration_ms, abs=0.01)
        for line in lines.values():
            assert line.attributes.get(spans.LINE_IS_KNOWN, True)
            if spans.HOP_CLIENT_MS in line.attributes:
                told = line.attributes
                network_ms = max(0.0, told[spans.HOP_CLIENT_MS] - told[spans.HOP_SERVER_MS])
                assert told[spans.HOP_NETWORK_MS] == pytest.approx(network_ms)
    generated = collector.named(spans.LLM_GENERATE)[-1].attributes
    assert generated[spans.OPERATION] == "chat"
    assert generated[spans.PROVIDER] == "fake"


def by_line(found: list[Span]) -> dict[str, Span]:
    named = {span.name: span for span in found}
    assert len(named) == len(found)
    return {name: named[name] for name in spans.LINE_NAMES if name in named}


def check_logs(collector: Collector, log: str) -> None:
    """Check that what is logged of the call names its trace."""
    trace_id = collector.one(spans.CONVERSATION).trace_id
    entries = [json.loads(line) for line in log.splitlines()]
    for message in ("call started", "call ended"):
        traces = {entry.get("trace_id") for entry in entries if entry["message"] == message}
        assert trace_id in traces, (message, traces)
    assert WORD not in log


@pytest.mark.parametrize(("has_consent", "is_set"), [(True, True), (True, False), (False, True)])
async def test_what_was_said_is_told_only_with_consent_and_setting(
    tmp_path: Path, has_consent: bool, is_set: bool
) -> None:
    consent = pb.Consent(transcripts=has_consent)
    async with traced_call(tmp_path, consent, trace_transcripts=is_set) as collector:
        told = {name for span in collector.spans for name in span.attributes if ".pii." in name}
        telling = {span.name for span in collector.spans if WORD.encode() in span.raw}
    if has_consent and is_set:
        assert told == {spans.PII_USER_TEXT, spans.PII_AGENT_TEXT, spans.PII_HEARD_TEXT}
        assert telling == {spans.TURN}
        assert collector.named(spans.TURN)[1].attributes[spans.PII_USER_TEXT] == f"look up the {WORD}"
    else:
        assert (told, telling) == (set(), set())
