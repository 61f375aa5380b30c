"""The latency budget, typed: what each line of a turn may take, by profile, and what to do where it takes more."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parley.errors import LatencyError
from parley.report import CLIENT_HOP
from services.common import spans

DEFAULT_PROFILE = "cpu"
SHIPPED = Path(__file__).with_name("budget.toml")
LINE_NAMES = (*spans.LINE_NAMES, CLIENT_HOP)
"""Every line that a turn may have, in order."""
CALLER, ORCHESTRATOR = "caller", "orchestrator"
_CALLER_LINES = (spans.CAPTURE, spans.TRANSIT_IN, spans.TRANSIT_OUT, CLIENT_HOP)
OWNERS = (CALLER, "turn", "asr", ORCHESTRATOR, "llm", "tts")
"""Whose a line may be, in the order of a turn."""


@dataclass(frozen=True, slots=True)
class Target:
    """What half, and 95 of 100, of the turns stay within."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The targets for one way to deploy."""

    name: str
    what: str
    voice_to_voice: Target
    lines: dict[str, Target]


@dataclass(frozen=True, slots=True)
class Budget:
    """All profiles, and by line what to do where it is over."""

    profiles: dict[str, Profile]
    what_to_do: dict[str, str]

    def profile(self, name: str) -> Profile:
        """Return a profile. Raises LatencyError where there is none of that name."""
        if name not in self.profiles:
            raise LatencyError(f"the budget has no profile {name!r}: choose one of {', '.join(self.profiles)}")
        return self.profiles[name]


def owner(line: str) -> str:
    """Return whose a line is: one of OWNERS."""
    if line in _CALLER_LINES:
        return CALLER
    stages = {known.name: known.stage for known in spans.LINES}
    return stages[line] or ORCHESTRATOR


def load(path: Path = SHIPPED) -> Budget:
    """Read a budget file. Raises LatencyError where it cannot be read, or is none."""
    try:
        document = tomllib.loads(path.read_text())
        return _budget(document)
    except OSError as error:
        raise LatencyError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LatencyError(f"{path} is no budget ({error}): compare it with parley/latency/budget.toml") from error


def _budget(document: dict[str, Any]) -> Budget:
    lines = document["lines"]
    if set(lines) != set(LINE_NAMES):
        raise ValueError(f"its lines are not those of a turn: {', '.join(sorted(set(lines) ^ set(LINE_NAMES)))}")
    profiles = {
        name: Profile(
            name,
            about["what"],
            _target(about["voice_to_voice"]),
            {line: _target(lines[line][name]) for line in LINE_NAMES},
        )
        for name, about in document["profiles"].items()
    }
    return Budget(profiles, {line: " ".join(lines[line]["what_to_do"].split()) for line in LINE_NAMES})


def _target(entry: dict[str, Any]) -> Target:
    target = Target(float(entry["p50_ms"]), float(entry["p95_ms"]))
    if not 0 < target.p50_ms <= target.p95_ms:
        raise ValueError(f"{entry}: 0 < p50_ms <= p95_ms")
    return target
