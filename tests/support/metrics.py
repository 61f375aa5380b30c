"""Metrics in the test's own process: turned on for a block, and read back as Prometheus reads them."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from parley import ports
from services.common.metrics import Metric
from services.common.metrics_export import setup_metrics, shutdown_metrics

Labels = tuple[tuple[str, str], ...]


@dataclass
class Scrape:
    """What one scrape found."""

    text: str = field(repr=False)
    samples: dict[str, dict[Labels, float]] = field(default_factory=dict, repr=False)
    """By the name of the sample: by its labels, sorted, what it says."""

    def value(self, metric: Metric, suffix: str = "", **labels: str) -> float:
        """Return the sum over all samples of `metric` that have these labels; `suffix`: `_count` of a histogram."""
        found = self.samples.get(f"{metric.prometheus_name}{suffix}", {})
        return sum(amount for told, amount in found.items() if labels.items() <= dict(told).items())

    def labels(self, metric: Metric) -> list[dict[str, str]]:
        """Return every label set of `metric`."""
        suffix = "_count" if metric.kind == "histogram" else ""
        return [dict(told) for told in self.samples.get(f"{metric.prometheus_name}{suffix}", {})]


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own endpoint
        return str(answer.read().decode())


async def scrape(port: int) -> Scrape:
    """Ask the endpoint on this machine."""
    found = Scrape(await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/metrics"))
    for family in text_string_to_metric_families(found.text):
        for sample in family.samples:
            found.samples.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


@asynccontextmanager
async def metered(service: str = "test", otlp_endpoint: str = "") -> AsyncIterator[int]:
    """Turn metrics on while the block runs; give the endpoint's port."""
    with ports.reserved(["metrics"]) as free:
        port = free["metrics"]
    setup_metrics(service, host="127.0.0.1", port=port, otlp_endpoint=otlp_endpoint)
    try:
        yield port
    finally:
        await asyncio.to_thread(shutdown_metrics)
