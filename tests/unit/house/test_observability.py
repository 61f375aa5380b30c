"""Dashboards, rules and the compose file that bring them up: they name what there is, and all that there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from parley.latency import budget
from services.common.metrics import METRICS, TURN_RESPONSE, Histogram, OneOf
from services.common.spans import LINE_NAMES
from tests.unit.house.tree import ROOT, SERVICES, settings_class

pytestmark = pytest.mark.unit

HOME = ROOT / "deploy" / "observability"
DASHBOARDS = sorted((HOME / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((HOME / "prometheus" / "rules").glob("*.yaml"))
BUDGETS = sorted((HOME / "prometheus" / "budgets").glob("*.yaml"))
VARIABLES = {"__rate_interval": "5m", "__range": "5m", "agent": ".*", "stage": ".*"}
"""What a test puts for Grafana's variables."""
SCRAPED = {"up", "ALERTS", "process_cpu_seconds_total", "process_resident_memory_bytes"}
"""Metrics that are not ours: Prometheus's own, and those of prometheus_client."""
SELECTOR = re.compile(r"\b(parley_\w+|parley:[\w:]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"")
GROUPING = re.compile(r"\b(?:by|on|label_values\([^,]+,)\s*\(?([^)]*)\)")
FROM_PROMETHEUS = {"job", "instance", "le", "alertname", "alertstate"}


def read(name: str) -> dict[str, Any]:
    """Return a dashboard by the name of its file."""
    document: dict[str, Any] = json.loads((HOME / "grafana" / "dashboards" / f"{name}.json").read_text())
    return document


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every panel with its dashboard's name."""
    for path in DASHBOARDS:
        for panel in read(path.stem)["panels"]:
            yield path.stem, panel


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every query for Prometheus as it stands in a dashboard, with where it stands."""
    for dashboard, panel in panels():
        if panel["datasource"]["type"] == "prometheus":
            for target in panel["targets"]:
                yield f"{dashboard}: {panel['title']}", target["expr"]


def asked() -> list[tuple[str, str]]:
    """Return every query with a value for each of Grafana's variables, and without its 0 for no data."""
    return [
        (where, re.sub(r"\$(\w+)", lambda found: VARIABLES[found[1]], expr.replace(" or vector(0)", "")))
        for where, expr in expressions()
    ]


def rules(kind: str) -> list[dict[str, Any]]:
    """Return the rules of one kind, "alert" or "record"."""
    groups = [group for path in (*RULES, *BUDGETS) for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def series() -> dict[str, dict[str, Any]]:
    """Return the labels of every series that a service exports, by its name in Prometheus."""
    found: dict[str, dict[str, Any]] = {}
    for metric in METRICS:
        suffixes = ("_bucket", "_sum", "_count") if isinstance(metric, Histogram) else ("",)
        found |= {f"{metric.prometheus_name}{suffix}": dict(metric.labels) for suffix in suffixes}
    return found


QUERIES = [
    *expressions(),
    *((rule.get("alert") or rule["record"], rule["expr"]) for k in ("alert", "record") for rule in rules(k)),
]


def test_there_are_the_four_dashboards() -> None:
    assert [path.stem for path in DASHBOARDS] == ["budget", "capacity", "conversations", "stages"]


@pytest.mark.parametrize(("where", "expr"), QUERIES)
def test_a_query_names_metrics_labels_and_values_that_there_are(where: str, expr: str) -> None:
    exported, recorded = series(), {rule["record"] for rule in rules("record")}
    for name, matchers in SELECTOR.findall(expr):
        assert name in exported or name in recorded, name
        for label, value in MATCHER.findall(matchers):
            if label in FROM_PROMETHEUS:
                continue
            known = exported[name][label]
            if isinstance(known, OneOf) and not value.startswith("$"):
                assert set(value.split("|")) <= set(known.values), value
    ours = set().union(*(exported[name] for name, _ in SELECTOR.findall(expr) if name in exported), {"line"})
    for labels in GROUPING.findall(expr):
        assert {label.strip() for label in labels.split(",") if label.strip()} <= ours | FROM_PROMETHEUS, labels


def test_every_metric_is_on_a_dashboard() -> None:
    text = " ".join(expr for _, expr in expressions())
    used = set(re.findall(r"\bparley_\w+", text))
    assert not {
        metric.name
        for metric in METRICS
        if not used
        & {metric.prometheus_name, *(f"{metric.prometheus_name}_{part}" for part in ("bucket", "sum", "count"))}
    }
    foreign = set(re.findall(r"\b(?:process|otel|target)_\w+|\bALERTS\b|\bup\b", text))
    assert foreign <= SCRAPED


def test_a_dashboard_is_whole() -> None:
    uids = set()
    sources = yaml.safe_load((HOME / "grafana/provisioning/datasources/parley.yaml").read_text())["datasources"]
    known = {(source["type"], source["uid"]) for source in sources}
    for path in DASHBOARDS:
        document = read(path.stem)
        uids.add(document["uid"])
        numbers = [panel["id"] for panel in document["panels"]]
        assert len(set(numbers)) == len(numbers)
        cells: set[tuple[int, int]] = set()
        for panel in document["panels"]:
            assert panel["title"]
            assert panel["description"].endswith(".")
            assert (panel["datasource"]["type"], panel["datasource"]["uid"]) in known
            at = panel["gridPos"]
            covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not covered & cells, f"{panel['title']} lies over another panel"
            assert at["x"] + at["w"] <= 24
            cells |= covered
        declared = {variable["name"] for variable in document["templating"]["list"]}
        used = set(
            re.findall(r"\$(\w+)", " ".join(t.get("expr", "") for p in document["panels"] for t in p["targets"]))
        )
        assert {name for name in used if not name.startswith("__")} == declared
    assert len(uids) == len(DASHBOARDS)


def test_every_alert_says_what_is_wrong_what_to_do_and_how_urgent_it_is() -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    alerts = rules("alert")
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["runbook"].endswith(".")
        assert f"`{rule['alert']}`" in page
    assert set(re.findall(r"`(Parley\w+)`", page)) == {rule["alert"] for rule in alerts}


def test_there_is_a_file_for_every_profile_of_the_budget() -> None:
    assert {path.stem for path in BUDGETS} == set(budget.load().profiles)


@pytest.mark.parametrize("path", BUDGETS, ids=lambda path: path.stem)
def test_prometheus_has_the_budget_and_it_ends_in_a_bucket(path: Path) -> None:
    profile = budget.load().profile(path.stem)
    [group] = yaml.safe_load(path.read_text())["groups"]
    told = {(rule["record"], "".join(rule.get("labels", {}).values())): rule["expr"] for rule in group["rules"]}
    target_ms = profile.voice_to_voice.p95_ms
    assert target_ms in TURN_RESPONSE.buckets
    wanted = {("parley:line_budget:p95_milliseconds", line): profile.lines[line].p95_ms for line in LINE_NAMES}
    wanted |= {("parley:response_budget:p95_milliseconds", ""): target_ms}
    wanted |= {("parley:response_budget:slow_above", bound): 1 for bound in (f"{target_ms:.0f}", f"{target_ms:.1f}")}
    assert told == {key: f"vector({value:.0f})" for key, value in wanted.items()}


def test_prometheus_scrapes_every_service_by_the_name_that_compose_gives_it() -> None:
    config = yaml.safe_load((HOME / "prometheus" / "prometheus.yml").read_text())
    overlay = yaml.safe_load((ROOT / "deploy" / "compose.observability.yaml").read_text())["services"]
    for name in SERVICES:
        port = overlay[name]["environment"][f"PARLEY_{name.upper()}_METRICS_PORT"]
        [job] = [job for job in config["scrape_configs"] if job["job_name"] == f"parley-{name}"]
        [found] = job["dns_sd_configs"]
        assert (found["names"], found["port"]) == ([name], port)
    assert len(config["scrape_configs"]) == len(SERVICES)


def test_compose_sets_settings_that_there_are_and_mounts_files_that_there_are() -> None:
    overlay = yaml.safe_load((ROOT / "deploy" / "compose.observability.yaml").read_text())
    for name in SERVICES:
        prefix = f"PARLEY_{name.upper()}_"
        environment = overlay["services"][name]["environment"]
        fields = settings_class(name).model_fields
        assert {key.removeprefix(prefix).lower() for key in environment} <= set(fields)
        assert environment[f"{prefix}OTLP_ENDPOINT"] == "http://collector:4317"
        assert overlay["services"][name]["networks"] == ["telemetry"]
    ours = {name: part for name, part in overlay["services"].items() if name not in SERVICES}
    assert set(ours) == {"collector", "tempo", "prometheus", "grafana"}
    for part in ours.values():
        assert re.fullmatch(r"docker\.io/[\w./-]+:v?\d+\.\d+\.\d+", part["image"]), "pinned by its tag"
        assert part["read_only"]
        assert part["cap_drop"] == ["ALL"]
        for volume in part["volumes"]:
            source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[0]
            assert source in overlay["volumes"] or (ROOT / "deploy" / source).exists(), volume
    published = {name: part["ports"] for name, part in ours.items() if "ports" in part}
    assert published == {"grafana": ["${PARLEY_GRAFANA_PUBLISH:-127.0.0.1:3000}:3000"]}


def test_the_collector_sends_traces_where_tempo_takes_them() -> None:
    collector = yaml.safe_load((HOME / "collector.yaml").read_text())
    tempo = yaml.safe_load((HOME / "tempo.yaml").read_text())
    parts = {kind: set(collector[kind]) for kind in ("receivers", "processors", "exporters")}
    for pipeline in collector["service"]["pipelines"].values():
        assert all(set(names) <= parts[kind] for kind, names in pipeline.items())
    taken = tempo["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    assert collector["exporters"]["otlp_grpc/tempo"]["endpoint"] == f"tempo:{taken.rpartition(':')[2]}"
    listens = collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    assert listens.rpartition(":")[2] == "4317"
    sources = yaml.safe_load((HOME / "grafana/provisioning/datasources/parley.yaml").read_text())["datasources"]
    urls = {source["type"]: source["url"] for source in sources}
    assert urls == {
        "prometheus": "http://prometheus:9090",
        "tempo": f"http://tempo:{tempo['server']['http_listen_port']}",
    }
