"""What the language model is asked for a turn: the agent's prompt and tools, the conversation, who is asking."""

from __future__ import annotations

from collections.abc import Iterable

from voice.llm.v1 import llm_pb2

from services.orchestrator.agent import Agent
from services.orchestrator.history import History
from services.orchestrator.tools.base import Tool
from services.orchestrator.tracing import CallTrace


class Asking:
    """One call's questions to the language model."""

    def __init__(self, agent: Agent, tools: Iterable[Tool], session_id: str, trace: CallTrace) -> None:
        self._agent = agent
        self._definitions = [tool.definition() for tool in tools]
        self._session_id = session_id
        self._trace = trace

    def config(self, epoch: int, history: History) -> llm_pb2.GenerateConfig:
        """Return the question for the answer of turn `epoch` to the conversation so far."""
        model = self._agent.llm
        return llm_pb2.GenerateConfig(
            session_id=self._session_id,
            turn_epoch=epoch,
            model=model.model,
            messages=history.for_model(self._agent.prompt),
            tools=self._definitions,
            sampling=llm_pb2.Sampling(temperature=model.temperature, top_p=model.top_p, max_tokens=model.max_tokens),
            priority=llm_pb2.GENERATION_PRIORITY_LIVE,
            language=self._agent.language_tag,
            traceparent=self._trace.traceparent(epoch),
        )
