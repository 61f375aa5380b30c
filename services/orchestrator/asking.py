"""What the language model is asked for a turn: the agent's prompt and tools, the conversation, who is asking."""

from __future__ import annotations

from collections.abc import Iterable

from voice.llm.v1 import llm_pb2

from services.orchestrator.agent import Agent
from services.orchestrator.history import History
from services.orchestrator.routing import FAST
from services.orchestrator.tools.base import Tool
from services.orchestrator.tracing import CallTrace
from services.orchestrator.wording.guidance import guided


class Asking:
    """One call's questions to the language model."""

    def __init__(self, tools: Iterable[Tool], session_id: str, trace: CallTrace) -> None:
        self._definitions = [tool.definition() for tool in tools]
        self._session_id = session_id
        self._trace = trace

    def config(self, epoch: int, history: History, agent: Agent, route: str = "") -> llm_pb2.GenerateConfig:
        """Return the question for the answer of turn `epoch` to the conversation so far.

        `agent`: who answers. `route`: by which of its models (`routing.FAST`, `LARGE`); empty: it has one.
        """
        model = agent.llm
        return llm_pb2.GenerateConfig(
            session_id=self._session_id,
            turn_epoch=epoch,
            model=model.fast_model if route == FAST else model.model,
            messages=history.for_model(guided(agent.prompt, agent.language, model.max_sentences)),
            tools=self._definitions,
            sampling=llm_pb2.Sampling(temperature=model.temperature, top_p=model.top_p, max_tokens=model.max_tokens),
            priority=llm_pb2.GENERATION_PRIORITY_LIVE,
            language=agent.language_tag,
            traceparent=self._trace.traceparent(epoch),
        )
