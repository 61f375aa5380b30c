"""What the language model is asked for a turn: the agent's prompt and tools, the conversation, who is asking."""

from __future__ import annotations

from collections.abc import Iterable

from voice.llm.v1 import llm_pb2

from services.orchestrator.agent import Agent
from services.orchestrator.history import History
from services.orchestrator.reply import Reply
from services.orchestrator.routing import FAST, Routes
from services.orchestrator.tools.base import Tool
from services.orchestrator.tracing import CallTrace
from services.orchestrator.wording.guidance import guided


class Asking:
    """One call's questions to the language model."""

    def __init__(self, tools: Iterable[Tool], session_id: str, trace: CallTrace) -> None:
        self._definitions = [tool.definition() for tool in tools]
        self._session_id = session_id
        self._trace = trace
        self._routes = Routes(trace)

    def question(self, reply: Reply, history: History, agent: Agent) -> llm_pb2.GenerateConfig:
        """Return what `agent` is asked for `reply`, by the model that its route leads to."""
        reply.route = self._routes.of(reply.epoch, agent, history, reply.route)
        config = self.config(reply.epoch, history, agent, reply.route)
        if not reply.gate.is_open:
            config.speculative = True
            config.priority = llm_pb2.GENERATION_PRIORITY_SPECULATIVE
        return config

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
