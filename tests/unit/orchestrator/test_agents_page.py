"""docs/agents.md says what the code does: fields, defaults, limits; the example loads."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from services.common.errors import InvalidInput
from services.orchestrator.agent import Agent
from services.orchestrator.agents import load_agent
from services.orchestrator.session import TOOLS_FINISH_S
from services.orchestrator.tools.ahead import RESULTS_LAST_S
from services.orchestrator.tools.base import MAX_RESULT_BYTES
from services.orchestrator.tools.offered import MAX_OFFERED

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "agents.md").read_text()
ROW = re.compile(r"^\| `([^`]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]+)\|$", re.MULTILINE)
ROWS = {path: (default.strip(), limits) for path, _, default, limits, _ in ROW.findall(PAGE)}


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every field an agent file can hold, with its path as the page writes it."""
    for name, field in model.model_fields.items():
        yield prefix + name, field
        brackets = "[]" if field.annotation is not None and get_args(field.annotation) else ""
        for inner in models_in(field.annotation):
            yield from fields_of(inner, f"{prefix}{name}{brackets}.")


FIELDS = dict(fields_of(Agent))


def told(field: FieldInfo) -> str:
    """Return a field's default in the page's words."""
    if field.is_required():
        return "required"
    if field.default is None:
        return "not set"
    if isinstance(field.default, BaseModel):
        return "below"
    if isinstance(field.default, bool):
        return str(field.default).lower()  # as YAML has it
    return str(field.default) if field.default not in ("", (), {}) else "empty"


def bounds(field: FieldInfo) -> list[float]:
    found = [getattr(rule, name, None) for rule in field.metadata for name in ("ge", "gt", "le", "lt")]
    return [bound for bound in found if bound is not None]


def example() -> str:
    found = re.search(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "agents" / "grammars", tmp_path / "grammars")
    return tmp_path


def test_the_pages_example_loads_and_names_what_is_there(folder: Path) -> None:
    file = folder / "desk.yaml"
    file.write_text(example())
    agent = load_agent(file, {})
    assert agent.grammar
    assert (ROOT / "agents" / "rules" / f"{agent.llm.model}.yaml").exists()


@pytest.mark.parametrize("missing", ["name", "prompt"])
def test_the_example_without_what_is_required_is_refused(folder: Path, missing: str) -> None:
    file = folder / "desk.yaml"
    file.write_text(re.sub(rf"^{missing}:.*\n", "", example(), flags=re.MULTILINE))
    with pytest.raises(InvalidInput, match=f"desk.yaml:1: {missing}: Field required"):
        load_agent(file, {})


def test_the_errors_that_the_page_shows_are_those_that_come(folder: Path) -> None:
    shown = re.findall(r"^cannot start: my-agents/desk\.yaml:\d+: ([^:]+): (.+)$", PAGE, re.MULTILINE)
    tool = "tools: [{name: book, description: Books., parameters: {}, webhook: {url: 'http://127.0.0.1'}}]\n"
    faults = {
        "greetign": "greetign: Hello.\n",
        "voice.speed": "voice: {speed: 9}\n",
        "tools.0.parameters": tool,
        "asr.grammar_file": "asr: {grammar_file: grammars/desk.jsgf}\n",
    }
    assert [where for where, _ in shown] == list(faults)
    file = folder / "desk.yaml"
    for where, text in shown:
        file.write_text(f"name: desk\nprompt: p\n{faults[where]}")
        with pytest.raises(InvalidInput) as caught:
            load_agent(file, {})
        assert str(caught.value) == f"{file}:3: {where}: {text.replace('my-agents/', f'{folder}/')}"


def test_every_field_is_on_the_page_and_none_that_is_not() -> None:
    assert set(ROWS) == set(FIELDS)


@pytest.mark.parametrize("path", FIELDS)
def test_default_and_limits_are_the_codes(path: str) -> None:
    default, limits = ROWS[path]
    assert default == told(FIELDS[path])
    numbers = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", limits)}
    assert set(bounds(FIELDS[path])) <= numbers


def test_the_limits_of_tools_are_the_codes() -> None:
    page = (ROOT / "docs" / "tools.md").read_text()
    assert f"{MAX_RESULT_BYTES:,} bytes" in page
    assert f"more than {MAX_RESULT_BYTES} bytes" in page
    assert f"for {RESULTS_LAST_S:.0f} s" in page
    assert f"at most {MAX_OFFERED} tools" in PAGE
    assert f"at most {TOOLS_FINISH_S:.0f} s" in page
