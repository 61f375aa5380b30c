"""The state machine learns from pauses and cut-offs, and knows what was asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.common.expected import Expected
from services.turn.endpointing import TurnRules
from services.turn.events import EndOfTurn
from services.turn.tracker import CUT_OFF_MS
from tests.unit.turn.scene import FRAME_MS, Scene

pytestmark = pytest.mark.unit


def last_delay(scene: Scene) -> float:
    return [event.delay_ms for event in scene.events if isinstance(event, EndOfTurn)][-1]


def after_breaks(scene: Scene, *, breaks: int, pause_ms: int) -> float:
    """Return the delay of a turn that follows one in which the caller paused so often, in words that say neither."""
    scene.speak()
    for _ in range(breaks):
        scene.text("monday at ten")
        scene.pause(pause_ms)
        scene.speak()
    for _ in range(2):
        scene.text("monday at ten")
        scene.pause(4000)
        scene.speak()
    return last_delay(scene)


def test_pauses_within_turns_lengthen_the_delay_of_the_next() -> None:
    paused = after_breaks(Scene(judged=0.3), breaks=4, pause_ms=600)
    assert paused > after_breaks(Scene(judged=0.3), breaks=0, pause_ms=600) + 100


def test_a_detector_that_is_told_not_to_learn_does_not() -> None:
    fixed = TurnRules(adapts=False)
    paused = after_breaks(Scene(judged=0.3, rules=fixed), breaks=4, pause_ms=600)
    assert paused == after_breaks(Scene(judged=0.3, rules=fixed), breaks=0, pause_ms=600)


def delay_after_slow_german(pause_ms: int, breaks: int) -> float:
    """Return the delay of an English turn after a German one with so many pauses, where a German delay is 500 ms."""
    rules = TurnRules()
    scene = Scene(judged=0.3, rules=replace(rules, others={"de": replace(rules, language="de", min_delay_ms=500)}))
    for _ in range(breaks):
        scene.speak()
        scene.text("montag um zehn", language="de")
        scene.pause(pause_ms)
    scene.speak()
    scene.text("montag um zehn", language="de")
    scene.pause(4000)
    scene.speak()
    scene.text("monday at ten", language="en")
    scene.pause(4000)
    return last_delay(scene)


def test_a_pause_is_measured_by_the_shortest_delay_of_its_language() -> None:
    assert delay_after_slow_german(448, breaks=4) == delay_after_slow_german(448, breaks=0)
    assert delay_after_slow_german(960, breaks=4) > delay_after_slow_german(448, breaks=0)


def cut_off(scene: Scene, onset_after_ms: int) -> float:
    """Return the delay of a turn whose words say neither, that follows one after so much more silence."""
    for silence_ms in (onset_after_ms, 4000):
        scene.speak()
        scene.text("monday at ten")
        while scene.pause(FRAME_MS)[-1:] != ["EndOfTurn"]:
            pass
        scene.pause(silence_ms)
    return last_delay(scene)


def test_a_caller_who_goes_on_at_once_was_cut_off_and_is_waited_for_longer() -> None:
    assert cut_off(Scene(), 320) > cut_off(Scene(), CUT_OFF_MS + 320)


def after_speaking_over(said: str, late_ms: int = 0) -> float:
    """Return the delay of the turn after one which the agent answered, and over whose answer the caller said this."""
    scene = Scene()
    scene.speak()
    scene.text("monday at ten")
    scene.pause(640)
    scene.agent(True)
    scene.speak(320)
    if late_ms:
        assert "Backchannel" in scene.pause(late_ms)
    scene.text(said)
    scene.pause(4000)
    scene.agent(False)
    scene.pause(1920)
    scene.speak()
    scene.text("monday at ten")
    scene.pause(4000)
    return last_delay(scene)


@pytest.mark.parametrize("late_ms", [0, 640])
def test_a_caller_cut_off_by_the_agents_voice_is_waited_for_longer_too_also_where_words_come_late(late_ms: int) -> None:
    assert after_speaking_over("no wait", late_ms) > after_speaking_over("uh-huh", late_ms)


def test_a_caller_whose_audio_stops_after_each_turn_was_not_cut_off_by_the_answer() -> None:
    scene = Scene(judged=0.3)
    delays = []
    for _ in range(4):
        scene.speak()
        scene.text("monday at ten")
        scene.pause(640)
        while scene.miss(FRAME_MS)[-1:] != ["EndOfTurn"]:
            pass
        delays.append(last_delay(scene))
        scene.agent(True)
        scene.agent(False)
    assert delays == sorted(delays, reverse=True)
    assert delays[-1] < delays[0]


def delay_after_answers(*, runs_ms: int, stopped_ms: int) -> float:
    """Return the delay of the last of some answers, each begun so much audio, and time without any, after the agent."""
    scene = Scene(judged=0.3)
    for _ in range(4):
        scene.agent(True)
        scene.agent(False)
        scene.pause(runs_ms)
        scene.stop_audio(stopped_ms)
        scene.speak()
        scene.text("monday at ten")
        scene.pause(4000)
    return last_delay(scene)


def test_who_answers_at_once_is_waited_for_less() -> None:
    slow = delay_after_answers(runs_ms=1920, stopped_ms=0)
    assert delay_after_answers(runs_ms=192, stopped_ms=0) < slow
    assert delay_after_answers(runs_ms=0, stopped_ms=200) < slow


def test_how_soon_an_answer_begins_is_measured_in_real_time_where_the_audio_had_stopped() -> None:
    assert delay_after_answers(runs_ms=0, stopped_ms=3000) == delay_after_answers(runs_ms=1920, stopped_ms=0)


def test_an_answer_to_a_request_for_a_number_is_not_over_after_three_digits() -> None:
    scene = Scene()
    scene.agent(True)
    scene.agent(False, Expected.PHONE_NUMBER)
    scene.speak()
    scene.text("five five five", is_final=True)
    assert "EndOfTurn" not in scene.pause(1200)
    scene.speak()
    scene.text("five five five one two three four five six seven", is_final=True)
    assert "EndOfTurn" in scene.pause(320)


def test_what_is_expected_holds_until_the_agent_says_otherwise() -> None:
    scene = Scene()
    scene.agent(False, Expected.PHONE_NUMBER)
    scene.speak()
    scene.text("five five five", is_final=True)
    assert "EndOfTurn" not in scene.pause(1200)
    assert "EndOfTurn" in scene.agent(False, Expected.NUMBER)


def test_a_text_that_keeps_changing_in_the_pause_holds_the_turn() -> None:
    scene = Scene()
    scene.speak()
    for text in ("yes", "yes please", "yes please thanks"):
        scene.text(text)
        assert "EndOfTurn" not in scene.pause(96)
    assert scene.text("yes please thanks", is_final=True) == ["EndOfTurn"]


def test_a_text_changes_in_any_script() -> None:
    scene = Scene()
    scene.speak()
    for text in ("да", "да завтра", "да завтра в", "да завтра в шесть"):
        scene.text(text, language="ru")
        assert "EndOfTurn" not in scene.pause(96)
    assert "EndOfTurn" in scene.pause(96)
