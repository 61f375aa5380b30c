"""Real calls, real endpoints: what a call must move is there when Prometheus asks, and arrives live over OTLP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from voice.orchestrator.v1 import orchestrator_pb2 as pb

from parley import ports
from services.common import metrics, metrics_export, spans
from services.common.metrics import METRICS, Histogram
from tests.integration.common.test_process import process, said_until
from tests.integration.telemetry.test_call import (
    ASR,
    LLM,
    TOOL,
    TURN_DETECTOR,
    acknowledge,
    until_audible,
    whole_call,
)
from tests.support.caller import LISTENING, SILENCE, SPEECH, Caller, calling, start_of
from tests.support.metrics import Scrape, metered, scrape
from tests.support.stack import Stack, stack
from tests.support.tools import CALLS_TOOL, agent_that_looks_up, answer_once, waits_for_a_look_up, webhook
from tests.unit.house.tree import ROOT

pytestmark = pytest.mark.integration

AGENT = "tester"
LONG = " ".join(["words"] * 60) + "."
FIRST = start_of(sends_playback_progress=True, client_tools=[TOOL])


async def interrupt(caller: Caller, since: int) -> None:
    await caller.send(pb.ConverseRequest(interrupt=pb.InterruptAgent()))
    await caller.kind("turn_summary", since)
    await caller.state(LISTENING, since)


async def leave_while_spoken_over(parts: Stack) -> None:
    """Say something of no meaning over the answer; let it be judged as such; then hang up on the agent."""
    async with calling(parts.channel, start_of(sends_playback_progress=True)) as caller:
        since = caller.mark()
        await caller.say()
        epoch = await until_audible(caller, since)
        await acknowledge(caller, epoch, 0)
        await until_audible(caller, since, 400)
        await caller.audio(SPEECH, 3)
        await caller.kind("pause_playback", since)
        await caller.audio(SILENCE, 40)
        await caller.kind("resume_playback", since)
        await until_audible(caller, since, 600)


async def resume_a_turn(parts: Stack) -> None:
    """Go on speaking after a pause that was taken for the end."""
    async with calling(parts.channel) as caller:
        since = caller.mark()
        await caller.audio(SPEECH, 20)
        await caller.audio(SILENCE, 1)
        await caller.next(lambda r: r.HasField("transcript") and r.transcript.is_final, since)
        await until_guessed(parts)
        await caller.audio(SPEECH, 20)
        await caller.audio(SILENCE, 10)
        await until_audible(caller, since)
        await interrupt(caller, since)
        await caller.send(pb.ConverseRequest(end=pb.EndConversation()))
        await caller.over()


async def until_guessed(parts: Stack) -> None:
    """Wait until a guessed answer is being spoken, so that it has cost tokens: of that nobody is told."""
    speech: Any = parts.servers["tts"]._service
    async with asyncio.timeout(10):
        while not any(text in LONG for _, text in speech.engine.latest):  # noqa: ASYNC110 - the engine sets no event
            await asyncio.sleep(0.002)


async def be_refused(parts: Stack, first: pb.ConverseRequest) -> None:
    async with calling(parts.channel, first, greeted=False) as caller:
        await caller.over()
        assert caller.failure is not None


async def until_gone(port: int) -> Scrape:
    """Scrape until no stream is open any more."""
    async with asyncio.timeout(10):
        while True:
            seen = await scrape(port)
            if not seen.value(metrics.STREAMS_ACTIVE) and not seen.value(metrics.CALLS_ACTIVE):
                return seen


async def test_everything_that_calls_must_move_is_on_the_endpoint(tmp_path: Path) -> None:
    async with metered() as port:
        async with (
            stack(tmp_path, asr=ASR, turn=TURN_DETECTOR, llm=LLM, orchestrator={"max_streams": 1}) as parts,
            calling(parts.channel, FIRST) as caller,
        ):
            during = await scrape(port)
            await be_refused(parts, FIRST)
            await whole_call(caller)
        slowly = {"fake_reply": LONG, "fake_words_per_delta": 10, "fake_delta_delay_ms": 20}
        asr = {"fake_texts": ("tell me more", "uh huh")}
        async with stack(tmp_path, asr=asr, turn=TURN_DETECTOR, llm=slowly) as parts:
            await resume_a_turn(parts)
            await leave_while_spoken_over(parts)
            await be_refused(parts, start_of("nobody"))
        released = asyncio.Event()
        async with (
            webhook(answer_once(released)) as url,
            stack(tmp_path, agent=agent_that_looks_up(url), llm=CALLS_TOOL) as parts,
        ):
            await waits_for_a_look_up(parts.channel, released)
            after = await until_gone(port)
    assert during.value(metrics.CALLS_ACTIVE) == 1
    assert {told["stage"] for told in during.labels(metrics.STREAMS_ACTIVE)} >= {"asr", "turn", "tts", "orchestrator"}
    check_nothing_is_missing(after)
    check_calls(after)
    check_turns(after)
    check_tools(after)
    check_stages(after)


def check_nothing_is_missing(seen: Scrape) -> None:
    still = {
        metric.name for metric in METRICS if not seen.value(metric, "_count" if isinstance(metric, Histogram) else "")
    }
    unmoved = {metrics.CALLS_ACTIVE.name, metrics.STREAMS_ACTIVE.name, metrics.LLM_CALLS_REFUSED.name}
    assert still == unmoved, "gauges of what is over, what a model that errs counts, and no others"
    for metric in METRICS:
        for told in seen.labels(metric):
            assert set(told) == set(metric.labels), metric.name
            for name, value in told.items():
                assert metric.labels[name].bounded(value) == value != metrics.OTHER


def check_calls(seen: Scrape) -> None:
    assert seen.value(metrics.CALLS_STARTED) == 4
    assert seen.value(metrics.CALLS_REFUSED, reason="overloaded") == 1
    assert seen.value(metrics.CALLS_REFUSED, reason="not_found") == 1
    assert seen.value(metrics.CALLS_REFUSED) == 2
    assert seen.value(metrics.CALLS_ENDED, reason="caller") == 3
    assert seen.value(metrics.CALLS_ENDED, reason="disconnected") == 1
    assert seen.value(metrics.CALLS_DROPPED_OFF, phase="speaking") == 1
    assert seen.value(metrics.STAGE_REFUSED, stage="orchestrator") == 1


def check_turns(seen: Scrape) -> None:
    answers = seen.value(metrics.TURN_RESPONSE, "_count", agent=AGENT)
    assert answers == 4
    assert seen.value(metrics.TURN_OUTCOMES, outcome="answer") == answers + 1
    assert seen.value(metrics.TURN_OUTCOMES, outcome="greeting") == 4
    lines = {told["line"] for told in seen.labels(metrics.TURN_LINE)}
    assert lines == set(spans.LINE_NAMES) - {spans.MIN_GAP}  # of agents that ask for one
    total_ms = seen.value(metrics.TURN_LINE, "_sum", agent=AGENT)
    assert total_ms == pytest.approx(seen.value(metrics.TURN_RESPONSE, "_sum"), abs=2 * answers)
    assert seen.value(metrics.TURN_RESUMED) == 1
    assert seen.value(metrics.INTERRUPTIONS, kind="true") == 1
    assert seen.value(metrics.INTERRUPTIONS) == 2
    assert seen.value(metrics.BARGE_IN_TIME, "_count") == 2
    assert seen.value(metrics.SPECULATION, kind="stream", outcome="hit") >= 1
    assert seen.value(metrics.SPECULATION, kind="stream", outcome="discarded") == 0
    assert 1 <= seen.value(metrics.SPECULATION, kind="reply", outcome="hit") <= answers
    assert seen.value(metrics.SPECULATION, kind="reply", outcome="discarded") >= 1
    assert seen.value(metrics.SPECULATION_HIDDEN, "_count") == seen.value(
        metrics.SPECULATION, kind="reply", outcome="hit"
    )


def check_tools(seen: Scrape) -> None:
    assert seen.value(metrics.TOOL_TIME, "_count", kind="client", outcome="succeeded") == 1
    assert seen.value(metrics.TOOL_TIME, "_count", kind="webhook", outcome="succeeded") == 1
    assert seen.value(metrics.TOOL_AHEAD, outcome="hit") == seen.value(metrics.TOOL_AHEAD) == 1
    assert seen.value(metrics.TOOL_FILLERS) >= 1


def check_stages(seen: Scrape) -> None:
    for stage in ("asr", "turn", "llm", "tts"):
        parts = {part: seen.value(metrics.STAGE_HOP, "_sum", stage=stage, part=part) for part in
                 ("client", "queue", "engine", "network")}  # fmt: skip
        assert seen.value(metrics.STAGE_HOP, "_count", stage=stage, part="client") >= 4
        assert parts["client"] >= parts["queue"] + parts["engine"], stage
        assert parts["client"] >= parts["network"] > 0, stage
    assert seen.value(metrics.LLM_TOKENS, kind="completion") >= 60
    assert seen.samples["process_resident_memory_bytes"][()] > 1e6


class MetricsCollector(metrics_service_pb2_grpc.MetricsServiceServicer):
    """Keeps the newest value of each metric; with `answers` cleared it takes what comes and never answers."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.services: set[str] = set()
        self.news = asyncio.Condition()
        self.answers = asyncio.Event()
        self.answers.set()

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
        """Take what an exporter sends."""
        async with self.news:
            for resource in request.resource_metrics:
                told = {entry.key: entry.value.string_value for entry in resource.resource.attributes}
                self.services.add(told["service.name"])
                assert told["service.instance.id"]
                for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                    self.values[metric.name] = getattr(metric, metric.WhichOneof("data"))
            self.news.notify_all()
        await self.answers.wait()
        return metrics_service_pb2.ExportMetricsServiceResponse()

    async def until_told(self, name: str) -> Any:
        """Return a metric once it was sent with a value that is not 0."""
        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: name in self.values and any(map(_count, self.values[name].data_points)))
            return self.values[name]


