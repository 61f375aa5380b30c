"""Speech over the agent: when it is an interruption, and that the agent's own echo is none."""

from __future__ import annotations

import pytest

from services.turn.dispute import SpeechOver, Verdict, judge
from services.turn.endpointing import TurnRules
from services.turn.events import Hypothesis
from tests.unit.turn.scene import Scene

pytestmark = pytest.mark.unit

RULES = TurnRules()
ONLY_WORDS = TurnRules(only_words_interrupt=True)


@pytest.mark.parametrize(
    ("text", "spoken_ms", "silence_ms", "rules", "verdict"),
    [
        ("", 0, None, RULES, Verdict.OPEN),
        ("", 799, None, RULES, Verdict.OPEN),
        ("", 800, None, RULES, Verdict.DURATION),
        ("", 800, None, ONLY_WORDS, Verdict.OPEN),
        ("", 9000, 299, ONLY_WORDS, Verdict.OPEN),
        ("", 9000, 300, ONLY_WORDS, Verdict.BACKCHANNEL),
        ("stop", 100, None, RULES, Verdict.WORDS),
        ("stop", 100, None, ONLY_WORDS, Verdict.WORDS),
        ("uh huh", 200, 299, RULES, Verdict.OPEN),
        ("uh huh", 200, 300, RULES, Verdict.BACKCHANNEL),
        ("uh huh no wait", 200, 300, RULES, Verdict.WORDS),
    ],
)
def test_words_or_lasting_speech_interrupt_and_silence_passes(
    text: str, spoken_ms: float, silence_ms: float | None, rules: TurnRules, verdict: Verdict
) -> None:
    hypothesis = Hypothesis(text) if text else None
    assert judge(SpeechOver(hypothesis, spoken_ms, silence_ms), rules) is verdict


@pytest.mark.parametrize(
    ("text", "confidence", "matches_grammar", "spoken_ms", "verdict"),
    [
        # What pocketsphinx makes of "uh huh", "okay", "mhm" and "right".
        ("book the", 0.69, False, 400, Verdict.OPEN),
        ("okay eight", 0.89, True, 450, Verdict.OPEN),
        ("for eight", 0.38, True, 450, Verdict.OPEN),
        ("friday", 0.46, True, 350, Verdict.OPEN),
        # What is meant.
        ("okay friday", 0.89, True, 700, Verdict.WORDS),
        ("friday", 0.7, True, 350, Verdict.WORDS),
        ("at two", 0.5, True, 400, Verdict.WORDS),
        ("i would like", 0.4, False, 600, Verdict.WORDS),
        ("um wait", 0.31, False, 300, Verdict.WORDS),
        ("wait", 0.29, True, 300, Verdict.OPEN),
    ],
)
def test_a_recogniser_with_a_grammar_must_be_surer_the_less_it_heard(
    text: str, confidence: float, matches_grammar: bool, spoken_ms: float, verdict: Verdict
) -> None:
    heard = Hypothesis(text, confidence=confidence, has_grammar=True, matches_grammar=matches_grammar)
    assert judge(SpeechOver(heard, spoken_ms, None), RULES) is verdict


def test_the_agents_own_echo_never_interrupts_however_long_it_lasts() -> None:
    scene = Scene()
    scene.agent(True)
    assert scene.speak(160) == ["SpeechStarted"]
    scene.agent(True, echo=True)
    assert scene.speak(9600) == []
    assert scene.pause(320) == ["SpeechStopped", "Backchannel"]


def test_words_over_the_agent_and_its_echo_interrupt() -> None:
    scene = Scene()
    scene.agent(True, echo=True)
    scene.speak(3200)
    assert scene.text("no wait") == ["Interruption"]


def test_speech_counts_from_where_the_echo_is_withdrawn() -> None:
    scene = Scene()
    scene.agent(True, echo=True)
    scene.speak(3200)
    scene.agent(True)
    assert scene.speak(768) == []
    assert scene.speak(64) == ["Interruption"]


def test_speech_before_the_echo_does_not_count_with_what_follows_it() -> None:
    scene = Scene()
    scene.agent(True)
    scene.speak(640)
    scene.agent(True, echo=True)
    scene.speak(320)
    scene.agent(True)
    assert scene.speak(640) == []


@pytest.mark.parametrize(("late", "told"), [("okay eight", []), ("no wait", ["Interruption"])])
def test_late_words_of_an_echo_pass_once_and_those_of_the_caller_interrupt(late: str, told: list[str]) -> None:
    scene = Scene()
    scene.agent(True)
    scene.speak(160)
    scene.agent(True, echo=True)
    scene.speak(704)
    scene.agent(True)
    assert scene.pause(320) == ["SpeechStopped", "Backchannel"]
    assert scene.text(late, confidence=0.7, has_grammar=True, matches_grammar=True)[:1] == told


def test_late_words_interrupt_though_an_echo_is_heard_by_then() -> None:
    scene = Scene()
    scene.agent(True)
    scene.speak(704)
    assert "Backchannel" in scene.pause(320)
    scene.agent(True, echo=True)
    late = {"confidence": 0.7, "has_grammar": True, "matches_grammar": True}
    assert scene.text("okay eight", **late)[:1] == ["Interruption"]
