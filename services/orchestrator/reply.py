"""One answer of the agent: model, tools, phrases, synthesis, playback. A failure or a cancel leaves nothing running."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from voice.llm.v1 import llm_pb2

from services.common import spans
from services.orchestrator.events import END_CALL, CloseReason
from services.orchestrator.gate import Gate
from services.orchestrator.history import History, Message, ToolCall
from services.orchestrator.latency import Exchange, Marks, ServerTiming
from services.orchestrator.routing import FAST, LARGE
from services.orchestrator.stages.channels import Stages
from services.orchestrator.stages.llm import ModelLine, generate
from services.orchestrator.stages.stream import StageError
from services.orchestrator.timeline import Timeline
from services.orchestrator.wording.wording import SpokenPhrase, Wording

RECONNECT_S = 1.0
"""How long a second attempt waits for a connection: a model that is being redeployed is back, or it is not."""


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """Deadlines of one reply."""

    first_token_ms: int
    next_token_ms: int
    first_audio_ms: int
    max_tool_rounds: int
    max_sentences: int = 0
    """After so many the model is stopped; 0: never."""


@dataclass(frozen=True, slots=True)
class ReplyHooks:
    """What a reply needs from its session. All run on the event loop."""

    wording: Callable[[], Wording]
    """The way of a generation's text to speech, in the language of the answer."""
    speak: Callable[[int, SpokenPhrase], None]
    """(phrase_id, phrase): have a phrase synthesised."""
    spoken: Callable[[str], None]
    """(text): a phrase is on its way to synthesis, for the transcript."""
    run_tools: Callable[[list[ToolCall]], Coroutine[Any, Any, None]]
    """Run tools to their end, whatever becomes of the reply, and put their results into the history."""
    progressed: Callable[[bool], None]
    """(acted): the reply is alive."""
    config: Callable[[History], llm_pb2.GenerateConfig]
    """What to ask the model, given the conversation."""
    goodbye: SpokenPhrase
    """Said where the model ends the call without a word."""
    generated: Callable[[Exchange], None] = lambda exchange: None
    """The model gave its first token."""
    guessed_call: Callable[[ToolCall], None] = lambda call: None
    """The model would call a tool, in an answer that may never be: only what changes nothing may be begun for it."""


@dataclass(slots=True)
class Round:
    """One generation of a reply: its message in the history, and which phrases it became."""

    message: Message
    first_phrase: int
    phrases: int = 0
    sentences: int = 0


