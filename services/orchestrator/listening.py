"""The streams to the recogniser and the turn detector of one call, and what they say as events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from voice.asr.v1 import asr_pb2
from voice.common.v1 import common_pb2
from voice.turn.v1 import turn_pb2

from services.common.audio import AudioFormat
from services.common.expected import Expected
from services.orchestrator import events as ev
from services.orchestrator.agent import Agent
from services.orchestrator.expecting import expected_answer
from services.orchestrator.hearing import Feeds, Hearing, hypothesis_update
from services.orchestrator.languages import CallLanguages
from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.stream import StageError, StageStream, StreamHooks

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ListeningHooks:
    """What listening needs and tells. All run on the event loop."""

    dispatch: Callable[[ev.Event], None]
    hypothesis: Callable[[asr_pb2.RecognizeResponse], str]
    """(response with a hypothesis) -> the turn's whole text: tell the caller what was heard."""
    callers_words: Callable[[str], str]
    """(text as recognised) -> what of it is not the agent's own."""
    turn_event: Callable[[turn_pb2.DetectResponse], None]
    """The turn detector's word, told before it is dispatched as an event."""
    info: Callable[[str, common_pb2.EngineInfo], None]
    on_lost: Callable[[StageError], None]
    on_gave_up: Callable[[StageError], None]


class Listening:
    """One call's ears: `hearing` takes the audio, the two streams carry it, answers become events."""

    def __init__(
        self,
        stages: Stages,
        languages: CallLanguages,
        audio_format: AudioFormat,
        session_id: str,
        hooks: ListeningHooks,
    ) -> None:
        self._hooks = hooks
        self._languages = languages
        agent = languages.whole
        limits = {"ready_ms": stages.settings.stage_ready_ms, "grace_ms": stages.settings.stage_grace_ms}
        turn_config = _turn_config(agent, audio_format, session_id)
        self.asr = StageStream(
            "asr",
            StreamHooks(
                open_call=lambda: stages.call("asr", wait=True),
                config=lambda: _asr_config(agent, self._heard_first, audio_format, session_id),
                replay=lambda: self.hearing.replay_asr(),
                on_response=self._on_asr,
                on_lost=hooks.on_lost,
                on_gave_up=hooks.on_gave_up,
            ),
            **limits,
        )
        self.turn = StageStream(
            "turn",
            StreamHooks(
                open_call=lambda: stages.call("turn", wait=True),
                config=lambda: turn_config,
                replay=self._replay_turn,
                on_response=self._on_turn,
                on_lost=self._on_turn_lost,
                on_gave_up=hooks.on_gave_up,
            ),
            **limits,
        )
        feeds = Feeds(turn_audio=self.turn.send_audio, asr_audio=self.asr.send_audio, asr_control=self.asr.send)
        self.hearing = Hearing(audio_format, feeds)
        self._told: tuple[int, str, bool] = (0, "", False)
        self._newest_text = b""
        """What the turn detector was told of the open utterance's words, serialised."""
        self._epoch = 0
        self._agent_speaks = False
        self._hears_echo = False
        self._expects = Expected.UNSPECIFIED
        self._uses_grammar = False
        self.heard_languages: tuple[str, ...] = ()
        """Those of the agent's languages that the recogniser tells apart; empty: it hears one."""

    def agent_speaks(self, speaking: bool, epoch: int, heard: str) -> None:
        """Tell the turn detector whether the agent is heard; where it falls silent, what its words ask for."""
        self._agent_speaks = speaking
        self._expects = Expected.UNSPECIFIED if speaking else expected_answer(heard, self._languages.agent.language_tag)
        self.hearing.turn.agent_speaks(speaking)
        self.turn.send(self._agent_state(epoch))

    def hears_echo(self, is_echo: bool) -> None:
        """Tell the turn detector whether what is heard is the agent's own voice."""
        self._hears_echo = is_echo
        self.hearing.turn.flush()
        self.turn.send(self._agent_state(self._epoch))

    def _agent_state(self, epoch: int) -> bytes:
        self._epoch = max(self._epoch, epoch)  # epochs only grow, and speech over the agent has a newer one than it
        expects = turn_pb2.ExpectedAnswer.ValueType(self._expects.value)
        state = turn_pb2.AgentState(
            speaking=self._agent_speaks, turn_epoch=self._epoch, expects=expects, echo=self._hears_echo
        )
        return turn_pb2.DetectRequest(agent_state=state).SerializeToString()

    def _on_turn_lost(self, error: StageError) -> None:
        self.hearing.turn_lost()
        self._hooks.on_lost(error)

    def _replay_turn(self) -> Iterable[bytes]:
        yield self._agent_state(self._epoch)
        yield from self.hearing.replay_turn()
        if self._newest_text and self._told[0] == self.hearing.open_epoch:
            yield self._newest_text  # behind the audio that it is the text of

    # --- recogniser ---------------------------------------------------------------------------------------------------

    def _on_asr(self, raw: bytes) -> None:
        response = asr_pb2.RecognizeResponse.FromString(raw)
        if response.HasField("ready"):
            self._uses_grammar = response.ready.uses_grammar  # an engine that takes none never matches one
            self._hooks.info("asr", response.ready.info)
            self._note_languages(response.ready)
            return
        if response.HasField("draining"):
            self.asr.move_on()
            return
        if not response.HasField("hypothesis"):
            return
        hypothesis, epoch = response.hypothesis, response.turn_epoch
        own = self._hooks.callers_words(hypothesis.text)
        if own != hypothesis.text:
            hypothesis.text, hypothesis.stable_prefix = own, ""  # of what is left nobody said how stable it is
        text = self._hooks.hypothesis(response)
        told = (epoch, text, hypothesis.is_final)
        if text and told != self._told:
            self._told = told
            self._epoch = max(self._epoch, epoch)
            self._newest_text = hypothesis_update(text, hypothesis, epoch, self._uses_grammar)
            self.hearing.turn.flush()
            self.turn.send(self._newest_text)
        if hypothesis.is_final:
            self._hooks.dispatch(ev.FinalHeard(epoch, hypothesis.finalize_id, hypothesis.text))
        elif hypothesis.text:
            self._hooks.dispatch(ev.PartialHeard(epoch, hypothesis.text))

    @property
    def _heard_first(self) -> str:
        """The language that a recogniser is to expect: that of the call, where it can be told by hearing."""
        now = self._languages.agent.language_tag
        return now if now in self.heard_languages else self._languages.whole.language_tag

    def _note_languages(self, ready: asr_pb2.AsrReady) -> None:
        self.heard_languages = tuple(ready.languages)
        if unheard := [tag for tag in self._languages.tags[1:] if tag not in self.heard_languages]:
            log.warning(
                "the recogniser does not tell all of the agent's languages apart: these are answered when typed only",
                extra={"engine": ready.info.engine, "languages": unheard},
            )

    # --- turn detector ------------------------------------------------------------------------------------------------

    def _on_turn(self, raw: bytes) -> None:
        response = turn_pb2.DetectResponse.FromString(raw)
        dispatch = self._hooks.dispatch
        self._hooks.turn_event(response)
        event = response.WhichOneof("event")
        self.hearing.turn.on_detected(event or "")
        match event:
            case "ready":
                self._hooks.info("turn", response.ready.info)
            case "speech_started":
                dispatch(ev.SpeechStarted(response.speech_started.onset_ms))
            case "speech_stopped":
                dispatch(ev.SpeechStopped())
            case "eager_end_of_turn":
                dispatch(ev.EagerEndOfTurn())
            case "end_of_turn":
                dispatch(ev.EndOfTurn(response.end_of_turn.speech_ms))
            case "turn_resumed":
                self._newest_text = b""  # it says nothing of what is being added
                dispatch(ev.TurnResumed())
            case "interruption":
                dispatch(ev.Interruption())
            case "backchannel":
                dispatch(ev.Backchannel())
            case "draining":
                self.turn.move_on()


