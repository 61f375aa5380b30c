"""The figures for a reader: a table with goals, on a terminal and in markdown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a run, by its name in the result."""

    name: str
    what: str
    unit: str = "ms"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be at one number of streams, in its unit; None: nothing is asked."""

    step: str
    name: str
    streams: int
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    step: str
    streams: int
    what: str
    unit: str
    n: int
    p50: float | None
    p95: float | None
    goal: Goal | None

    @property
    def verdict(self) -> str:
        """ok, missed, or empty where nothing is asked."""
        if self.goal is None:
            return ""
        pairs = ((self.p50, self.goal.p50), (self.p95, self.goal.p95))
        asked = [(measured, most) for measured, most in pairs if most is not None]
        return "ok" if all(measured is not None and measured <= most for measured, most in asked) else "missed"

    @property
    def asked(self) -> str:
        """The goal in words."""
        if self.goal is None:
            return ""
        parts = (("p50", self.goal.p50), ("p95", self.goal.p95))
        return ", ".join(f"{name} <= {most:g}" for name, most in parts if most is not None)


FIGURES = (
    Figure("first_token_cold", "first token, prompt never seen"),
    Figure("first_token_cached", "first token, prompt seen before"),
    Figure("between_tokens_cold", "between tokens, prompt never seen"),
    Figure("between_tokens_cached", "between tokens, prompt seen before"),
    Figure("final", "final transcript after it is asked for"),
    Figure("first_audio", "first audio of a phrase"),
    Figure("percent_of_real_time", "phrase, as a share of how long it lasts", "%"),
    Figure("voice_to_voice", "voice to voice"),
)
GOALS = (
    Goal("llm-8b", "first_token_cold", 32, p95=100),
    Goal("llm-8b", "first_token_cached", 32, p95=100),
    Goal("llm-30b-a3b", "first_token_cold", 32, p95=100),
    Goal("llm-30b-a3b", "first_token_cached", 32, p95=100),
    Goal("asr", "final", 32, p95=120),
    Goal("tts", "first_audio", 32, p95=80),
    Goal("calls", "voice_to_voice", 32, p50=400, p95=500),
)


def rows(steps: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Return the lines of what was measured, in order."""
    goals = {(goal.step, goal.name, goal.streams): goal for goal in GOALS}
    found = []
    for step, result in steps.items():
        for run in result.get("runs", ()):
            for figure in FIGURES:
                if figure.name in run:
                    at = run[figure.name]
                    goal = goals.get((step, figure.name, run["streams"]))
                    values = (at["n"], at["p50_ms"], at["p95_ms"])
                    found.append(Row(step, run["streams"], figure.what, figure.unit, *values, goal))
    return found


def notes(steps: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what went wrong: steps that failed, and requests or turns that did in those that did not."""
    found = []
    for name, step in steps.items():
        if "failed" in step:
            found.append(f"{name} failed: {step['failed'].splitlines()[0]}")
        found += [
            f"{name} at {run['streams']}: {run['failed']} without a figure: {run['failures'][0]}"
            for run in step.get("runs", ())
            if run.get("failed")
        ]
    return found


def for_terminal(found: list[Row], *, is_tiny: bool) -> Table:
    """Return the table for a terminal."""
    made = Table()
    for column in ("step", "streams", "figure", "n", "p50", "p95", "goal", ""):
        made.add_column(column, justify="right" if column in ("streams", "n", "p50", "p95") else "left")
    for row in found:
        verdict = "plumbing" if is_tiny else row.verdict
        colour = {"ok": "green", "missed": "red"}.get(verdict, "dim")
        numbers = [_number(value, row.unit) for value in (row.p50, row.p95)]
        made.add_row(row.step, str(row.streams), row.what, str(row.n), *numbers, row.asked, f"[{colour}]{verdict}[/]")
    return made


def markdown(result: Mapping[str, Any]) -> str:
    """Return a section for docs/measurements.md: what was measured, on what, and what failed."""
    lines = [f"`python -m bench.gpu{' --tiny' if result['is_tiny'] else ''}`, {result['machine']['date'][:10]}: "]
    lines[0] += f"{result['gpu'] or 'no GPU'}; {result['machine']['cpu']}, {result['machine']['cores']} cores."
    if result["is_tiny"]:
        lines += ["", "**Plumbing, not figures:** tiny test models on a CPU, vLLM replaced by the ctranslate2 engine."]
    lines += ["", *(f"- {name}: {said}" for name, said in result["models"].items())]
    lines += ["", "| step | streams | figure | n | p50 | p95 | goal | |", "|---|---|---|---|---|---|---|---|"]
    for row in rows(result["steps"]):
        numbers = " | ".join(_number(value, row.unit) for value in (row.p50, row.p95))
        verdict = "" if result["is_tiny"] else row.verdict
        lines.append(f"| {row.step} | {row.streams} | {row.what} | {row.n} | {numbers} | {row.asked} | {verdict} |")
    wrong = notes(result["steps"])
    lines += ["", *(f"- {note}" for note in wrong)] if wrong else []
    return "\n".join(lines) + "\n"


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:g} {unit}"
