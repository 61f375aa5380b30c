"""What the route between two models costs, and how often it is right: `python -m bench routing`.

Pure Python in this process, on a labelled set that the classifier's threshold was not tuned on (`routing_set.py`): what
matters most is how much that is hard goes to the small model.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench.routing_set import COUNTEREXAMPLES, EXAMPLES, HARD, SIMPLE
from bench.stats import percentile
from services.orchestrator.agent import Route
from services.orchestrator.history import Message
from services.orchestrator.routing import FAST, Router

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
ROUNDS = 50


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Return shares at several thresholds, with and without counterexamples, and the CPU time of a choice."""
    runs = [_judge(threshold, counterexamples) for counterexamples in (COUNTEREXAMPLES, ()) for threshold in THRESHOLDS]
    return {"runs": runs, "cost": _cost(2 if quick else ROUNDS)}


def _router(threshold: float, counterexamples: Sequence[str]) -> Router:
    return Router(Route(examples=EXAMPLES, counterexamples=tuple(counterexamples), threshold=threshold))


def _judge(threshold: float, counterexamples: Sequence[str]) -> dict[str, Any]:
    router = _router(threshold, counterexamples)
    taken = [text for text in SIMPLE if router.choose([Message("user", text)]) == FAST]
    wrong = [text for text in HARD if router.choose([Message("user", text)]) == FAST]
    return {
        "threshold": threshold,
        "counterexamples": len(counterexamples),
        "simple": len(SIMPLE),
        "simple_to_fast": len(taken),
        "hard": len(HARD),
        "hard_to_fast": len(wrong),
        "accuracy": (len(taken) + len(HARD) - len(wrong)) / (len(SIMPLE) + len(HARD)),
    }


def _cost(rounds: int) -> dict[str, float]:
    began_s = time.thread_time()
    router = _router(0.5, COUNTEREXAMPLES)
    made_ms = (time.thread_time() - began_s) * 1000
    took_us: list[float] = []
    for _ in range(rounds):
        for text in (*SIMPLE, *HARD):
            began_s = time.thread_time()
            router.choose([Message("user", text)])
            took_us.append((time.thread_time() - began_s) * 1e6)
    return {
        "made_ms": made_ms,
        "p50_us": percentile(took_us, 50),
        "p95_us": percentile(took_us, 95),
        "most_us": max(took_us),
    }


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return the result as tables: title, columns, rows."""
    rows = [
        [
            str(run["threshold"]),
            str(run["counterexamples"]),
            f"{run['simple_to_fast']} / {run['simple']}",
            f"{run['hard_to_fast']} / {run['hard']}",
            f"{run['accuracy']:.2f}",
        ]
        for run in result["runs"]
    ]
    cost = result["cost"]
    return [
        ("which model", ("threshold", "counterexamples", "simple -> fast", "hard -> fast", "accuracy"), rows),
        (
            "what a choice costs",
            ("made, ms of CPU", "p50 us", "p95 us", "most us"),
            [[f"{cost[name]:.0f}" for name in ("made_ms", "p50_us", "p95_us", "most_us")]],
        ),
    ]
