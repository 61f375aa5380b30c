"""Which of its agent's languages a call is in, and what the agent is in each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.common.errors import InvalidInput
from services.orchestrator.agent import Agent
from services.orchestrator.agents import load_agent
from services.orchestrator.default_sentences import DEFAULT_SENTENCES
from services.orchestrator.events import Phrase
from services.orchestrator.languages import CallLanguages

pytestmark = pytest.mark.unit

SPANISH = {"tag": "es-ES", "greeting": "Hola.", "llm": {"model": "citas"}, "voice": {"name": "es"}}


def agent(*languages: dict[str, Any], **fields: Any) -> Agent:
    first = {"name": "desk", "prompt": "Be brief.", "greeting": "Hello.", "voice": {"name": "en-gb", "speed": 1.2}}
    return Agent.model_validate({**first, "languages": languages, **fields})


def fault(tmp_path: Path, text: str) -> str:
    file = tmp_path / "desk.yaml"
    file.write_text(f"name: desk\nprompt: p\n{text}")
    with pytest.raises(InvalidInput) as caught:
        load_agent(file, {})
    return str(caught.value).removeprefix(f"{file}:")


# --- an agent in each of its languages --------------------------------------------------------------------------------


def test_an_agent_of_one_language_is_itself() -> None:
    one = agent()
    assert one.language_tags == ("en-US",)
    assert one.in_language("en-US") == one


def test_what_is_said_and_who_says_it_are_the_languages_own() -> None:
    both = agent(SPANISH, llm={"model": "appointments", "temperature": 0.3}, turn={"min_endpointing_delay_ms": 250})
    spanish = both.in_language("es-ES")
    assert (spanish.language_tag, spanish.greeting, spanish.languages) == ("es-ES", "Hola.", ())
    assert (spanish.voice.name, spanish.voice.speed) == ("es", 1.0)  # another voice has its own speed
    assert (spanish.llm.model, spanish.llm.temperature) == ("citas", 0.3)
    assert (spanish.prompt, spanish.turn.min_endpointing_delay_ms) == ("Be brief.", 250)
    assert spanish.phrase(Phrase.GOODBYE) == "Adiós."
    assert both.in_language("en-US").phrase(Phrase.GOODBYE) == "Goodbye."
    assert both.in_language("en-US").voice == both.voice


def test_a_first_languages_words_are_never_said_in_another() -> None:
    bare = agent({"tag": "fr-FR"}).in_language("fr-FR")
    assert bare.greeting == ""
    assert bare.voice.name == ""
    assert bare.phrase(Phrase.APOLOGY) == DEFAULT_SENTENCES["fr"]["apology"]


def test_a_language_may_word_some_sentences_itself() -> None:
    spanish = agent({"tag": "es-MX", "phrases": {"goodbye": "Hasta luego."}}).in_language("es-MX")
    assert spanish.phrase(Phrase.GOODBYE) == "Hasta luego."
    assert spanish.phrase(Phrase.IDLE_PROMPT) == "¿Sigue ahí?"


def tool(name: str, fillers: list[str] | None = None) -> dict[str, Any]:
    hook = {"url": "http://127.0.0.1:1"}
    return {"name": name, "description": "d", "parameters": {"type": "object"}, "webhook": hook, "fillers": fillers}


def test_what_is_said_while_a_tool_runs_is_the_languages_own() -> None:
    tools = [tool("find", ["Let me look."]), tool("book", ["Let me write."]), tool("note", []), tool("ask")]
    spanish = SPANISH | {"tools": [{"name": "find", "fillers": ["Voy a ver."]}, {"name": "ask", "fillers": []}]}
    both = agent(spanish, tools=tools)
    names = ("find", "book", "note", "ask")
    assert [both.in_language("en-US").tool_fillers(name) for name in names] == [
        ("Let me look.",),
        ("Let me write.",),
        (),
        None,
    ]
    there = both.in_language("es-ES")
    assert [there.tool_fillers(name) for name in names] == [("Voy a ver.",), None, (), ()]
    assert there.waiting_words[0] == "Un momento, por favor."
    assert "Voy a ver." in there.sentences
    assert not there.sentences & {"Let me look.", "Let me write."}


def test_the_first_language_has_its_own_sentences_too() -> None:
    assert agent(language="de-AT").phrase(Phrase.IDLE_PROMPT) == "Sind Sie noch da?"
    assert agent(language="auto").phrase(Phrase.GOODBYE) == "Goodbye."


def test_what_is_simple_is_told_by_examples_of_the_language() -> None:
    english = {"model": "large", "fast_model": "small", "route": {"examples": ["when do you open"]}}
    french = {"tag": "fr-FR", "llm": {"fast_model": "petit", "route": {"keywords": ["horaires"]}}}
    both = agent(SPANISH, french, llm=english)
    assert both.in_language("en-US").llm.fast_model == "small"
    assert (both.in_language("es-ES").llm.model, both.in_language("es-ES").llm.fast_model) == ("citas", "")
    petit = both.in_language("fr-FR").llm
    assert (petit.model, petit.fast_model, petit.route.keywords) == ("large", "petit", ("horaires",))
    with pytest.raises(ValueError, match="examples or keywords"):
        agent({"tag": "fr-FR", "llm": {"fast_model": "petit"}})


def test_delays_are_the_languages_or_the_agents() -> None:
    german = {"tag": "de-DE", "turn": {"max_endpointing_delay_ms": 4000}}
    turn = agent(german, turn={"min_endpointing_delay_ms": 300, "speech_threshold": 0.6}).in_language("de-DE").turn
    assert (turn.min_endpointing_delay_ms, turn.max_endpointing_delay_ms, turn.speech_threshold) == (300, 4000, 0.6)


@pytest.mark.parametrize("language", sorted(DEFAULT_SENTENCES))
def test_each_set_of_sentences_is_whole(language: str) -> None:
    assert set(DEFAULT_SENTENCES[language]) == {phrase.value for phrase in Phrase} - {"greeting"}
    assert all(DEFAULT_SENTENCES[language].values())


# --- faults in a file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("languages:\n  - tag: english\n", "4: languages.0.tag: String should match"),
        ("languages:\n  - tag: auto\n", "4: languages.0.tag: String should match"),
        ("languages:\n  - tag: es\n    greeting: Hola.\n    prompt: {}\n", "6: languages.0.prompt: Input should be"),
        ("language: auto\nlanguages:\n  - tag: es\n", "4: languages: Value error, name the first one as language"),
        ("languages:\n  - tag: en-GB\n", "3: languages: Value error, en-US and en-GB are one language when heard"),
        ("languages:\n  - tag: de-DE\n  - tag: de-DE\n", "3: languages: Value error, de-DE and de-DE are one"),
        ("languages:\n  - tag: pl-PL\n", "4: languages.0: Value error, phrases: write all of apology, not_heard,"),
        ("languages:\n  - tag: es\n    greetign: Hola.\n", "5: languages.0.greetign: Extra inputs"),
        (
            "languages:\n  - tag: es\n    tools: [{name: t, fillers: [Voy.]}]\n",
            "3: languages: Value error, tools: es names",
        ),
        ("languages:\n  - tag: es\n    tools: [{name: t}]\n", "5: languages.0.tools.0.fillers: Field required"),
        ("languages:\n  - tag: es\n    turn: {min_endpointing_delay_ms: 3001}\n", "3: languages: Value error, max_end"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path: Path, text: str, told: str) -> None:
    assert fault(tmp_path, text).startswith(told)


# --- a call -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def call() -> CallLanguages:
    return CallLanguages(agent(SPANISH, {"tag": "de-DE"}))


def test_a_turn_is_answered_in_the_language_that_it_was_heard_in(call: CallLanguages) -> None:
    call.forget()
    assert call.hear("es") == "es-ES"
    assert (call.expected.language, call.agent.language) == ("es-ES", "en-US")
    call.settle()
    assert (call.expected.language, call.agent.language) == ("es-ES", "es-ES")
    call.forget()
    assert call.hear("es-ES") == "es-ES"
    call.settle()
    call.forget()
    call.hear("en-US")
    call.settle()
    assert call.agent.language == "en-US"


def test_words_that_come_to_nothing_change_nothing(call: CallLanguages) -> None:
    call.forget()
    call.hear("de")
    call.forget()
    call.settle()
    assert call.agent.language == "en-US"


@pytest.mark.parametrize("tag", ["", "fr", "fr-FR"])
def test_a_language_that_is_not_the_agents_is_not_gone_on_in(call: CallLanguages, tag: str) -> None:
    call.forget()
    call.hear("es")
    assert call.hear(tag) == ""
    assert call.expected.language == "es-ES"


def test_an_agent_of_one_language_stays_in_it() -> None:
    one = CallLanguages(agent())
    assert one.hear("es") == "es"
    one.settle()
    assert one.agent.language == "en-US"


def test_an_agent_that_leaves_it_open_passes_on_what_was_recognised() -> None:
    any_language = CallLanguages(agent(language="auto"))
    assert any_language.hear("es") == "es"
    any_language.settle()
    assert any_language.agent.language_tag == ""


def test_a_caller_may_name_the_language(call: CallLanguages) -> None:
    call.switch("de")
    call.settle()
    assert call.agent.language == "de-DE"
    with pytest.raises(InvalidInput, match="'fr': this agent speaks en-US, es-ES, de-DE"):
        call.switch("fr")
    assert CallLanguages(agent(SPANISH), "es-MX").agent.language == "es-ES"
    with pytest.raises(InvalidInput, match="this agent speaks en-US, es-ES"):
        CallLanguages(agent(SPANISH), "it")
