"""What promtool says: the configuration as compose mounts it, the rules, and how alerts come and go over time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.observability.prometheus import HOME, binary

pytestmark = pytest.mark.integration

BUDGETS = sorted(path.stem for path in (HOME / "budgets").glob("*.yaml"))
STORIES = sorted((Path(__file__).parent / "rules").glob("*.yaml"))


def promtool(*arguments: str) -> str:
    """Run promtool; return what it says. Raises AssertionError with that where it is not content."""
    done = subprocess.run([binary("promtool"), *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_configuration_is_sound_as_it_is_mounted(budget: str, tmp_path: Path) -> None:
    shutil.copy(HOME / "prometheus.yml", tmp_path)
    shutil.copytree(HOME / "rules", tmp_path / "rules")
    shutil.copy(HOME / "budgets" / f"{budget}.yaml", tmp_path / "budget.yaml")
    said = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert "3 rule files found" in said


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_alerts_come_and_go_as_they_should(story: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(story))


def test_every_alert_has_its_story() -> None:
    rules = yaml.safe_load((HOME / "rules" / "alerts.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    told = {
        case["alertname"]
        for story in STORIES
        for test in yaml.safe_load(story.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert told == alerts
