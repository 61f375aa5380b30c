"""What the turn detector is told of a hypothesis."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from voice.asr.v1 import asr_pb2
from voice.turn.v1 import turn_pb2

from services.common.audio import AudioFormat
from services.orchestrator import listening
from services.orchestrator.agent import Agent
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


@pytest.mark.parametrize("uses_grammar", [True, False])
def test_a_grammar_counts_only_where_the_recogniser_uses_it(
    monkeypatch: pytest.MonkeyPatch, uses_grammar: bool
) -> None:
    monkeypatch.setattr(listening, "StageStream", Wire)
    settings = SimpleNamespace(stage_ready_ms=1000, stage_grace_ms=1000)
    stages: Any = SimpleNamespace(settings=settings)
    ignore: Any = lambda *told: None  # noqa: E731
    hooks = ListeningHooks(ignore, lambda response: response.hypothesis.text, ignore, ignore, ignore, ignore)
    ears = Listening(stages, AGENT, AudioFormat(16000), "s", hooks)
    recogniser: Any = ears.asr
    detector: Any = ears.turn
    ready = asr_pb2.AsrReady(uses_grammar=uses_grammar)
    recogniser.hooks.on_response(asr_pb2.RecognizeResponse(ready=ready).SerializeToString())
    said = asr_pb2.Hypothesis(text="book an appointment", confidence=0.9)
    recogniser.hooks.on_response(asr_pb2.RecognizeResponse(turn_epoch=1, hypothesis=said).SerializeToString())
    update = turn_pb2.DetectRequest.FromString(detector.sent[-1]).hypothesis
    assert update.text == "book an appointment"
    assert update.has_grammar is uses_grammar