def _format(audio_format: AudioFormat) -> common_pb2.AudioFormat:
    return common_pb2.AudioFormat(
        sample_rate_hz=audio_format.sample_rate_hz, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE
    )


def _asr_config(agent: Agent, language: str, audio_format: AudioFormat, session_id: str) -> bytes:
    config = asr_pb2.RecognizeConfig(
        format=_format(audio_format),
        language=language,
        languages=agent.language_tags if agent.languages else (),
        key_terms=[asr_pb2.KeyTerm(text=term.text, boost=term.boost) for term in agent.key_terms],
        grammar=agent.grammar,
        partial_interval_ms=agent.asr.partial_interval_ms,
        session_id=session_id,
    )
    return asr_pb2.RecognizeRequest(config=config).SerializeToString()


_INTERRUPTION = {
    "speech": turn_pb2.INTERRUPTION_RULE_UNSPECIFIED,
    "words": turn_pb2.INTERRUPTION_RULE_WORDS,
    "never": turn_pb2.INTERRUPTION_RULE_WORDS,
}


def _turn_config(agent: Agent, audio_format: AudioFormat, session_id: str) -> bytes:
    config = turn_pb2.DetectConfig(
        format=_format(audio_format),
        speech_threshold=agent.turn.speech_threshold,
        min_endpointing_delay_ms=agent.turn.min_endpointing_delay_ms,
        max_endpointing_delay_ms=agent.turn.max_endpointing_delay_ms,
        interruption_speech_ms=agent.turn.interruption_speech_ms,
        backchannel_silence_ms=agent.turn.backchannel_silence_ms,
        interruption=_INTERRUPTION[agent.turn.interruption],
        fixed_endpointing=not agent.turn.adapts,
        language=agent.language_tag,
        languages=[
            turn_pb2.LanguageRules(
                language=other.tag,
                min_endpointing_delay_ms=other.turn.min_endpointing_delay_ms,
                max_endpointing_delay_ms=other.turn.max_endpointing_delay_ms,
            )
            for other in agent.languages
        ],
        session_id=session_id,
    )
    return turn_pb2.DetectRequest(config=config).SerializeToString()
