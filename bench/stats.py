"""Percentiles as every measurement here takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed (nearest rank). NaN for none."""
    if not values:
        return math.nan
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]


def spread(values: Sequence[float], unit: str = "ms", digits: int = 2) -> dict[str, float | None]:
    """Return p50, p95, p99 and the greatest value, named with their unit; None where there are no values."""
    names = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
    return {
        f"{name}_{unit}": round(percentile(values, percent), digits) if values else None
        for name, percent in names.items()
    }
