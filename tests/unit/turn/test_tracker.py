"""The state machine: scenarios of frames, text, agent states and answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.turn.dispute import LATE_WORDS_MS
from services.turn.endpointing import TurnRules
from services.turn.engine import Frame
from services.turn.events import EndReason, Interruption, InterruptionReason
from tests.unit.turn.scene import FRAME_MS, Scene

pytestmark = pytest.mark.unit


def test_a_whole_turn_ends_after_the_shortest_delay() -> None:
    scene = Scene()
    assert scene.speak() == ["SpeechStarted"]
    scene.text("yes please")
    assert scene.pause(96) == ["SpeechStopped", "EagerEndOfTurn"]
    assert scene.pause(128) == ["EndOfTurn"]
    end = scene.end()
    assert (end.speech_end_ms, end.speech_ms, end.reason) == (640, 640, EndReason.COMPLETE)
    assert 200 <= end.delay_ms < 200 + FRAME_MS
    assert scene.pause(5000) == []


def test_a_turn_ends_the_shortest_delay_after_its_last_sound_though_the_probability_trails_it() -> None:
    scene = Scene()
    scene.frames(0.97, 640, (-12.0,) * 4)
    scene.text("yes please")
    assert scene.frames(0.9, 96, (-60.0,) * 4) == []
    assert scene.frames(0.0, 32, (-60.0,) * 4) == ["SpeechStopped", "EagerEndOfTurn"]
    assert scene.frames(0.0, 64, (-60.0,) * 4) == []
    assert scene.frames(0.0, 32, (-60.0,) * 4) == ["EndOfTurn"]
    end = scene.end()
    assert (end.speech_end_ms, end.speech_ms, end.delay_ms) == (640, 640, 224)


def test_what_arrived_but_is_not_yet_examined_counts_as_silence() -> None:
    scene = Scene()
    scene.speak()
    scene.text("yes please")
    scene.pause(192)
    assert [type(event).__name__ for event in scene.tracker.hear([], scene.at_ms + 9)] == ["EndOfTurn"]


def test_an_unfinished_text_holds_the_turn_and_new_text_ends_it_at_once() -> None:
    scene = Scene()
    scene.speak()
    scene.text("my name is")
    assert scene.pause(320) == ["SpeechStopped"]
    assert scene.text("my name is maria thanks", is_final=True) == ["EagerEndOfTurn", "EndOfTurn"]


def test_speech_after_eager_resumes_the_turn_whose_pauses_do_not_count_as_speech() -> None:
    scene = Scene()
    scene.speak(640)
    scene.text("i would like a table for", is_final=True)
    assert "EagerEndOfTurn" not in scene.pause(160)
    scene.text("i would like a table please")
    assert scene.speak(320) == ["SpeechStarted", "TurnResumed"]
    scene.text("i would like a table please thanks")
    assert scene.pause(320)[-1] == "EndOfTurn"
    assert scene.end().speech_ms == 960


def test_text_before_a_resumption_does_not_decide_the_next_pause() -> None:
    scene = Scene()
    scene.speak()
    scene.text("yes please")
    scene.pause(128)
    scene.speak()
    assert "EndOfTurn" not in scene.pause(288)
    assert scene.pause(64) == ["EndOfTurn"]


def test_an_answer_to_an_earlier_pause_is_ignored() -> None:
    scene = Scene(judged=None)
    scene.speak()
    scene.tracker.hear(
        [Frame(scene.at_ms + i * 32, scene.at_ms + i * 32 + 32, 0.0) for i in range(3)], scene.at_ms + 96
    )
    question = scene.tracker.take_question()
    assert question is not None
    assert question.onset_ms == 0
    scene.at_ms += 96
    scene.speak()
    assert scene.tracker.answer(question.ticket, 0.99) == []


def test_an_audio_model_that_does_not_answer_holds_a_turn_only_briefly() -> None:
    scene = Scene(judged=None)
    scene.speak()
    scene.text("yes please")
    assert scene.pause(384)[-1] == "EndOfTurn"


def test_without_an_audio_model_nothing_is_asked() -> None:
    scene = Scene(uses_audio_model=False)
    scene.speak()
    scene.text("yes please")
    assert scene.pause(320) == ["SpeechStopped", "EagerEndOfTurn", "EndOfTurn"]


def test_a_possible_onset_at_the_deadline_is_awaited() -> None:
    scene = Scene()
    scene.speak()
    scene.text("yes please")
    scene.pause(192)
    assert scene.frames(0.6, 32) == []
    assert scene.frames(0.6, 32) == ["SpeechStarted", "TurnResumed"]


def test_speech_while_the_agent_thinks_is_a_new_turn() -> None:
    scene = Scene()
    scene.speak()
    scene.text("yes please")
    scene.pause(320)
    assert scene.speak() == ["SpeechStarted"]


def test_audio_that_stops_coming_ends_the_turn() -> None:
    scene = Scene()
    scene.speak()
    scene.text("yes please")
    assert scene.miss(60) == []
    assert scene.miss(60) == ["SpeechStopped", "EagerEndOfTurn"]
    assert scene.miss(120) == ["EndOfTurn"]
    assert scene.miss(1000) == []


def test_missed_audio_is_forgotten_once_speech_goes_on() -> None:
    scene = Scene()
    scene.speak()
    scene.miss(90)
    scene.speak()
    assert scene.pause(64) == []


def test_words_over_the_agent_interrupt_once_and_the_turn_ends_as_usual() -> None:
    scene = Scene()
    scene.agent(True)
    assert scene.speak(320) == ["SpeechStarted"]
    assert scene.text("sorry stop") == ["Interruption"]
    assert scene.text("sorry stop that") == []
    scene.agent(False)
    assert scene.speak(1600) == []
    scene.text("sorry stop that please")
    assert scene.pause(320) == ["SpeechStopped", "EagerEndOfTurn", "EndOfTurn"]
    interruptions = [event for event in scene.events if isinstance(event, Interruption)]
    assert [(event.reason, event.onset_ms) for event in interruptions] == [(InterruptionReason.WORDS, 0)]


def test_lasting_speech_over_the_agent_interrupts_whatever_is_said() -> None:
    scene = Scene()
    scene.agent(True)
    scene.speak(640)
    scene.text("okay okay")
    assert scene.speak(160) == ["Interruption"]


@pytest.mark.parametrize("text", [None, "uh-huh", "yeah okay"])
def test_a_short_sound_over_the_agent_is_a_backchannel_and_no_turn(text: str | None) -> None:
    scene = Scene()
    scene.agent(True)
    scene.speak(320)
    if text:
        assert scene.text(text) == []
    assert scene.pause(320) == ["SpeechStopped", "Backchannel"]
    assert scene.pause(5000) == []


def test_words_of_low_confidence_over_the_agent_are_noise() -> None:
    scene = Scene()
    scene.agent(True)
    scene.speak(320)
    assert scene.text("cancel it", confidence=0.1) == []


def test_words_that_arrive_just_after_a_backchannel_still_interrupt() -> None:
    scene = Scene()
    scene.agent(True)
    scene.speak(320)
    scene.pause(320)
    assert scene.text("stop") == ["Interruption", "EagerEndOfTurn", "EndOfTurn"]


def test_words_that_arrive_long_after_a_backchannel_do_not() -> None:
    scene = Scene()
    scene.agent(True)
    scene.speak(320)
    scene.pause(LATE_WORDS_MS + 320)
    assert scene.text("stop") == []


def test_an_agent_that_ends_while_it_is_undecided_leaves_an_ordinary_turn() -> None:
    scene = Scene()
    scene.agent(True)
    scene.speak(320)
    scene.pause(160)
    scene.text("yes")
    assert scene.agent(False) == ["EagerEndOfTurn"]
    assert scene.pause(64) == ["EndOfTurn"]


def test_an_agent_that_starts_during_a_turn_disputes_it() -> None:
    scene = Scene()
    scene.speak(320)
    scene.agent(True)
    assert scene.pause(320) == ["SpeechStopped", "Backchannel"]


def test_finish_ends_an_open_turn() -> None:
    scene = Scene()
    scene.speak(320)
    assert scene.finish() == ["SpeechStopped", "EndOfTurn"]
    assert scene.finish() == []


def test_finish_during_silence_says_nothing() -> None:
    scene = Scene()
    scene.pause(3200)
    assert scene.finish() == []


def test_text_and_agent_states_without_speech_say_nothing() -> None:
    scene = Scene()
    assert scene.text("hello there") == []
    assert scene.agent(True) == []
    assert scene.text("stop") == []
    assert scene.agent(False) == []


STEPS = st.one_of(
    st.tuples(st.just("frames"), st.floats(0, 1), st.integers(32, 900)),
    st.tuples(st.just("text"), st.sampled_from(["", "uh-huh", "my name is", "stop", "yes", "book it for monday"])),
    st.tuples(st.just("agent"), st.booleans()),
    st.tuples(st.just("miss"), st.floats(0, 500)),
)


@given(steps=st.lists(STEPS, max_size=40), judged=st.none() | st.floats(0, 1))
def test_every_turn_that_opens_is_closed_and_events_keep_their_order(
    steps: list[tuple[str, object]], judged: float | None
) -> None:
    scene = Scene(judged)
    for kind, *arguments in steps:
        getattr(scene, kind)(*arguments)
    scene.agent(False)
    scene.pause(4000)
    assert not scene.tracker.is_open
    speaking = eager = False
    last_ms = 0.0
    for event in scene.events:
        assert event.at_ms >= last_ms
        last_ms = event.at_ms
        match type(event).__name__:
            case "SpeechStarted":
                assert not speaking
                speaking = True
            case "SpeechStopped":
                assert speaking
                speaking = False
            case "EagerEndOfTurn":
                assert not eager
                assert not speaking
                eager = True
            case "TurnResumed":
                assert eager
                eager = False
            case "EndOfTurn":
                assert not speaking
                eager = False
            case "Backchannel":  # the agent began in a pause of the turn, which then passes for one
                eager = False
    assert not speaking


# --- languages --------------------------------------------------------------------------------------------------------


FIXED = TurnRules(adapts=False)
GERMAN_IS_SLOWER = replace(FIXED, others={"de": replace(FIXED, min_delay_ms=500, language="de-DE")})


def ends_soon(scene: Scene, text: str, language: str = "") -> bool:
    """Return whether a turn of this text is over within 450 ms; however that is, it is over then."""
    scene.speak()
    scene.text(text, language=language)
    ended = "EndOfTurn" in scene.pause(450)
    scene.pause(4000)
    return ended


def test_a_text_is_read_in_the_language_it_is_in() -> None:
    scene = Scene(rules=FIXED)
    assert ends_soon(scene, "mein name ist")
    assert not ends_soon(scene, "mein name ist", "de-DE")


def test_a_language_holds_until_another_is_told() -> None:
    scene = Scene(rules=FIXED)
    assert not ends_soon(scene, "quisiera una mesa para", "es-ES")
    assert ends_soon(scene, "my name is")
    assert not ends_soon(scene, "my name is", "en-US")


def test_each_language_has_its_delays_and_one_without_has_the_streams() -> None:
    scene = Scene(rules=GERMAN_IS_SLOWER)
    assert ends_soon(scene, "yes please")
    assert not ends_soon(scene, "ja bitte", "de")
    assert ends_soon(scene, "sí por favor", "es")
    assert not ends_soon(scene, "ja bitte", "de-AT")
    assert ends_soon(scene, "yes please", "en")


def test_speech_over_the_agent_is_read_in_its_language() -> None:
    scene = Scene()
    scene.agent(True)
    scene.speak(320)
    assert scene.text("ja genau", language="de") == []
    assert scene.text("nein", language="de") == ["Interruption"]
