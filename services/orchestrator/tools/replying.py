"""A call's tools as its replies use them: they run in the background, and nobody waits for them in silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from services.orchestrator import events as ev
from services.orchestrator.agent import Agent
from services.orchestrator.history import History, ToolCall
from services.orchestrator.playback import Playback
from services.orchestrator.reply import Reply
from services.orchestrator.settings import OrchestratorSettings
from services.orchestrator.speaking_hooks import SpeakingHooks
from services.orchestrator.tools.ahead import Ahead
from services.orchestrator.tools.base import Tool
from services.orchestrator.tools.running import ToolHooks, ToolRunner
from services.orchestrator.tools.waiting import Fillers, Mouth, Pace, left_ms
from services.orchestrator.tracing import CallTrace


class ReplyTools:
    """The tools of one call, and what is said while they run."""

    def __init__(
        self,
        agent: Callable[[], Agent],
        tools: Mapping[str, Tool],
        history: History,
        session_id: str,
        settings: OrchestratorSettings,
        hooks: SpeakingHooks,
        trace: CallTrace,
    ) -> None:
        """`agent`: as it speaks now."""
        own = ToolHooks(hooks.send, hooks.changed, hooks.spawn, lambda: hooks.dispatch(ev.ToolReported()))
        self._runner = ToolRunner(tools, agent().prefetch, history, session_id, own, trace)
        self._fillers = Fillers(agent, Pace(settings.filler_after_ms, settings.filler_every_ms))
        self._hooks = hooks

    @property
    def ahead(self) -> Ahead:
        """What is looked up before it is asked for."""
        return self._runner.ahead

    def foresee(self, call: ToolCall) -> None:
        """Take a call that the model would make in an answer that may never be: what changes nothing is begun."""
        self._runner.foresee(call)

    async def run(
        self, reply: Reply, calls: Sequence[ToolCall], playback: Playback, say: Callable[[Reply, str], None]
    ) -> None:
        """Run tools, which a cancelled reply leaves running, and have fillers said while they are waited for."""

        def fill(text: str) -> None:
            say(reply, text)
            self._hooks.dispatch(ev.ReplyProgressed(reply.epoch))

        running = self._runner.start(reply.epoch, calls)
        await self._fillers.wait(running, Mouth(lambda: left_ms(reply, playback), fill))
