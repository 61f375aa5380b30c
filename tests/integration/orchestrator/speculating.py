"""What the fake engines of a stack are asked to do, and a caller whose turn ends in steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.common.errors import EngineFault
from services.llm.engine import GenerationRequest, LlmEvent
from tests.support.caller import SILENCE, SPEECH, Caller, calling, start_of
from tests.support.stack import AGENT, Stack, stack

DEADLINE_S = 10.0
END_OF_TURN_MS = 3000
"""Silence that ends a turn here: long, since where no audio comes time itself counts as silence. The eager end comes
with the first of it."""


@dataclass
class Watched:
    """What the language model and synthesis were asked for, and what of it runs now."""

    stack: Stack
    asked: list[GenerationRequest] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    """Phrases that synthesis has begun."""
    rendered: list[str] = field(default_factory=list)
    """Phrases that it has rendered to their end, or until they were cancelled."""
    failing: int = 0
    """So many of the next generations fail, before their first output."""
    failing_phrases: int = 0
    """So many of the next phrases fail."""
    finals: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: the recogniser finalises when it is asked to; cleared, it keeps its finals until it is set."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        model, voice = self.engine("llm"), self.engine("tts")
        generate, speaker = model.generate, voice.speaker

        async def watched(request: GenerationRequest) -> AsyncGenerator[LlmEvent, None]:
            self.asked.append(request)
            self._news.set()
            if self.failing:
                self.failing -= 1
                raise EngineFault("told to fail")
            async for event in generate(request):
                yield event

        def watched_speaker(config: Any) -> Any:
            made = speaker(config)
            render = made.render

            async def watched_render(phrase: Any) -> AsyncIterator[Any]:
                self.spoken.append(phrase.text)
                try:
                    if self.failing_phrases:
                        self.failing_phrases -= 1
                        raise EngineFault("told to fail")
                    async for piece in render(phrase):
                        yield piece
                finally:
                    self.rendered.append(phrase.text)
                    self._news.set()

            made.render = watched_render
            return made

        model.generate, voice.speaker = watched, watched_speaker
        self.finals.set()
        ears = self.engine("asr")
        open_stream = ears.open

        async def watched_open(options: Any) -> Any:
            stream = await open_stream(options)
            finalize = stream.finalize

            async def watched_finalize() -> Any:
                await self.finals.wait()
                return await finalize()

            stream.finalize = watched_finalize
            return stream

        ears.open = watched_open

    def engine(self, stage: str) -> Any:
        """Return a stage's engine."""
        service: Any = self.stack.servers[stage]._service
        return service._engine if stage == "llm" else service.engine

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Wait for what the engines do."""
        async with asyncio.timeout(DEADLINE_S):
            while not is_true():
                self._news.clear()
                await self._news.wait()

    async def until_idle(self) -> None:
        """Wait until no engine works on anything: a cancel takes a moment to arrive, and nothing tells when."""
        async with asyncio.timeout(DEADLINE_S):
            while self.engine("llm").running or self.engine("tts").running:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    @property
    def guesses(self) -> list[str]:
        """The caller's words that were answered on a guess."""
        return [request.messages[-1].content for request in self.asked if request.speculative]

    @property
    def live(self) -> list[str]:
        """The caller's words that were answered for certain."""
        return [request.messages[-1].content for request in self.asked if not request.speculative]


@asynccontextmanager
async def watched(
    folder: Path, *, agent: str = AGENT, start: dict[str, Any] | None = None, **stages: Any
) -> AsyncIterator[tuple[Watched, Caller]]:
    """Start a stack whose turns end `END_OF_TURN_MS` after their eager end, and call it."""
    settings: dict[str, Any] = {"turn": {"fake_end_of_turn_ms": END_OF_TURN_MS}}
    for stage, chosen in stages.items():
        settings[stage] = settings.get(stage, {}) | chosen
    async with stack(folder, agent=agent, **settings) as parts:
        engines = Watched(parts)
        async with calling(parts.channel, start_of(**(start or {}))) as caller:
            yield engines, caller


async def speak_up_to_the_eager_end(caller: Caller, frames: int = 20) -> None:
    """Speak, and fall silent for just so long that the turn is probably over."""
    await caller.audio(SPEECH, frames)
    await caller.audio(SILENCE, 4)


async def end_the_turn(caller: Caller) -> None:
    """Be silent for the rest of what ends the turn."""
    await caller.audio(SILENCE, END_OF_TURN_MS // 20)