@dataclass(slots=True)
class Reply:
    """The state of one answer. `run` makes it; the session feeds it what synthesis returns."""

    epoch: int
    user_text: str
    history: History
    limits: ReplyLimits
    marks: Marks = field(default_factory=Marks)
    timeline: Timeline = field(default_factory=Timeline)
    rounds: list[Round] = field(default_factory=list)
    user_message: Message | None = None
    close: CloseReason | None = None
    tool_calls: int = 0
    interrupted: bool = False
    outcome: str = ""
    is_canned: bool = False
    said: Message | None = None
    """A fixed sentence's message in the history."""
    language: str = ""
    """BCP 47 tag of the language it is in; empty: the model decides."""
    route: str = ""
    """Which of the agent's models answers, as `routing.py` names them; empty: it has one."""
    attempt: int = 0
    """Which answer to its turn it is: those before it were guesses that did not hold."""
    gate: Gate = field(default_factory=Gate)
    """Closed while it is an answer to a guess: nothing of it is heard, told or done before it is opened."""
    hidden_ms: float | None = None
    """It was begun on a guess, and this much of the way to its first audio lay before its turn was committed."""
    tokens: int = 0
    """What the model has generated for it: as it tells at the end, and until then its deltas."""
    _open_phrases: set[int] = field(default_factory=set)
    _synthesis: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stages: Stages, line: ModelLine, hooks: ReplyHooks) -> None:
        """Generate and have spoken. Returns once all audio has come. Raises StageError where a stage failed."""
        for rounds_left in range(self.limits.max_tool_rounds, -1, -1):
            calls = await self._generate(stages, line, hooks)
            others = [call for call in calls if call.name != END_CALL]
            if len(others) < len(calls):
                self.close = CloseReason.AGENT
                self.history.add_result(next(call.id for call in calls if call.name == END_CALL), "{}")
            if not others:
                break
            if not rounds_left:
                raise StageError("llm", f"it asked for tools more than {self.limits.max_tool_rounds} times in one turn")
            await self.gate.passed()
            await self._run_tools(others, hooks)
            if self.close:
                break
        if not any(each.phrases for each in self.rounds):
            if self.close is None:
                raise StageError("llm", "it answered nothing")
            self._speak(hooks.goodbye, hooks)
        await self.gate.passed()
        await self.await_synthesis()

    async def _generate(self, stages: Stages, line: ModelLine, hooks: ReplyHooks) -> list[ToolCall]:
        for attempt in (1, 2):
            try:
                return await self._generate_once(line, hooks)
            except StageError as error:
                # Nothing was said or done in this round yet: another replica, or the restarted one, may answer.
                # A guess is not tried again; what the small model refuses, the larger one may take.
                is_refused = error.is_rejection and self.route != FAST
                if (
                    attempt == 2
                    or is_refused
                    or not self.gate.is_open
                    or self.rounds[-1].phrases
                    or self.rounds[-1].message.tool_calls
                ):
                    raise
                self.history.remove(self.rounds.pop().message)
                self.route = LARGE if self.route else ""
                with contextlib.suppress(TimeoutError):
                    await stages.connected("llm", RECONNECT_S)
        raise AssertionError("both attempts end in a return or a raise")

    async def _generate_once(self, line: ModelLine, hooks: ReplyHooks) -> list[ToolCall]:
        config = hooks.config(self.history)
        current = Round(self.history.add(Message("assistant", "")), first_phrase=self.timeline.phrase_count)
        self.rounds.append(current)
        before = self.tokens
        wording = hooks.wording()
        call = line.take(is_fast=self.route == FAST)
        asked_s = time.monotonic()
        self.marks.mark("asked", asked_s)
        responses = generate(
            call, config, first_token_ms=self.limits.first_token_ms, next_token_ms=self.limits.next_token_ms
        )
        async with contextlib.aclosing(responses) as stream:
            async for response in stream:
                match response.WhichOneof("event"):
                    case "text_delta":
                        self.tokens += 1
                        if "token" not in self.marks.at_s:
                            self.marks.mark("token")
                            self.marks.exchange(spans.LLM_FIRST_TOKEN, response.timing, asked_s)
                            hooks.generated(self.marks.exchanges[spans.LLM_FIRST_TOKEN])
                        for phrase in wording.push(response.text_delta.text):
                            self._speak(phrase, hooks, current)
                            if current.sentences == self.limits.max_sentences > 0:
                                return current.message.tool_calls  # it runs on: leaving the stream cancels it
                    case "tool_call":
                        call = response.tool_call
                        current.message.tool_calls.append(ToolCall(call.id, call.name, call.arguments_json))
                        if not self.gate.is_open:
                            hooks.guessed_call(current.message.tool_calls[-1])
                    case "finished":
                        self.tokens = max(self.tokens, before + response.finished.usage.completion_tokens)
                        break
        for phrase in wording.flush():
            self._speak(phrase, hooks, current)
        return current.message.tool_calls

    async def _run_tools(self, calls: list[ToolCall], hooks: ReplyHooks) -> None:
        self.tool_calls += len(calls)
        hooks.progressed(True)
        await hooks.run_tools(calls)
        hooks.progressed(True)

    def _speak(self, phrase: SpokenPhrase, hooks: ReplyHooks, current: Round | None = None) -> None:
        phrase_id = self.timeline.add_phrase(phrase.spoken)
        if current is not None:
            current.phrases += 1
            current.sentences += phrase.ends_sentence
            current.message.content = " ".join(part for part in (current.message.content, phrase.written) if part)
        self.expect(phrase_id)
        self.marks.mark("phrase_sent")
        speak = partial(hooks.speak, phrase_id, phrase)
        if phrase_id == 0:
            speak()  # on a guess too, and no more of it than that
        else:
            self.gate.do(speak)
        self.gate.do(partial(hooks.spoken, phrase.written))

    def expect(self, phrase_id: int) -> None:
        """Wait for this phrase's audio too."""
        self._open_phrases.add(phrase_id)

    @property
    def is_synthesising(self) -> bool:
        """Whether audio of what it has said is still to come."""
        return bool(self._open_phrases)

    async def await_synthesis(self) -> None:
        """Wait until all phrases have come as audio. Raises StageError where none comes for `first_audio_ms`."""
        while self._open_phrases:
            self._synthesis.clear()
            try:
                async with asyncio.timeout(self.limits.first_audio_ms / 1000):
                    await self._synthesis.wait()
            except TimeoutError:
                raise StageError("tts", f"no audio for {self.limits.first_audio_ms} ms") from None
        if not self.timeline.audio_ms:
            raise StageError("tts", "it made no audio of what it was given")

    # --- what synthesis returns ---------------------------------------------------------------------------------------

    def on_audio(self, phrase_id: int, audio_ms: float, *, is_last: bool, timing: ServerTiming | None) -> None:
        """Count audio of a phrase. `timing`: the synthesis server's, where it is not from the shelf."""
        if "audio" not in self.marks.at_s:
            self.marks.mark("audio")
            asked_s = self.marks.at_s.get("phrase_sent")
            if timing is not None and asked_s is not None:
                self.marks.exchange(spans.TTS_FIRST_AUDIO, timing, asked_s)
        self.timeline.add_audio(phrase_id, audio_ms, is_last=is_last)
        if is_last:
            self._open_phrases.discard(phrase_id)
        self._synthesis.set()

    # --- what was heard -----------------------------------------------------------------------------------------------

    def truncate(self, played_ms: float) -> str:
        """Cut the history down to what was heard in `played_ms` of audio, and return that."""
        heard = self.timeline.heard(played_ms)
        for current in self.rounds:
            parts = heard[current.first_phrase : current.first_phrase + current.phrases]
            current.message.content = " ".join(part for part in parts if part)
            if not current.message.content and not current.message.tool_calls:
                self.history.remove(current.message)
        text = self.timeline.heard_text(played_ms)
        if self.said is not None:
            self.said.content = text
        return text
