"""How a call's answers come about: what the model is asked, live or on a guess, and what makes ready for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from voice.llm.v1 import llm_pb2

from services.orchestrator import events as ev
from services.orchestrator.agent import Agent
from services.orchestrator.asking import Asking
from services.orchestrator.gate import Gate
from services.orchestrator.guesses import Guesses
from services.orchestrator.history import History, Message, ToolCall
from services.orchestrator.languages import CallLanguages
from services.orchestrator.latency import Marks
from services.orchestrator.reply import Reply, ReplyHooks, ReplyLimits
from services.orchestrator.speaking_hooks import SpeakingHooks
from services.orchestrator.speculation import SpeculationBudget, Words, words_of
from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.llm import ModelLine
from services.orchestrator.stages.stream import StageError, as_stage_error
from services.orchestrator.tools.base import Tool
from services.orchestrator.tracing import CallTrace
from services.orchestrator.wording.wording import SpokenPhrase, Wording

log = logging.getLogger(__name__)

RUNS_ON = 2
"""A model that says so many times the sentences it was asked for is stopped at the end of one."""


@dataclass(frozen=True, slots=True)
class AnswerHooks:
    """What an answer needs of the mouth that says it. All run on the event loop."""

    speak: Callable[[Reply, int, SpokenPhrase], None]
    """(reply, phrase_id, phrase): have it synthesised."""
    hush: Callable[[Reply], None]
    """Have nothing more of it synthesised."""
    tell: Callable[[Reply, str], None]
    """(reply, text): tell the caller what the agent says."""
    whole: Callable[[Reply, str], SpokenPhrase]
    """(reply, text): word a fixed sentence."""
    run_tools: Callable[[Reply, Sequence[ToolCall]], Coroutine[Any, Any, None]]
    guessed_call: Callable[[ToolCall], None]
    finished: Callable[[], None]
    """All of the answer in progress is there."""
    failed: Callable[[Reply, StageError], None]
    """An answer that was no guess failed."""


class Answering:
    """One call's answers. At most one is being made: a live one, or one on a guess."""

    def __init__(
        self,
        stages: Stages,
        languages: CallLanguages,
        session_id: str,
        history: History,
        tools: Iterable[Tool],
        hooks: AnswerHooks,
        session: SpeakingHooks,
        trace: CallTrace,
        budget: SpeculationBudget,
    ) -> None:
        settings = stages.settings
        self._stages = stages
        self._languages = languages
        self._history = history
        self._hooks = hooks
        self._session = session
        self._budget = budget
        self._asking = Asking(tools, session_id, trace)
        self._line = ModelLine(stages, trace, languages.whole.tenant)
        self._guesses = Guesses(hooks.hush, trace, budget)
        self._attempt = (0, 0)
        self._limits = ReplyLimits(
            settings.first_token_ms,
            settings.next_token_ms,
            settings.first_audio_ms,
            settings.max_tool_rounds,
            RUNS_ON * languages.whole.llm.max_sentences,
        )

    def agent_of(self, reply: Reply) -> Agent:
        """Return the agent as it is in a reply's language."""
        return self._languages.agent_in(reply.language)

    # --- making ready -------------------------------------------------------------------------------------------------

    def expect_words(self, epoch: int, begun: str = "") -> None:
        """Make ready: the caller speaks, and what the model will be shown before what is still to come is known.

        `begun`: words of the turn that will stay as they are.
        """
        shown = self._history.fork()
        if begun:
            shown.add(Message("user", begun))
        config = self._asking.config(epoch, shown, self._languages.expected)
        config.priority = llm_pb2.GENERATION_PRIORITY_PREFILL
        self._session.spawn(self._line.warm(config), f"prefill-{epoch}")

    def expect_reply(self, epoch: int) -> None:
        """Make ready: turn `epoch` is probably over, and an answer will be wanted."""
        if self._guesses.reply is None:
            self._line.open_early(epoch)

    # --- on a guess ---------------------------------------------------------------------------------------------------

    @property
    def guessed(self) -> Reply | None:
        """The answer that is being made on a guess."""
        return self._guesses.reply

    @property
    def may_guess(self) -> bool:
        """Whether there is room for a guess, and the agent wants any."""
        return self._languages.agent.llm.speculates and self._guesses.has_room

    def guess(self, epoch: int, user_text: str) -> None:
        """Begin to answer `user_text`, which turn `epoch` will probably say, as `Guesses` keeps it."""
        reply = Reply(epoch, user_text, self._history.fork(), self._limits, attempt=self._next_attempt(epoch))
        reply.language = self._languages.expected.language_tag
        reply.gate = Gate(is_open=False)
        reply.user_message = reply.history.add(Message("user", user_text))
        making = self._session.spawn(self.make(reply), f"guess-{epoch}.{reply.attempt}")
        self._guesses.begin(reply, self._words(user_text), making)

    def drop_guess(self, reason: str) -> None:
        """Give up what was begun on a guess. `reason`: one of `spans.DISCARDS`."""
        self._guesses.drop(reason)

    def take_guess(self, epoch: int, user_text: str, marks: Marks) -> tuple[Reply, asyncio.Task[None]] | None:
        """Return what was made of turn `epoch` on a guess, and what makes it, where that holds: its gate is closed."""
        guessed = self._guesses.reply
        if guessed is not None and guessed.language != self._languages.agent.language_tag:
            self._guesses.drop("changed")
        taken = self._guesses.take(epoch, self._words(user_text), self._history, marks)
        if taken is not None and taken[0].user_message is not None:
            taken[0].user_text = taken[0].user_message.content = user_text
        return taken

    def _words(self, text: str) -> Words:
        return words_of(text, self._languages.expected.language)

    def _next_attempt(self, epoch: int) -> int:
        newest, attempt = self._attempt
        self._attempt = epoch, attempt + 1 if newest == epoch else 0
        return self._attempt[1]

    # --- for certain --------------------------------------------------------------------------------------------------

    def reply(self, epoch: int, user_text: str, marks: Marks) -> Reply:
        """Return a reply of which nothing is made yet. A guess that is still open is given up."""
        self._guesses.drop("unanswered")
        reply = Reply(epoch, user_text, self._history, self._limits, marks, attempt=self._next_attempt(epoch))
        reply.language = self._languages.agent.language_tag
        return reply

    async def make(self, reply: Reply) -> None:
        """Have the model answer, and have that said."""
        hooks = ReplyHooks(
            wording=lambda: Wording(self.agent_of(reply).language_tag),
            speak=lambda phrase_id, phrase: self._hooks.speak(reply, phrase_id, phrase),
            spoken=lambda text: self._hooks.tell(reply, text),
            run_tools=lambda calls: self._hooks.run_tools(reply, calls),
            guessed_call=self._hooks.guessed_call,
            progressed=lambda acted: self._session.dispatch(ev.ReplyProgressed(reply.epoch, acted)),
            config=lambda history: self._asking.question(reply, history, self.agent_of(reply)),
            goodbye=self._hooks.whole(reply, self.agent_of(reply).phrase(ev.Phrase.GOODBYE)),
            generated=lambda exchange: self._budget.generated(exchange.queue_ms, exchange.client_ms),
        )
        try:
            await reply.run(self._stages, self._line, hooks)
        except StageError as error:
            self._fail(reply, error)
        except Exception as error:  # a fault of ours must end in an apology too, never in silence
            log.exception("reply failed")
            self._fail(reply, as_stage_error("orchestrator", error))
        else:
            self._hooks.finished()

    def _fail(self, reply: Reply, error: StageError) -> None:
        if not self._guesses.failed(reply, error):
            self._hooks.failed(reply, error)

    def close(self) -> None:
        """Leave no stream open."""
        self._guesses.drop("call_ended")
        self._line.drop()