def _count(point: Any) -> float:
    return float(point.count if hasattr(point, "bucket_counts") else point.as_int)


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[tuple[MetricsCollector, str]]:
    server = grpc.aio.server()
    collector = MetricsCollector()
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        collector.answers.set()
        await server.stop(None)


async def test_a_call_s_metrics_arrive_over_otlp_while_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_export, "EXPORT_EVERY_S", 0.05)
    async with (
        collecting() as (collector, endpoint),
        metered(otlp_endpoint=endpoint) as port,
        stack(tmp_path, llm={"fake_reply": LONG}) as parts,
        calling(parts.channel) as caller,
    ):
        active = await collector.until_told(metrics.CALLS_ACTIVE.name)
        assert not active.is_monotonic
        outcomes = await collector.until_told(metrics.TURN_OUTCOMES.name)
        assert outcomes.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
        # From here on the collector hangs, and nobody waits for it.
        collector.answers.clear()
        since = caller.mark()
        await caller.say()
        await until_audible(caller, since)
        await interrupt(caller, since)
        seen = await scrape(port)
        assert seen.value(metrics.TURN_RESPONSE, "_count") == 1
        collector.answers.set()
        response = await collector.until_told(metrics.TURN_RESPONSE.name)
        assert tuple(response.data_points[0].explicit_bounds) == metrics.BUCKETS_MS
    assert collector.services == {"parley-test"}


