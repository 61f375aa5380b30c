"""The registry of metrics: bounded labels, fitting buckets, nothing while off, and the page that tells it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import prod
from pathlib import Path

import pytest

from services.common import metrics
from services.common.metrics import MAX_AGENTS, METRICS, OTHER, Counter, Histogram, Metric, OneOf, UpDownCounter
from services.orchestrator.events import CloseReason, Phrase

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
Recorded = dict[str, list[tuple[float, tuple[str, ...]]]]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """Turn metrics on; what is recorded lies here, by metric."""
    kept: Recorded = {metric.name: [] for metric in METRICS}

    def recorder(name: str) -> metrics.Recorder:
        def record(amount: float, attributes: Mapping[str, str]) -> None:
            kept[name].append((amount, tuple(attributes.values())))

        return record

    metrics.turn_on({metric.name: recorder(metric.name) for metric in METRICS})
    yield kept
    metrics.turn_off()


def record(metric: Metric, amount: int, **labels: str) -> None:
    assert isinstance(metric, Histogram | Counter | UpDownCounter)
    write = metric.record if isinstance(metric, Histogram) else metric.add
    write(amount, **labels)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_label_sets_stay_bounded_whatever_is_recorded(metric: Metric, recorded: Recorded) -> None:
    for number in range(500):
        record(metric, 1, **dict.fromkeys(metric.labels, f"value {number}"), session=f"session {number}")
    known = [len(values.values) if isinstance(values, OneOf) else MAX_AGENTS for values in metric.labels.values()]
    seen = {labels for _, labels in recorded[metric.name]}
    assert len(recorded[metric.name]) == 500
    assert len(seen) <= prod(count + 1 for count in known)
    for labels in seen:
        assert len(labels) == len(metric.labels), "a label that is none of the metric's"


def test_agents_beyond_the_limit_are_one_series_and_those_within_stay_themselves(recorded: Recorded) -> None:
    agents = [f"agent-{number}" for number in range(MAX_AGENTS + 5)]
    for agent in [*agents, *agents]:
        metrics.TURN_RESPONSE.record(1, agent=agent)
    told = [labels[0] for _, labels in recorded[metrics.TURN_RESPONSE.name]]
    once = [*agents[:MAX_AGENTS], *[OTHER] * 5]
    assert told == once * 2


def test_a_label_that_was_forgotten_is_other_and_no_error(recorded: Recorded) -> None:
    metrics.TURN_LINE.record(1.0, line="commit")
    metrics.CALLS_ENDED.add(1)
    assert recorded[metrics.TURN_LINE.name][0][1][0] == "commit"
    assert recorded[metrics.CALLS_ENDED.name] == [(1, (OTHER,))]


def test_what_the_orchestrator_tells_is_among_the_values() -> None:
    reasons = metrics.CALLS_ENDED.labels["reason"]
    assert [reasons.bounded(reason.value) for reason in CloseReason] == [reason.value for reason in CloseReason]
    assert [metrics.OUTCOMES.bounded(phrase.value) for phrase in Phrase] == [phrase.value for phrase in Phrase]


def test_counters_begin_at_0_in_the_service_that_counts(recorded: Recorded) -> None:
    for metric in METRICS:
        metric.begin("llm")
    assert recorded[metrics.LLM_TOKENS.name] == [(0, (kind,)) for kind in ("prompt", "completion", "cached")]
    assert recorded[metrics.STAGE_REFUSED.name] == [(0, ("llm",))]
    assert not recorded[metrics.CALLS_STARTED.name]


def test_a_counter_whose_labels_are_not_known_beforehand_begins_with_its_first_event(recorded: Recorded) -> None:
    metrics.TURN_LANGUAGES.begin("orchestrator")
    assert not recorded[metrics.TURN_LANGUAGES.name]
    metrics.TURN_LANGUAGES.add(1, language="de-DE")
    assert recorded[metrics.TURN_LANGUAGES.name] == [(1, ("de-DE",))]


def test_off_nothing_is_recorded_and_no_sdk_is_loaded() -> None:
    probe = (
        "import sys; from services.common import metrics, metrics_export\n"
        "metrics_export.setup_metrics('test', host='127.0.0.1')\n"
        "metrics.TURN_LINE.record(1.0, line='commit', agent='a'); metrics.CALLS_ENDED.add(1, reason='idle')\n"
        "print(metrics_export.is_on(), [name for name in sys.modules if name.startswith("
        "('opentelemetry.sdk.metrics', 'opentelemetry.exporter', 'prometheus_client'))])"
    )
    seen = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "False []"


def test_buckets_are_fine_from_10_to_2000_ms() -> None:
    assert {10, 2000} <= set(metrics.BUCKETS_MS)
    for low, high in pairwise(bound for bound in metrics.BUCKETS_MS if 10 <= bound <= 2000):
        assert low < high <= low * 1.5
    for metric in METRICS:
        if isinstance(metric, Histogram):
            assert list(metric.buckets) == sorted(set(metric.buckets))
            assert metric.unit != "ms" or metric.buckets in (metrics.BUCKETS_MS, metrics.BUCKETS_LAG_MS)


def test_names_are_one_each_also_in_prometheus() -> None:
    assert {value for value in vars(metrics).values() if isinstance(value, Metric)} == set(METRICS)
    names = [metric.prometheus_name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert metrics.TURN_LINE.prometheus_name == "parley_turn_line_milliseconds"
    assert metrics.CALLS_ENDED.prometheus_name == "parley_calls_ended_total"
    assert metrics.STREAMS_ACTIVE.prometheus_name == "parley_stage_streams_active"


def test_the_page_tells_every_metric_in_the_registry_s_words() -> None:
    page = (ROOT / "docs" / "telemetry.md").read_text()
    told = [line for line in page.splitlines() if line.startswith("| `parley_")]
    assert told == [page_row(metric) for metric in METRICS]


def page_row(metric: Metric) -> str:
    labels = ", ".join(f"`{name}`" for name in metric.labels) or "-"
    return f"| `{metric.prometheus_name}` | {metric.kind} | {labels} | {metric.service or 'all'} | {metric.says} |"
