"""Every metric that Parley exports, by name: the registry that docs/telemetry.md prints, and how to record one.

Recording is a call on one of the instruments below, from anywhere: `TURN_RESPONSE.record(412.0, agent="helpdesk")`. It
returns at once where metrics are off (`metrics_export.py` turns them on), never raises and never waits for an exporter.

Labels are bounded: a value that is not among those of the registry becomes `other`, and so does every agent after the
first MAX_AGENTS, so a series a label set is all there ever is. Nothing that was said, no session and no caller is in
any label.

In Prometheus a dot is an underscore, the unit is a suffix (`ms`: `_milliseconds`; `1` and `{...}`: none), a counter
ends in `_total`, and an up-down counter is a gauge: `Metric.prometheus_name`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol

from services.common import spans

OTHER = "other"
MAX_AGENTS = 20
"""Agents that have series of their own, in the order in which a process meets them."""
MAX_LANGUAGES = 20
"""Languages that have, likewise."""

BUCKETS_MS = (
    1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 800, 900, 1000, 1250, 1500, 2000, 3000,
    5000, 10_000,
)  # fmt: skip
"""Made for 10 to 2000 ms: no bucket there is wider than half of where it begins."""
BUCKETS_LAG_MS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
BUCKETS_RATIO = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
BUCKETS_RTF = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0)
BUCKETS_COUNT = (0, 1, 2, 3, 5, 8, 12, 20)
BUCKETS_PER_SECOND = (5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000)


class LabelValues(Protocol):
    """The values that a label may have."""

    says: str
    """What they are, for the docs."""

    def bounded(self, value: str) -> str:
        """Return `value`, or `other` where it is one too many."""


class OneOf:
    """A label whose values are known."""

    def __init__(self, *values: str) -> None:
        self.values = values
        self._known = frozenset(values)
        self.says = ", ".join(f"`{value}`" for value in values)

    def bounded(self, value: str) -> str:
        """Return `value`, or `other` where it is none of them."""
        return value if value in self._known else OTHER


class FirstSeen:
    """A label whose values are not known beforehand: the first `limit` that a process meets, then `other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()
        self.says = f"the first {limit} that the process meets, then `{OTHER}`"

    def bounded(self, value: str) -> str:
        """Return `value`, or `other` where `limit` others were met before it."""
        if value not in self._seen:
            if len(self._seen) >= self._limit:
                return OTHER
            self._seen.add(value)
        return value

    def forget(self) -> None:
        """Begin anew."""
        self._seen.clear()


class Recorder(Protocol):
    """What an instrument records into while metrics are on; OpenTelemetry's instruments, wrapped."""

    def __call__(self, amount: float, attributes: Mapping[str, str]) -> None:
        """Record."""


@dataclass(slots=True, eq=False)
class Metric:
    """One metric. `recorder` is None while metrics are off."""

    name: str
    unit: str
    says: str
    labels: Mapping[str, LabelValues] = field(default_factory=dict)
    service: str = "orchestrator"
    """Who records it; empty: every service, with its own name as `stage`."""
    recorder: Recorder | None = None
    kind = "metric"

    @property
    def prometheus_name(self) -> str:
        """Its name in Prometheus, without the suffixes of a histogram's series."""
        name = self.name.replace(".", "_")
        return f"{name}_milliseconds" if self.unit == "ms" else name

    def begin(self, service: str) -> None:
        """Show what `service` counts as 0: a series that is not there yet hides its first event from a rate."""
        if self.service not in ("", service):
            return
        values = {name: known.values for name, known in self.labels.items() if isinstance(known, OneOf)}
        if len(values) < len(self.labels):
            return  # what its series are called is not known yet
        if "stage" in values:
            values["stage"] = tuple(stage for stage in values["stage"] if stage == service)
        for chosen in product(*values.values()):
            self._record(0, dict(zip(values, chosen, strict=True)))

    def _record(self, amount: float, labels: dict[str, str]) -> None:
        recorder = self.recorder
        if recorder is not None:
            bounds = self.labels.items()
            recorder(amount, {name: values.bounded(labels.get(name, "")) for name, values in bounds})


@dataclass(slots=True, eq=False)
class Histogram(Metric):
    """How values are spread."""

    buckets: tuple[float, ...] = BUCKETS_MS
    kind = "histogram"

    def record(self, value: float, /, **labels: str) -> None:
        """Record one value."""
        if self.recorder is not None:
            self._record(value, labels)


@dataclass(slots=True, eq=False)
class Counter(Metric):
    """How often something happened."""

    kind = "counter"

    @property
    def prometheus_name(self) -> str:
        """Its name in Prometheus."""
        return f"{self.name.replace('.', '_')}_total"

    def add(self, amount: int = 1, /, **labels: str) -> None:
        """Count `amount` more."""
        if self.recorder is not None:
            self._record(amount, labels)


@dataclass(slots=True, eq=False)
class UpDownCounter(Metric):
    """How many there are now: what adds must take away again."""

    kind = "up-down counter"

    def add(self, amount: int, /, **labels: str) -> None:
        """Count `amount` more, or less."""
        if self.recorder is not None:
            self._record(amount, labels)


_AGENT = FirstSeen(MAX_AGENTS)
_LANGUAGE = FirstSeen(MAX_LANGUAGES)
_STAGE = OneOf("asr", "turn", "llm", "tts", "orchestrator")

# --- a turn -----------------------------------------------------------------------------------------------------------

TURN_LINE = Histogram(
    "parley.turn.line", "ms", "a line of the budget, in answers that were heard",
    {"line": OneOf(*spans.LINE_NAMES), "agent": _AGENT},
)  # fmt: skip
TURN_RESPONSE = Histogram(
    "parley.turn.response", "ms", "the sum of the lines: last speech sample to first audio at the caller",
    {"agent": _AGENT},
)  # fmt: skip
ENDPOINTING_DELAY = Histogram(
    "parley.turn.endpointing_delay",
    "ms",
    "silence in the caller's audio until the turn was called over",
    service="turn",
)
OUTCOMES = OneOf("answer", "apology", "not_heard", "idle_prompt", "goodbye", "greeting", "report", "resumed", "failed")
TURN_OUTCOMES = Counter(
    "parley.turn.outcomes", "{turn}", "turns of the agent, by what became of them", {"outcome": OUTCOMES}
)
TURN_LANGUAGES = Counter(
    "parley.turn.languages", "{turn}", "turns of the agent, by the language it spoke (`auto`: the model decided)",
    {"language": _LANGUAGE},
)  # fmt: skip
TURN_RESUMED = Counter("parley.turn.resumed", "{turn}", "turns that went on after they were thought, or called, over")
BARGE_IN_TIME = Histogram(
    "parley.barge_in.time", "ms", "from the arrival of speech over the agent until the caller was told to be silent"
)
INTERRUPTIONS = Counter(
    "parley.interruptions", "{interruption}",
    "speech over the agent: meant (`true`), a sound that was no turn (`false`), a listener's word (`backchannel`), or "
    "the agent itself, from the caller's loudspeaker (`echo`)",
    {"kind": OneOf("true", "false", "backchannel", "echo")},
)  # fmt: skip
SPECULATION = Counter(
    "parley.speculation", "{speculation}", "work that was begun before it was certain to be wanted",
    {"kind": OneOf("stream", "reply"), "outcome": OneOf("hit", "discarded")},
)  # fmt: skip
SPECULATION_HIDDEN = Histogram(
    "parley.speculation.hidden", "ms",
    "of an answer begun on a guess that held: how much of the way to its first audio lay before its turn was committed",
    buckets=BUCKETS_MS,
)  # fmt: skip
SPECULATION_TOKENS_WASTED = Counter(
    "parley.speculation.tokens.wasted", "{token}", "generated for answers to guesses that did not hold",
)  # fmt: skip

# --- tools ------------------------------------------------------------------------------------------------------------

TOOL_TIME = Histogram(
    "parley.tool.time", "ms", "a tool call that was asked for, until its result was there",
    {"kind": OneOf("webhook", "mcp", "client"), "outcome": OneOf("succeeded", "failed")},
)  # fmt: skip
TOOL_FILLERS = Counter("parley.tool.fillers", "{filler}", "fillers that were said while a tool ran")
TOOL_AHEAD = Counter(
    "parley.tool.ahead", "{lookup}", "tools that were run before they were asked for",
    {"outcome": OneOf("hit", "discarded", "failed")},
)  # fmt: skip

# --- calls ------------------------------------------------------------------------------------------------------------

CALLS_ACTIVE = UpDownCounter("parley.calls.active", "{call}", "calls that are up")
CALLS_STARTED = Counter("parley.calls.started", "{call}", "calls that came up")
CALLS_REFUSED = Counter(
    "parley.calls.refused", "{call}", "calls that did not come up",
    {"reason": OneOf("overloaded", "draining", "not_ready", "invalid", "not_found", "failed", "caller_left")},
)  # fmt: skip
CALLS_ENDED = Counter(
    "parley.calls.ended", "{call}",
    "calls that are over; `disconnected`: the caller's stream broke off, `failed`: an error ended it",
    {
        "reason": OneOf(
            "caller", "agent", "idle", "stage_failed", "ended_by_api", "resumed_elsewhere", "disconnected", "failed"
        )
    },
)  # fmt: skip
CALLS_DROPPED_OFF = Counter(
    "parley.calls.dropped_off", "{call}",
    "calls that the caller left while an answer was owed (`thinking`), given (`speaking`) or cut short (`interrupted`)",
    {"phase": OneOf("thinking", "speaking", "interrupted")},
)  # fmt: skip

# --- stages -----------------------------------------------------------------------------------------------------------

STAGE_HOP = Histogram(
    "parley.stage.hop", "ms",
    "an exchange that ended a line: measured by the orchestrator, and of that queue, engine and network",
    {"stage": OneOf("asr", "turn", "llm", "tts"), "part": OneOf("client", "queue", "engine", "network")},
)  # fmt: skip
STREAMS_ACTIVE = UpDownCounter(
    "parley.stage.streams.active", "{stream}", "streams that are served", {"stage": _STAGE}, service=""
)
STAGE_REFUSED = Counter(
    "parley.stage.refused", "{stream}", "requests turned away: full, not ready, or about to stop", {"stage": _STAGE},
    service="",
)  # fmt: skip
LLM_ROUTES = Counter(
    "parley.llm.routes", "{generation}", "generations asked for where an agent has two models, guesses included",
    {"route": OneOf("fast", "large")},
)  # fmt: skip
LLM_TOKENS = Counter(
    "parley.llm.tokens", "{token}", "tokens, where the engine counts them; `cached` are among `prompt`",
    {"kind": OneOf("prompt", "completion", "cached")}, service="llm",
)  # fmt: skip
LLM_TOKENS_PER_SECOND = Histogram(
    "parley.llm.tokens_per_second", "{token}/s", "tokens made a second, from the first output to the end",
    service="llm", buckets=BUCKETS_PER_SECOND,
)  # fmt: skip
LLM_CALLS_REFUSED = Counter(
    "parley.llm.calls_refused", "{call}", "tool calls that did not pass: of what is not on offer, or unfit arguments",
    {"kind": OneOf("unknown", "arguments")}, service="llm",
)  # fmt: skip
ASR_CONFIDENCE = Histogram(
    "parley.asr.confidence", "1", "of final transcripts, where the recogniser has one", service="asr",
    buckets=BUCKETS_RATIO,
)  # fmt: skip
ASR_PARTIAL_REVISIONS = Histogram(
    "parley.asr.partial_revisions", "{revision}", "partials that took back what was told before, by final transcript",
    service="asr", buckets=BUCKETS_COUNT,
)  # fmt: skip
ASR_RTF = Histogram(
    "parley.asr.rtf", "1", "real-time factor of an utterance: time in which the engine was waited for, by its length",
    service="asr", buckets=BUCKETS_RTF,
)  # fmt: skip
TTS_RTF = Histogram(
    "parley.tts.rtf", "1", "real-time factor of a phrase: the engine's time, by the length of the audio",
    service="tts", buckets=BUCKETS_RTF,
)  # fmt: skip
LOOP_LAG = Histogram(
    "parley.loop.lag", "ms", "how late a service's event loop is; which service: its resource, or the scrape's job",
    service="", buckets=BUCKETS_LAG_MS,
)  # fmt: skip

METRICS: tuple[Metric, ...] = (
    TURN_LINE, TURN_RESPONSE, ENDPOINTING_DELAY, TURN_OUTCOMES, TURN_LANGUAGES,
    TURN_RESUMED, BARGE_IN_TIME, INTERRUPTIONS, SPECULATION,
    SPECULATION_HIDDEN, SPECULATION_TOKENS_WASTED,
    TOOL_TIME, TOOL_FILLERS, TOOL_AHEAD,
    CALLS_ACTIVE, CALLS_STARTED, CALLS_REFUSED, CALLS_ENDED, CALLS_DROPPED_OFF,
    STAGE_HOP, STREAMS_ACTIVE, STAGE_REFUSED, LLM_ROUTES, LLM_TOKENS, LLM_TOKENS_PER_SECOND,
    LLM_CALLS_REFUSED, ASR_CONFIDENCE, ASR_PARTIAL_REVISIONS, ASR_RTF, TTS_RTF, LOOP_LAG,
)  # fmt: skip
"""All of them, in the order of the page."""


def turn_off() -> None:
    """Let every instrument record into nothing."""
    for metric in METRICS:
        metric.recorder = None


def turn_on(recorder_of: Mapping[str, Recorder]) -> None:
    """Let every instrument record; `recorder_of`: by name of the metric."""
    _AGENT.forget()
    _LANGUAGE.forget()
    for metric in METRICS:
        metric.recorder = recorder_of[metric.name]