async def test_a_service_serves_its_own_port_and_counts_from_zero() -> None:
    with ports.reserved(["metrics"]) as free:
        port = free["metrics"]
    async with process("llm", engine="fake", port="0", metrics_port=str(port)) as running:
        await said_until(running, "serving")
        seen = await scrape(port)
        assert seen.samples[f"{metrics.STAGE_REFUSED.prometheus_name}"] == {(("stage", "llm"),): 0.0}
        assert {told["kind"] for told in seen.labels(metrics.LLM_TOKENS)} == {"prompt", "completion", "cached"}
        assert not seen.labels(metrics.CALLS_STARTED), "another service's"
        async with process("tts", engine="fake", port="0", metrics_port=str(port)) as second:
            _, said = await second.communicate()
        assert second.returncode == 2
        assert f"cannot serve metrics on 127.0.0.1:{port}" in said.decode()
        assert "Traceback" not in said.decode()


FORKS = """
import json, os, sys, threading
from services.common import metrics
from services.common.metrics_export import is_on, setup_metrics, shutdown_metrics

port = int(sys.argv[1])
setup_metrics("test", host="127.0.0.1", port=port, otlp_endpoint="http://127.0.0.1:9")
metrics.CALLS_STARTED.add(1)
read, write = os.pipe()
if os.fork() == 0:
    metrics.CALLS_STARTED.add(1)
    told = {"is_on": is_on(), "threads": threading.active_count(), "names": [t.name for t in threading.enumerate()]}
    os.write(write, json.dumps(told).encode())
    os._exit(0)
os.wait()
print(os.read(read, 10_000).decode())
from urllib.request import urlopen
text = urlopen(f"http://127.0.0.1:{port}").read().decode()
print("parley_calls_started_total 1.0" in text)
os._exit(0)
"""


async def test_a_forked_child_exports_nothing(tmp_path: Path) -> None:
    with ports.reserved(["metrics"]) as free:
        port = free["metrics"]
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FORKS, str(port), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        said, _ = await running.communicate()
    child, counted = said.decode().splitlines()
    assert json.loads(child) == {"is_on": False, "threads": 1, "names": ["MainThread"]}
    assert counted == "True", "the parent goes on, and counts its own alone"
