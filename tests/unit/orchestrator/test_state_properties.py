"""Random conversations: whatever order things happen in, nothing the caller said is lost and nothing speaks twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.orchestrator import events as ev
from services.orchestrator.deadlines import Deadlines
from services.orchestrator.state import Phase, TurnState, step, watchdog
from tests.unit.orchestrator.machine import is_replying

pytestmark = pytest.mark.unit

DEADLINES = Deadlines()


@dataclass
class Recogniser:
    """A recogniser that works: it hears the words of the open utterance and answers each finalize with all of them."""

    epoch: int = 0
    words: list[str] = field(default_factory=list)
    asked: list[tuple[int, str]] = field(default_factory=list)
    """(finalize id, the words at that moment)"""

    @property
    def text(self) -> str:
        return " ".join(self.words)


class Conversation(RuleBasedStateMachine):
    """A caller, a recogniser and a mouth that behave as the real ones do, in any order and at any pace."""

    def __init__(self) -> None:
        super().__init__()
        self.call()

    def call(self) -> None:
        self.state = TurnState()
        self.asr = Recogniser()
        self.owed: list[str] = []
        """What the caller said that no reply in progress, and none that was heard, answers."""
        self.answered = ""
        """What the reply in progress answers, while it can be taken back."""
        self.speaking_epoch = 0
        self.is_audible = False
        self.is_paused = False
        self.typed_over: list[str] = []
        """What was typed over a line that must be heard to its end."""
        self.newest = 0
        self.spoken = 0
        self.is_ended = False
        self.is_untold = False
        """A tool has reported what neither a reply in progress nor one that was heard tells."""
        self.is_telling = False
        """The reply in progress tells a report, and nothing of it was heard yet."""
        self.happens(ev.CallStarted(greet=False))

    @precondition(lambda self: self.is_ended)
    @rule()
    def calls_again(self) -> None:
        assert self.state.phase is Phase.IDLE
        self.call()

    # --- what the machine orders --------------------------------------------------------------------------------------

    def happens(self, event: ev.Event) -> None:
        self.is_speech = isinstance(event, ev.SpeechStarted | ev.TextTyped)
        self.state, actions = step(self.state, event, DEADLINES)
        for action in actions:
            assert not self.is_ended, f"{action} after the end"
            self.obey(action)

    def obey(self, action: ev.Action) -> None:
        match action:
            case ev.OpenUtterance(epoch):
                assert not self.asr.epoch
                self.fresh(epoch)
                self.asr = Recogniser(epoch)
            case ev.Finalize(epoch, number):
                assert epoch == self.asr.epoch
                self.asr.asked.append((number, self.asr.text))
            case ev.CloseUtterance(epoch):
                assert epoch == self.asr.epoch
                self.asr = Recogniser()
            case ev.StartReply(epoch, text):
                assert not self.speaking_epoch
                assert text.split() == " ".join(self.owed).split(), f"owed: {self.owed}"
                self.speaking_epoch, self.answered, self.owed = epoch, text, []
                self.is_untold, self.is_telling = False, self.is_untold
                self.newest = max(self.newest, epoch)
            case ev.Say(epoch):
                assert not self.speaking_epoch
                self.fresh(epoch)
                self.speaking_epoch, self.answered = epoch, ""
            case ev.Report(epoch):
                assert not self.speaking_epoch
                assert not self.asr.epoch, "a report over the caller"
                assert not self.state.user_speaking
                self.fresh(epoch)
                self.speaking_epoch, self.answered = epoch, ""
                self.is_untold, self.is_telling = False, True
            case ev.CancelReply(epoch, unsay_user):
                assert epoch == self.speaking_epoch
                assert unsay_user == bool(self.answered and self.is_speech), "words that nobody answers"
                if unsay_user:
                    self.owed.insert(0, self.answered)
                self.is_untold |= self.is_telling and self.is_speech
                self.quiet()
            case ev.PausePlayback(epoch):
                assert self.is_audible
                assert not self.is_paused
                assert epoch == self.speaking_epoch
                self.is_paused = True
            case ev.ResumePlayback(epoch):
                assert self.is_paused
                assert epoch == self.speaking_epoch
                self.is_paused = False
            case ev.EndCall():
                self.is_ended = True

    def fresh(self, epoch: int) -> None:
        assert epoch > self.newest
        self.newest = epoch

    def quiet(self) -> None:
        self.speaking_epoch, self.answered, self.is_audible, self.is_paused = 0, "", False, False
        self.is_telling = False

    # --- the caller ---------------------------------------------------------------------------------------------------

    def can_talk(self) -> bool:
        return not self.is_ended and self.state.close is None

    @precondition(lambda self: self.can_talk())
    @rule()
    def starts_to_speak(self) -> None:
        self.happens(ev.SpeechStarted(0))

    @precondition(lambda self: self.can_talk())
    @rule(is_known=st.booleans(), is_over=st.booleans())
    def says_something(self, is_known: bool, is_over: bool) -> None:
        self.happens(ev.SpeechStarted(0))
        self.says_a_word()
        self.happens(ev.SpeechStopped())
        self.happens(ev.EagerEndOfTurn())
        if is_known and self.asr.asked:
            self.is_final(*self.asr.asked.pop())
        if is_over and self.asr.epoch:
            self.with_words(ev.EndOfTurn(900), is_over=True)

    @precondition(lambda self: self.asr.epoch and self.state.user_speaking)
    @rule()
    def says_a_word(self) -> None:
        self.spoken += 1
        self.asr.words.append(f"w{self.spoken}")
        self.happens(ev.PartialHeard(self.asr.epoch, self.asr.text))

    @precondition(lambda self: self.asr.epoch)
    @rule()
    def falls_silent(self) -> None:
        self.happens(ev.SpeechStopped())

    @precondition(lambda self: self.asr.epoch and not self.state.user_speaking)
    @rule()
    def may_be_done(self) -> None:
        self.happens(ev.EagerEndOfTurn())

    @precondition(lambda self: self.asr.epoch)
    @rule()
    def goes_on(self) -> None:
        self.happens(ev.TurnResumed())

    @precondition(lambda self: self.asr.epoch and not self.state.turn_over)
    @rule(speech_ms=st.sampled_from([100, 2000]))
    def ends_the_turn(self, speech_ms: int) -> None:
        self.with_words(ev.EndOfTurn(speech_ms), is_over=True)

    @precondition(lambda self: self.asr.asked)
    @rule(data=st.data())
    def is_transcribed(self, data: st.DataObject) -> None:
        number, text = data.draw(st.sampled_from(self.asr.asked))
        self.asr.asked.remove((number, text))
        self.is_final(number, text)

    def is_final(self, number: int, text: str) -> None:
        self.with_words(ev.FinalHeard(self.asr.epoch, number, text), is_over=self.state.turn_over)

    @precondition(lambda self: self.can_talk())
    @rule()
    def types(self) -> None:
        self.spoken += 1
        typed = f"t{self.spoken}"
        if self.state.held:
            self.typed_over.append(typed)
            self.happens(ev.TextTyped(typed))
            return
        self.owed += ["" if self.state.phase is Phase.SPEAKING else self.asr.text, typed]
        self.happens(ev.TextTyped(typed))
        assert self.answered.endswith(typed)

    @precondition(lambda self: self.can_talk())
    @rule()
    def presses_stop(self) -> None:
        self.happens(ev.InterruptRequested())

    def with_words(self, event: ev.Event, *, is_over: bool) -> None:
        """Let a turn come nearer to its end; where the event commits it, all its words are owed an answer."""
        utterance, text = self.asr.epoch, self.asr.text
        after, actions = step(self.state, event, DEADLINES)
        if is_over and any(action == ev.CloseUtterance(utterance) for action in actions):
            final = event.text if isinstance(event, ev.FinalHeard) else self.state.final
            assert (final or "").split() == text.split(), "committed on a transcript that does not cover the turn"
            self.owed.append(text)
            if "".join(self.owed):
                assert any(isinstance(action, ev.StartReply) for action in actions)
        self.happens(event)
        assert self.state == after

    # --- the turn detector on speech over the agent -------------------------------------------------------------------

    @precondition(lambda self: self.is_paused or (self.state.held and self.asr.epoch))
    @rule()
    def is_meant(self) -> None:
        self.happens(ev.Interruption())

    @precondition(lambda self: self.is_paused)
    @rule()
    def is_not_meant(self) -> None:
        self.happens(ev.Backchannel())
        assert not self.is_paused

    @precondition(lambda self: self.is_paused)
    @rule()
    def is_echo(self) -> None:
        self.happens(ev.EchoHeard())
        assert not self.is_paused
        assert not self.asr.epoch

    # --- the agent ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.speaking_epoch and not self.is_audible)
    @rule()
    def is_heard(self) -> None:
        self.is_audible, self.answered, self.is_telling = True, "", False
        self.happens(ev.AudioBegan(self.speaking_epoch))
        assert self.state.phase is Phase.SPEAKING

    @precondition(lambda self: self.speaking_epoch and not self.is_audible)
    @rule()
    def runs_a_tool(self) -> None:
        self.answered = ""
        self.happens(ev.ReplyProgressed(self.speaking_epoch, acted=True))

    @precondition(lambda self: not self.is_ended and self.state.close is None)
    @rule()
    def reports_late(self) -> None:
        self.is_untold = True
        self.happens(ev.ToolReported())

    @precondition(lambda self: self.is_audible and not self.is_paused and not self.state.held and self.can_talk())
    @rule()
    def begins_a_line_that_must_be_heard(self) -> None:
        self.happens(ev.LineHeld(self.speaking_epoch, is_held=True))
        assert self.state.held

    @precondition(lambda self: self.state.held)
    @rule()
    def ends_a_line_that_must_be_heard(self) -> None:
        if self.typed_over:
            self.owed += [self.asr.text, *self.typed_over]
            self.typed_over = []
        self.happens(ev.LineHeld(self.speaking_epoch, is_held=False))
        assert not self.state.held

    def is_heard_out(self) -> None:
        """Owe an answer to what was said or typed over a line that was held to the end of all that was said."""
        if self.state.close is not None:
            self.typed_over = []
        elif self.typed_over:
            self.owed += [self.asr.text, *self.typed_over]
            self.typed_over = []
        elif self.state.held and self.state.turn_over and self.state.final is not None:
            assert self.state.final.split() == self.asr.text.split()
            self.owed.append(self.asr.text)

    @precondition(lambda self: self.is_audible and not self.is_paused)
    @rule()
    def has_spoken(self) -> None:
        epoch = self.speaking_epoch
        self.is_heard_out()
        self.quiet()
        self.happens(ev.PlaybackDone(epoch, self.state.close))

    @precondition(lambda self: self.speaking_epoch)
    @rule()
    def fails(self) -> None:
        epoch = self.speaking_epoch
        self.is_heard_out()
        self.quiet()
        self.happens(ev.ReplyFailed(epoch, canned=not self.state.answering))

    @precondition(lambda self: self.state.phase is Phase.INTERRUPTED)
    @rule()
    def has_stopped(self) -> None:
        self.owed = []
        utterance, is_over, text = self.asr.epoch, self.state.turn_over, self.asr.text
        tells = self.is_untold and not utterance and not self.state.user_speaking
        if is_over and self.state.final is not None:
            self.owed.append(text)
        self.happens(ev.ReplyCancelled(self.state.epoch))
        if is_over:  # answered, asked after, or let pass
            assert self.state.phase is Phase.THINKING or not self.asr.epoch
        else:
            phase = Phase.THINKING if tells else Phase.LISTENING
            assert (self.state.phase, self.asr.epoch) == (phase, utterance)

    @precondition(lambda self: not self.is_ended)
    @rule(age=st.integers(1, 5), kind=st.sampled_from([ev.AudioBegan, ev.PlaybackDone, ev.ReplyFailed]))
    def an_old_reply_is_heard_of(
        self, age: int, kind: type[ev.AudioBegan] | type[ev.PlaybackDone] | type[ev.ReplyFailed]
    ) -> None:
        epoch = self.newest - age
        assume(epoch > 0 and epoch not in (self.speaking_epoch, self.state.epoch))
        before = self.state
        self.happens(kind(epoch))
        assert self.state == before

    # --- always -------------------------------------------------------------------------------------------------------

    @invariant()
    def the_machine_knows_what_goes_on(self) -> None:
        assert self.state.last_epoch == self.newest
        assert self.state.utterance == self.asr.epoch
        assert self.state.paused == self.is_paused
        if not self.is_ended:
            assert is_replying(self.state) == bool(self.speaking_epoch)
            assert watchdog(self.state) is not None

    @invariant()
    def a_report_waits_only_while_somebody_speaks(self) -> None:
        if self.is_ended:
            return
        assert (self.state.report_due, self.state.reporting) == (self.is_untold, self.is_telling)
        if self.state.phase is Phase.LISTENING and not self.asr.epoch and not self.state.user_speaking:
            assert not self.is_untold

    @invariant()
    def what_is_kept_is_what_is_owed(self) -> None:
        if self.state.phase is Phase.LISTENING:
            assert self.state.kept_text.split() == " ".join(self.owed).split()


TestConversation = pytest.mark.unit(Conversation.TestCase)
TestConversation.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
