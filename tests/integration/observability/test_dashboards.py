"""Every query of the dashboards, and every rule, on a real Prometheus that scrapes real services."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import grpc.aio
import pytest

from services.common.metrics import CALLS_ACTIVE, METRICS, STREAMS_ACTIVE
from tests.integration.observability.calls import hold_calls, services
from tests.integration.observability.prometheus import Prometheus, running_prometheus
from tests.unit.house.test_observability import asked

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

STARTED = "parley_calls_started_total"
SUFFIX = {"histogram": "_count"}
UP = 'count(up{job=~"parley-.+"} == 1) == 5'


async def test_every_query_of_the_dashboards_has_data(tmp_path: Path) -> None:
    async with services(tmp_path) as (launcher, ports, released), running_prometheus(tmp_path, ports) as prometheus:
        async with grpc.aio.insecure_channel(launcher.target("orchestrator")) as channel:
            # Twice: what a counter says when it is first seen is not an increase.
            await hold_calls(channel, released)
            await prometheus.until(UP)
            [(_, held)] = await prometheus.until(STARTED)
            await hold_calls(channel, released)
            await prometheus.until(f"{STARTED} >= {2 * held}")
        await every_metric_has_counted(prometheus)
        await every_rule_is_well(prometheus)
        await a_dead_service_is_told(prometheus, pid=next(one.pid for one in launcher.running if one.name == "tts"))
        await every_query_has_data(prometheus)


async def every_metric_has_counted(prometheus: Prometheus) -> None:
    silent = [
        metric.name
        for metric in METRICS
        if metric is not CALLS_ACTIVE
        and metric is not STREAMS_ACTIVE
        and not await prometheus.query(f"sum({metric.prometheus_name}{SUFFIX.get(metric.kind, '')}) > 0")
    ]
    assert not silent


async def every_query_has_data(prometheus: Prometheus) -> None:
    empty = [(title, expr) for title, expr in asked() if not await prometheus.query(expr)]
    assert not empty


async def every_rule_is_well(prometheus: Prometheus) -> None:
    await prometheus.until("parley:turns_over_budget:ratio_rate1d")
    groups = (await prometheus.get("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}, [rule for rule in rules if rule["health"] != "ok"]
    for rule in rules:
        if rule["type"] == "recording":
            assert await prometheus.query(rule["name"]), rule["name"]


async def a_dead_service_is_told(prometheus: Prometheus, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    [(labels, _)] = await prometheus.until('ALERTS{alertname="ParleyServiceDown"}')
    assert labels["job"] == "parley-tts"
