"""Agent files: what they may hold, and errors that say where the fault is."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.common.errors import InvalidInput, NotFound
from services.orchestrator.agent import Agent
from services.orchestrator.agents import AgentBook, load_agent
from services.orchestrator.events import Phrase

pytestmark = pytest.mark.unit

MINIMAL = "name: desk\nprompt: Be brief.\n"
TOOL = """\
tools:
  - name: book
    description: Books.
    parameters:
      type: object
      properties: {}
    webhook:
      url: http://127.0.0.1/book
"""


def write(directory: Path, text: str | bytes, name: str = "desk.yaml") -> Path:
    file = directory / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_the_least_an_agent_needs(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, MINIMAL))
    assert (agent.name, agent.prompt, agent.language, agent.greeting) == ("desk", "Be brief.", "en-US", "")
    assert all(agent.phrase(phrase) for phrase in Phrase if phrase is not Phrase.GREETING)


def test_everything_an_agent_may_have(tmp_path: Path) -> None:
    write(tmp_path, "#JSGF V1.0;", "desk.jsgf")
    more = """\
greeting: Hello.
language: de-DE
voice: {name: en-gb, speed: 1.2, pronunciations: [{word: Saoirse, respelling: sirsha}, {word: GIF, ipa: dʒif}]}
asr: {grammar_file: desk.jsgf, key_terms: [{text: Willow, boost: 0.8}], partial_interval_ms: 200}
llm: {model: rules, temperature: 0, top_p: 0.9, max_tokens: 100}
turn: {min_endpointing_delay_ms: 150, max_endpointing_delay_ms: 2000}
phrases: {goodbye: Bye.}
"""
    agent = load_agent(write(tmp_path, MINIMAL + more + TOOL))
    assert agent.grammar == "#JSGF V1.0;"
    assert agent.voice.pronunciations[1].ipa == "dʒif"
    assert (agent.phrase(Phrase.GOODBYE), agent.phrase(Phrase.GREETING)) == ("Bye.", "Hello.")
    assert agent.tools[0].webhook.timeout_ms == 5000


def test_the_agents_that_come_with_parley_are_sound() -> None:
    book = AgentBook.load(Path(__file__).parents[3] / "agents", {})
    assert {"appointments", "requests"} <= {agent.name for agent in book.all()}
    assert book.get("appointments").grammar


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("name: desk\nprompt: [unclosed\n", 3, "no valid YAML"),
        ("name: desk\n\tprompt: a tab\n", 2, "no valid YAML"),
        ("- a\n- list\n", 1, "is a mapping"),
        ("", 1, "is a mapping"),
        ("name: desk\n", 1, "prompt: Field required"),
        ("prompt: p\nname: Not A Name\n", 2, "name: String should match"),
        (MINIMAL + "greetign: Hello\n", 3, "greetign: Extra inputs"),
        (MINIMAL + "voice:\n  name: a\n  speed: 9\n", 5, "voice.speed: Input should be less"),
        (MINIMAL + "voice: {pronunciations: [{word: a, ipa: b},\n {word: c}]}\n", 4, "respelling or ipa"),
        (MINIMAL + "language: klingon language\n", 3, "language: String should match"),
        (MINIMAL + "asr:\n  key_terms:\n    - text: a\n      boost: 7\n", 6, "asr.key_terms.0.boost"),
        (MINIMAL + "turn:\n  min_endpointing_delay_ms: -1\n", 4, "turn.min_endpointing_delay_ms"),
        (MINIMAL + "turn:\n  min_endpointing_delay_ms: 900\n  max_endpointing_delay_ms: 800\n", 3, "at least min_"),
        (MINIMAL + "llm:\n  temperature: hot\n", 4, "llm.temperature"),
        (MINIMAL + "phrases:\n  goodbye: Bye.\n  apology: ''\n", 5, "phrases.apology"),
        (MINIMAL + TOOL.replace("name: book", "name: book a table"), 4, "tools.0.name"),
        (MINIMAL + TOOL.replace("type: object", "type: array"), 6, "tools.0.parameters: Value error, parameters must"),
        (MINIMAL + TOOL.replace("properties: {}", "properties: 7"), 6, "no valid JSON schema"),
        (MINIMAL + TOOL.replace("properties: {}", "default: 2026-01-01"), 6, "no valid JSON"),
        (MINIMAL + TOOL.replace("http://127.0.0.1/book", "ftp://host/book"), 10, "tools.0.webhook.url"),
        (MINIMAL + TOOL.replace("http://127.0.0.1/book", "${NOT_SET}/book"), 10, "tools.0.webhook.url"),
        (MINIMAL + TOOL + TOOL.partition("\n")[2], 3, "tool names must be unique: book"),
        (MINIMAL + "asr: {key_terms: [],\n  grammar_file: missing.jsgf}\n", 4, "cannot read"),
        (MINIMAL + "7: seven\n", 3, "7"),
        (MINIMAL + "name: other\n", 3, "name: it is there twice"),
        (MINIMAL + "turn: {adapts: true}\nvoice: {speed: 1,\n  speed: 2}\n", 5, "speed: it is there twice"),
        (MINIMAL + "turn: &itself {adapts: *itself}\n", 1, "within itself"),
        (MINIMAL + TOOL + TOOL, 11, "tools: it is there twice"),
    ],
)
def test_a_fault_is_told_with_file_and_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(InvalidInput) as told:
        load_agent(file, {})
    assert str(told.value).startswith(f"{file}:{line}: ")
    assert said in str(told.value)


@pytest.mark.parametrize(("name", "text"), [("desk.yaml", b"name: desk\nprompt: caf\xe9\n"), ("desk.jsgf", b"caf\xe9")])
def test_a_file_that_is_no_utf8_is_told(tmp_path: Path, name: str, text: bytes) -> None:
    write(tmp_path, MINIMAL + "asr: {grammar_file: desk.jsgf}\n")
    write(tmp_path, text, name)
    with pytest.raises(InvalidInput, match=r"desk\.yaml.*UTF-8"):
        load_agent(tmp_path / "desk.yaml")


def test_a_grammar_that_is_a_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "grammars").mkdir()
    with pytest.raises(InvalidInput, match=r"desk\.yaml:3: asr\.grammar_file: cannot read"):
        load_agent(write(tmp_path, MINIMAL + "asr: {grammar_file: grammars}\n"))


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://127.0.0.1:1/x"),
        ({"TOOLS": ""}, "http://127.0.0.1:1/x"),
        ({"TOOLS": "https://tools.example"}, "https://tools.example/x"),
    ],
)
def test_variables_come_from_the_environment_or_their_default(
    tmp_path: Path, environment: dict[str, str], url: str
) -> None:
    text = MINIMAL + TOOL.replace("http://127.0.0.1/book", '"${TOOLS:-http://127.0.0.1:1}/x"')
    assert str(load_agent(write(tmp_path, text), environment).tools[0].webhook.url) == url


def test_variables_are_put_in_anywhere_in_texts(tmp_path: Path) -> None:
    text = MINIMAL.replace("Be brief.", "You work for ${FIRM:-us} in ${TOWN}.") + TOOL
    text = text.replace("webhook:", 'webhook:\n      headers: {Authorization: "Bearer ${KEY}"}')
    agent = load_agent(write(tmp_path, text), {"TOWN": "Cork", "KEY": "k"})
    assert agent.prompt == "You work for us in Cork."
    assert agent.tools[0].webhook.headers == {"Authorization": "Bearer k"}


def test_schemas_can_be_told_to_the_model(tmp_path: Path) -> None:
    schema = load_agent(write(tmp_path, MINIMAL + TOOL)).tools[0].parameters
    assert json.loads(json.dumps(schema)) == schema


def test_a_book_of_agents(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path, MINIMAL.replace("desk", name), f"{name}.yaml")
    write(tmp_path, "not an agent", "readme.txt")
    book = AgentBook.load(tmp_path, {})
    assert [agent.name for agent in book.all()] == ["a", "b"]
    assert book.get("b").name == "b"
    with pytest.raises(NotFound, match="no agent named 'c'; there are: a, b"):
        book.get("c")


def test_two_agents_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL, "a.yaml")
    second = write(tmp_path, MINIMAL, "b.yaml")
    with pytest.raises(InvalidInput, match="another agent named 'desk'") as told:
        AgentBook.load(tmp_path, {})
    assert str(second) in str(told.value)


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_directory_without_agents_is_told_with_the_setting(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="PARLEY_ORCHESTRATOR_AGENTS_DIR"):
        AgentBook.load(tmp_path / name)


HOOK = {"url": "http://127.0.0.1:1/x"}


def with_tools(*tools: dict[str, Any], **fields: Any) -> Agent:
    whole = [{"name": "t", "description": "d", "parameters": {"type": "object"}, "webhook": HOOK} | t for t in tools]
    return Agent.model_validate({"name": "desk", "prompt": "p", "tools": whole} | fields)


def test_a_tool_may_be_tried_again_only_where_that_is_said_of_it() -> None:
    assert with_tools({}).tools[0].attempts == 1
    assert with_tools({"idempotent": True}).tools[0].attempts == 3
    assert with_tools({"read_only": True, "retries": 0}).tools[0].attempts == 1


def test_only_a_tool_that_reports_later_may_take_minutes() -> None:
    slow = {"webhook": HOOK | {"timeout_ms": 300_000}}
    assert with_tools(slow | {"reports_later": True}).tools[0].webhook.timeout_ms == 300_000
    with pytest.raises(ValidationError, match="over 30000 is for a tool with reports_later"):
        with_tools(slow)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"after": "start", "tool": "t"}, "'t' is not read_only"),
        ({"after": "start", "tool": "x"}, "no tool 'x'"),
        ({"after": "lunch", "tool": "r"}, "'lunch' is neither start, turn nor a tool"),
        ({"after": "turn", "tool": "r", "arguments": {"a": "$result.b"}}, "name it in after"),
        ({"after": "turn", "tool": "r", "arguments": {"a": date(2026, 1, 1)}}, "arguments are no valid JSON"),
    ],
)
def test_a_look_up_ahead_that_cannot_be_is_refused(rule: dict[str, Any], says: str) -> None:
    tools: tuple[dict[str, Any], ...] = ({}, {"name": "r", "read_only": True})
    with pytest.raises(ValidationError, match=says):
        with_tools(*tools, prefetch=[rule])
    with_tools(*tools, prefetch=[{"after": "t", "tool": "r", "arguments": {"a": "$result.b"}}])


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ({}, "give command"),
        ({"command": "c", "url": "http://127.0.0.1:1"}, "give command"),
        ({"url": "http://127.0.0.1:1", "args": ["a"]}, "args and env are for a command"),
        ({"command": "c", "headers": {"a": "b"}}, "headers are for a url"),
    ],
)
def test_a_tool_server_is_a_command_or_an_address(server: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        with_tools(mcp=[{"name": "s"} | server])


def test_tool_servers_have_names_of_their_own() -> None:
    with pytest.raises(ValidationError, match="server names must be unique: s"):
        with_tools(mcp=[{"name": "s", "command": "a"}, {"name": "s", "command": "b"}])


def test_what_is_said_while_a_tool_runs_is_in_the_agents_language_or_as_written() -> None:
    assert with_tools(language="de-AT").waiting_words[0] == "Einen Moment, bitte."
    assert with_tools(language="auto").waiting_words == ()
    assert with_tools(fillers=["Hm."]).waiting_words == ("Hm.",)
    assert "Let me see." in with_tools({"fillers": ["Let me see."]}).sentences
