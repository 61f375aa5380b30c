"""What the turn detector is told of a hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from voice.asr.v1 import asr_pb2
from voice.turn.v1 import turn_pb2

from services.common.audio import AudioFormat
from services.orchestrator import listening
from services.orchestrator.agent import Agent, Turns
from services.orchestrator.languages import CallLanguages
from services.orchestrator.listening import Listening, ListeningHooks
from services.orchestrator.stages.stream import StreamHooks

pytestmark = pytest.mark.unit

AGENT = Agent(name="desk", prompt="Be brief.", grammar="#JSGF V1.0; grammar t; public <a> = yes;")


class Wire:
    """Stands in for a stage stream: keeps what is sent, and its hooks."""

    def __init__(self, stage: str, hooks: StreamHooks, **limits: int) -> None:
        self.hooks = hooks
        self.sent: list[bytes] = []

    def send(self, raw: bytes) -> None:
        self.sent.append(raw)

    send_audio = send


def listen(
    monkeypatch: pytest.MonkeyPatch,
    agent: Agent,
    on_hypothesis: Callable[[Any], str],
    callers_words: Callable[[str], str] = lambda text: text,
) -> tuple[Listening, Any, Any]:
    """Return the ears of a call, and the wires to recogniser and turn detector."""
    monkeypatch.setattr(listening, "StageStream", Wire)
    settings = SimpleNamespace(stage_ready_ms=1000, stage_grace_ms=1000)
    stages: Any = SimpleNamespace(settings=settings)
    ignore: Any = lambda *told: None  # noqa: E731
    hooks = ListeningHooks(ignore, on_hypothesis, callers_words, ignore, ignore, ignore, ignore)
    ears = Listening(stages, CallLanguages(agent), AudioFormat(16000), "s", hooks)
    return ears, ears.asr, ears.turn


@pytest.mark.parametrize("uses_grammar", [True, False])
def test_a_grammar_counts_only_where_the_recogniser_uses_it(
    monkeypatch: pytest.MonkeyPatch, uses_grammar: bool
) -> None:
    _, recogniser, detector = listen(monkeypatch, AGENT, lambda response: response.hypothesis.text)
    ready = asr_pb2.AsrReady(uses_grammar=uses_grammar)
    recogniser.hooks.on_response(asr_pb2.RecognizeResponse(ready=ready).SerializeToString())
    said = asr_pb2.Hypothesis(text="book an appointment", confidence=0.9)
    recogniser.hooks.on_response(asr_pb2.RecognizeResponse(turn_epoch=1, hypothesis=said).SerializeToString())
    update = turn_pb2.DetectRequest.FromString(detector.sent[-1]).hypothesis
    assert update.text == "book an appointment"
    assert update.has_grammar is uses_grammar


SEVERAL = Agent.model_validate(
    {
        "name": "desk",
        "prompt": "p",
        "asr": {"key_terms": [{"text": "Willow"}]},
        "languages": [
            {"tag": "es-ES", "asr": {"key_terms": [{"text": "Sauce"}]}, "turn": {"min_endpointing_delay_ms": 400}},
            {"tag": "de-DE"},
        ],
    }
)


def test_recogniser_and_turn_detector_are_told_all_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    _, recogniser, detector = listen(monkeypatch, SEVERAL, lambda response: "")
    heard = asr_pb2.RecognizeRequest.FromString(recogniser.hooks.config()).config
    assert (heard.language, list(heard.languages)) == ("en-US", ["en-US", "es-ES", "de-DE"])
    assert [term.text for term in heard.key_terms] == ["Willow", "Sauce"]
    rules = turn_pb2.DetectRequest.FromString(detector.hooks.config()).config
    assert [(one.language, one.min_endpointing_delay_ms) for one in rules.languages] == [("es-ES", 400), ("de-DE", 0)]


def test_an_agent_of_one_language_asks_for_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    _, recogniser, detector = listen(monkeypatch, AGENT, lambda response: "")
    assert not asr_pb2.RecognizeRequest.FromString(recogniser.hooks.config()).config.languages
    assert not turn_pb2.DetectRequest.FromString(detector.hooks.config()).config.languages


@pytest.mark.parametrize(
    ("told_apart", "unheard"), [([], 2), (["en-US", "de-DE"], 1), (["en-US", "es-ES", "de-DE"], 0)]
)
def test_languages_that_the_recogniser_cannot_tell_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, told_apart: list[str], unheard: int
) -> None:
    ears, recogniser, _ = listen(monkeypatch, SEVERAL, lambda response: "")
    ready = asr_pb2.AsrReady(languages=told_apart)
    recogniser.hooks.on_response(asr_pb2.RecognizeResponse(ready=ready).SerializeToString())
    assert ears.heard_languages == tuple(told_apart)
    warned: list[Any] = [record for record in caplog.records if "apart" in record.message]
    assert [len(record.languages) for record in warned] == ([unheard] if unheard else [])


def test_the_turn_detector_reads_a_text_in_its_language(monkeypatch: pytest.MonkeyPatch) -> None:
    def heard(response: asr_pb2.RecognizeResponse) -> str:
        response.hypothesis.language = "es-ES"  # as the session finds it to be
        return response.hypothesis.text

    _, recogniser, detector = listen(monkeypatch, SEVERAL, heard)
    said = asr_pb2.Hypothesis(text="quisiera", language="es")
    recogniser.hooks.on_response(asr_pb2.RecognizeResponse(turn_epoch=1, hypothesis=said).SerializeToString())
    assert turn_pb2.DetectRequest.FromString(detector.sent[-1]).hypothesis.language == "es-ES"


@pytest.mark.parametrize(("own", "stable"), [("tuesday at ten wait", "tuesday at ten"), ("wait", "")])
def test_what_is_left_without_the_agents_own_words_has_no_part_that_is_known_to_stay(
    monkeypatch: pytest.MonkeyPatch, own: str, stable: str
) -> None:
    told: list[tuple[str, str]] = []

    def heard(response: asr_pb2.RecognizeResponse) -> str:
        told.append((response.hypothesis.text, response.hypothesis.stable_prefix))
        return response.hypothesis.text

    _, recogniser, _ = listen(monkeypatch, AGENT, heard, callers_words=lambda text: own)
    said = asr_pb2.Hypothesis(text="tuesday at ten wait", stable_prefix="tuesday at ten")
    recogniser.hooks.on_response(asr_pb2.RecognizeResponse(turn_epoch=1, hypothesis=said).SerializeToString())
    assert told == [(own, stable)]


def test_the_turn_detector_is_told_what_the_agent_asked_for_once_it_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    ears, _, detector = listen(monkeypatch, AGENT, lambda response: "")
    ears.agent_speaks(True, 1, "")
    ears.agent_speaks(False, 1, "Thank you. What is your phone number?")
    states = [turn_pb2.DetectRequest.FromString(raw).agent_state for raw in detector.sent]
    assert [(state.speaking, state.expects) for state in states] == [
        (True, turn_pb2.EXPECTED_ANSWER_UNSPECIFIED),
        (False, turn_pb2.EXPECTED_ANSWER_PHONE_NUMBER),
    ]
    again = turn_pb2.DetectRequest.FromString(next(iter(detector.hooks.replay()))).agent_state
    assert again.expects == turn_pb2.EXPECTED_ANSWER_PHONE_NUMBER


def test_a_new_turn_detector_stream_is_told_the_words_of_the_open_utterance(monkeypatch: pytest.MonkeyPatch) -> None:
    ears, recogniser, detector = listen(monkeypatch, AGENT, lambda response: response.hypothesis.text)

    def words_told_anew() -> list[str]:
        told = [turn_pb2.DetectRequest.FromString(raw) for raw in detector.hooks.replay()]
        return [one.hypothesis.text for one in told if one.HasField("hypothesis")]

    def heard(text: str, epoch: int) -> None:
        said = asr_pb2.Hypothesis(text=text)
        recogniser.hooks.on_response(asr_pb2.RecognizeResponse(turn_epoch=epoch, hypothesis=said).SerializeToString())

    ears.hearing.open_utterance(1, 0)
    assert words_told_anew() == []
    heard("book an", 1)
    heard("book an appointment", 1)
    assert words_told_anew() == words_told_anew() == ["book an appointment"]
    ears.hearing.close_utterance()
    assert words_told_anew() == []
    ears.hearing.open_utterance(2, 0)
    assert words_told_anew() == []
    heard("on tuesday", 2)
    resumed = turn_pb2.DetectResponse(turn_resumed=turn_pb2.TurnResumed())
    detector.hooks.on_response(resumed.SerializeToString())
    assert words_told_anew() == []  # they say nothing of what is being added


@pytest.mark.parametrize("adapts", [True, False])
def test_the_turn_detector_learns_unless_the_agent_says_no(monkeypatch: pytest.MonkeyPatch, adapts: bool) -> None:
    agent = AGENT.model_copy(update={"turn": Turns(adapts=adapts)})
    _, _, detector = listen(monkeypatch, agent, lambda response: "")
    assert turn_pb2.DetectRequest.FromString(detector.hooks.config()).config.fixed_endpointing is not adapts


def test_a_new_recogniser_stream_expects_the_language_of_the_call_where_it_is_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ears, recogniser, _ = listen(monkeypatch, SEVERAL, lambda response: "")

    def expected() -> str:
        return asr_pb2.RecognizeRequest.FromString(recogniser.hooks.config()).config.language

    for tag in ("es-ES", "de-DE"):
        ears._languages.switch(tag)
        ears._languages.settle()
        assert expected() == "en-US"
        ears.heard_languages = ("en-US", "es-ES")
        assert expected() == ("es-ES" if tag == "es-ES" else "en-US")
        ears.heard_languages = ()
