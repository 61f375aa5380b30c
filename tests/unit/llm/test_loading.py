"""Scripts that are wrong: the error names the file, the line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.common.errors import InvalidInput
from services.llm.engines.rules.loading import load_script, load_scripts
from services.llm.engines.rules.yaml_lines import parse_yaml

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
GOOD = """script: desk
entities:
  day: {type: weekday}
  size:
    type: choice
    values:
      big: {say: big, phrases: [big, large]}
intents:
  hello:
    weak: true
    phrases: [hello]
    say: Hello.
    asks: how
  well:
    after: how
    phrases: [well]
    say: Good.
forms:
  booking:
    phrases: [book]
    slots: {day: day, size: size}
    steps:
      - slot: size
        optional: true
      - slot: day
        ask: Which day?
      - call: check
        with: {day: "{day}", size: "{size}"}
        results:
          - when: {free: true}
            go_on: true
          - say: Not on {day}.
            clear: [day]
        failed: It failed.
      - say: Done on {day}, {size or any size}.
fallback: What?
"""


def test_a_good_script_loads() -> None:
    loaded = load_script(GOOD, "desk.yaml")
    assert loaded.script.script == "desk"
    assert "large" in loaded.vocabulary
    assert "tuesday" in loaded.vocabulary


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("    say: Hello.\n", "    say: Hello.\n    sya: x\n", 13, "sya: Extra inputs"),
        ("    phrases: [hello]", "    phrases: ['(hello']", 11, "missing"),
        ("    phrases: [hello]", "    phrases: []", 11, "at least 1"),
        ("    say: Hello.", "    say: Hello {name}.", 12, "{name} is not known here"),
        ("    say: Good.", "    say: Good {.", 17, "brace"),
        ("    after: how", "    after: why", 15, "nothing asks 'why'"),
        ("type: weekday", "type: weekend", 3, "entities.day.type"),
        ("big: {say: big, phrases: [big, large]}", "big: {say: big}", 7, "phrases: Field required"),
        ("slots: {day: day, size: size}", "slots: {day: date, size: size}", 21, "no entity 'date'"),
        ("slots: {day: day, size: size}", "slots: {day: day, size: size, x: day}", 21, "no step for x"),
        ("      - slot: size\n        optional: true\n", "      - slot: size\n", 23, "ask for a slot"),
        ("        ask: Which day?", "        ask: Which day, {size}?", 26, "{size} may be unknown here"),
        ("            clear: [day]", "            clear: [date]", 33, "no slot 'date'"),
        ("            clear: [day]\n", "", 32, "goes on, clears slots or makes an offer"),
        ("      - say: Done on {day}, {size or any size}.\n", "", 27, "a form ends with one `say`"),
        ("      - slot: day", "      - slit: day", 25, "a step starts with slot, confirm, call or say"),
        ("fallback: What?\n", "", 1, "fallback: Field required"),
        ("fallback: What?", "fallback: What?\nfallback: Why?", 37, "'fallback' is there twice"),
        ("script: desk", "script: [desk", 2, "no valid YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidInput) as refused:
        load_script(GOOD.replace(old, new, 1), "desk.yaml")
    assert f"desk.yaml:{line}: " in str(refused.value)
    assert says in str(refused.value)


def test_what_yaml_would_turn_into_something_else_stays_as_written() -> None:
    document = parse_yaml(
        'yes: no\ntime: 18:00\non: off\nflag: true\ncount: 3\nname: "12"\nnothing: null\nprice: 1.5\n'
    )
    assert document.data == {
        "yes": "no",
        "time": "18:00",
        "on": "off",
        "flag": True,
        "count": 3,
        "name": "12",
        "nothing": None,
        "price": 1.5,
    }


def test_a_folder_is_loaded_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="PARLEY_LLM_RULES_DIR"):
        load_scripts(tmp_path)
    (tmp_path / "desk.yaml").write_text(GOOD)
    assert list(load_scripts(tmp_path)) == ["desk"]
    (tmp_path / "other.yaml").write_text(GOOD)
    with pytest.raises(InvalidInput, match="name it as its file"):
        load_scripts(tmp_path)


def test_the_scripts_of_the_project_load() -> None:
    assert {"appointments", "requests"} <= set(load_scripts(ROOT / "agents" / "rules"))


def test_the_script_in_the_documentation_loads() -> None:
    text = (ROOT / "docs" / "rules-engine.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]
    assert load_script(example, "rules-engine.md").script.forms["booking"].slots["name"] == "name"
