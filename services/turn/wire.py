"""Between the messages of voice.turn.v1 and this service's dataclasses."""

from __future__ import annotations

from dataclasses import replace

from voice.turn.v1 import turn_pb2 as pb

from services.common.errors import InvalidInput
from services.common.expected import Expected
from services.common.language_tags import primary_subtag
from services.turn.endpointing import MAX_DELAY_LIMIT_MS, TurnRules
from services.turn.engine import Capabilities
from services.turn.events import (
    Backchannel,
    EagerEndOfTurn,
    EndOfTurn,
    Hypothesis,
    Interruption,
    SpeechStarted,
    SpeechStopped,
    TurnEvent,
    TurnResumed,
)

_MAX_TEXT = 10_000
_MAX_LANGUAGES = 32


def to_rules(config: pb.DetectConfig) -> TurnRules:
    """Return the rules of a stream, zeros replaced by the defaults. Raises InvalidInput for what cannot be meant."""
    default = TurnRules()
    rules = TurnRules(
        speech_threshold=config.speech_threshold or default.speech_threshold,
        min_delay_ms=config.min_endpointing_delay_ms or default.min_delay_ms,
        max_delay_ms=config.max_endpointing_delay_ms or default.max_delay_ms,
        interruption_speech_ms=config.interruption_speech_ms or default.interruption_speech_ms,
        backchannel_silence_ms=config.backchannel_silence_ms or default.backchannel_silence_ms,
        only_words_interrupt=config.interruption == pb.INTERRUPTION_RULE_WORDS,
        language=config.language or default.language,
        adapts=not config.fixed_endpointing,
    )
    if not 0.0 < rules.speech_threshold < 1.0:
        raise InvalidInput(f"speech_threshold {rules.speech_threshold} is no probability: send 0 to 1, or 0 for 0.5")
    _check_delays(rules)
    if len(config.languages) > _MAX_LANGUAGES:
        raise InvalidInput(f"{len(config.languages)} languages: send at most {_MAX_LANGUAGES}")
    return replace(
        rules, others={primary_subtag(other.language): _rules_in(other, rules) for other in config.languages}
    )


def _rules_in(other: pb.LanguageRules, rules: TurnRules) -> TurnRules:
    if not other.language:
        raise InvalidInput("each of languages needs its tag, such as es-ES")
    there = replace(
        rules,
        language=other.language,
        min_delay_ms=other.min_endpointing_delay_ms or rules.min_delay_ms,
        max_delay_ms=other.max_endpointing_delay_ms or rules.max_delay_ms,
    )
    _check_delays(there)
    return there


def _check_delays(rules: TurnRules) -> None:
    if rules.min_delay_ms > rules.max_delay_ms:
        raise InvalidInput(
            f"min_endpointing_delay_ms {rules.min_delay_ms} is over max_endpointing_delay_ms {rules.max_delay_ms}"
        )
    longest_ms = max(rules.max_delay_ms, rules.interruption_speech_ms, rules.backchannel_silence_ms)
    if longest_ms > MAX_DELAY_LIMIT_MS:
        raise InvalidInput(f"a delay of {longest_ms} ms is too long: send at most {MAX_DELAY_LIMIT_MS} ms")


def to_hypothesis(update: pb.HypothesisUpdate) -> Hypothesis:
    """Return the text update. Raises InvalidInput for a confidence that is none, or a text of absurd length."""
    if not 0.0 <= update.confidence <= 1.0:
        raise InvalidInput(f"hypothesis.confidence {update.confidence} is no probability: send 0 to 1")
    if len(update.text) > _MAX_TEXT:
        raise InvalidInput(f"hypothesis.text of {len(update.text)} characters: one turn has at most {_MAX_TEXT}")
    return Hypothesis(
        update.text,
        update.is_final,
        update.confidence,
        update.matches_grammar,
        update.has_grammar,
        update.language,
    )


def to_expected(state: pb.AgentState) -> Expected:
    """Return what the agent asked for; a kind that only newer clients know counts as not known."""
    try:
        return Expected(state.expects)
    except ValueError:
        return Expected.UNSPECIFIED


def to_ready(capabilities: Capabilities, epoch: int) -> pb.DetectResponse:
    """Return the first response of a stream."""
    response = pb.DetectResponse(turn_epoch=epoch)
    ready = response.ready
    ready.uses_audio_model = capabilities.uses_audio_model
    ready.info.engine = capabilities.engine
    ready.info.model = capabilities.model
    ready.info.capacity_streams = capabilities.capacity_streams
    return response


def to_response(event: TurnEvent, epoch: int) -> pb.DetectResponse:
    """Return `event` as a response, its timing left to fill in."""
    response = pb.DetectResponse(turn_epoch=epoch, audio_offset_ms=round(event.at_ms))
    match event:
        case SpeechStarted():
            response.speech_started.onset_ms = round(event.onset_ms)
            response.speech_started.probability = event.probability
        case SpeechStopped():
            response.speech_stopped.end_ms = round(event.end_ms)
            response.speech_stopped.speech_ms = round(event.speech_ms)
        case EagerEndOfTurn():
            response.eager_end_of_turn.probability = event.probability
            response.eager_end_of_turn.speech_end_ms = round(event.speech_end_ms)
        case EndOfTurn():
            _fill_end_of_turn(response.end_of_turn, event)
        case TurnResumed():
            response.turn_resumed.SetInParent()
        case Interruption():
            response.interruption.onset_ms = round(event.onset_ms)
            response.interruption.reason = pb.InterruptionReason.ValueType(event.reason.value)
        case Backchannel():
            response.backchannel.onset_ms = round(event.onset_ms)
            response.backchannel.speech_ms = round(event.speech_ms)
    return response


def _fill_end_of_turn(message: pb.EndOfTurn, event: EndOfTurn) -> None:
    message.probability = event.probability
    message.delay_ms = round(event.delay_ms)
    message.reason = pb.EndOfTurnReason.ValueType(event.reason.value)
    message.speech_end_ms = round(event.speech_end_ms)
    message.speech_ms = round(event.speech_ms)
