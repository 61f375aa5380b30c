"""A language model that CTranslate2 runs in this process: for machines with no GPU and a converted model at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager

from services.common.errors import InvalidInput, NotReady
from services.common.models import locate_model
from services.common.slots import Slots
from services.llm.engine import GenerationRequest, LlmCapabilities, LlmEvent, Priority, Sampling
from services.llm.engines.chat.prompts import NEEDS
from services.llm.engines.ctranslate.decoding import Decoding, Order, Token, run
from services.llm.engines.ctranslate.loaded import Loaded
from services.llm.engines.ctranslate.writing import Writing
from services.llm.settings import LlmSettings
from services.llm.toolgate import compile_tools


class CTranslate2Engine:
    """Runs `ctranslate2_parallel` generations at once; others wait in order of priority.

    The system message and the tools of the first `ctranslate2_cached_prompts` agents stay in memory, computed (the
    library never forgets such a state, so there is a bound). Small models write calls that are no good now and then:
    such a call is thrown away and written once more before the servicer's gate would refuse it. A seed is not honoured:
    the library has one for the process.
    """

    capabilities = LlmCapabilities("ctranslate2", is_language_model=True, has_prefix_cache=True)

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._slots = Slots(settings.ctranslate2_parallel, settings.ctranslate2_max_queued)
        self._threads = ThreadPoolExecutor(settings.ctranslate2_parallel, thread_name_prefix="ctranslate2")
        self._loaded: Loaded | None = None
        self._running = 0

    @property
    def running(self) -> int:
        """Requests that wait for a thread or hold one."""
        return self._running

    async def start(self) -> None:
        """Load the model and run it once. Raises InvalidInput that says which file or setting is no good."""
        settings = self._settings
        folder = locate_model(
            settings.models_dir,
            settings.ctranslate2_model,
            ("model.bin", "config.json", *NEEDS),
            setting="PARLEY_LLM_CTRANSLATE2_MODEL",
        )
        loaded = await asyncio.to_thread(Loaded, folder, settings)
        # The first run allocates what later ones use.
        warming = self._order(loaded, loaded.names(loaded.prompts.end_ids[:1]), max_tokens=1)
        await asyncio.to_thread(run, loaded.generator, warming, _ignored)
        self._loaded = loaded

    async def close(self) -> None:
        """Release the model. What still runs is the servicer's to close first."""
        self._loaded = None
        self._threads.shutdown(wait=False, cancel_futures=True)

    def model_label(self, model: str) -> str:
        """Return the model's name. Raises InvalidInput for another one: there is one model a process."""
        own = self._settings.ctranslate2_model
        if model not in ("", own):
            raise InvalidInput(f"model {model[:64]!r}: this service runs {own}; name that, or none")
        return own

    async def prefill(self, request: GenerationRequest) -> int:
        """Compute the system message and the tools, and keep them; return their tokens, 0 where there is no room."""
        loaded = self._ready()
        ids = await asyncio.to_thread(loaded.kept_ids, request)
        if not ids:
            return 0
        any_token = loaded.names(loaded.prompts.end_ids[:1])
        order = self._order(loaded, any_token, static=loaded.names(ids), max_tokens=1)
        self._running += 1
        try:
            async with (
                self._decoding(loaded, order, Priority.PREFILL) as decoding,
                aclosing(decoding.tokens()) as arriving,
            ):
                async for _ in arriving:
                    pass
        finally:
            self._running -= 1
        return len(ids)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmEvent, None]:
        """Yield text as it is written, and tool calls once they are whole and fit; one that does not is tried again."""
        loaded = self._ready()
        settings = self._settings
        self._running += 1
        try:
            prompt = await asyncio.to_thread(loaded.split, request)
            room = settings.ctranslate2_context_tokens - prompt.tokens
            if room <= 0:
                raise InvalidInput(
                    f"a conversation of {prompt.tokens} tokens: send less than "
                    f"{settings.ctranslate2_context_tokens} (PARLEY_LLM_CTRANSLATE2_CONTEXT_TOKENS)"
                )
            wanted = request.sampling.max_tokens or settings.ctranslate2_max_tokens
            order = self._order(
                loaded, prompt.rest, static=prompt.static, max_tokens=min(wanted, room), sampling=request.sampling
            )
            writing = Writing(
                loaded.prompts,
                order,
                compile_tools(request.tools),
                lambda order: self._decoding(loaded, order, request.priority),
                opens_thinking=prompt.opens_thinking,
                prompt_tokens=prompt.tokens,
            )
            async with aclosing(writing.events()) as events:
                async for event in events:
                    yield event
        finally:
            self._running -= 1

    @asynccontextmanager
    async def _decoding(self, loaded: Loaded, order: Order, priority: Priority) -> AsyncIterator[Decoding]:
        queue_us = await self._slots.take(priority.value)
        decoding = Decoding(self._threads, loaded.generator, order, self._slots.give_back, queue_us)
        async with aclosing(decoding):
            yield decoding

    def _order(
        self,
        loaded: Loaded,
        prompt: list[str],
        *,
        static: list[str] | None = None,
        max_tokens: int,
        sampling: Sampling | None = None,
    ) -> Order:
        sampling = sampling or Sampling()
        settings = self._settings
        return Order(
            prompt=prompt,
            static_prompt=static or [],
            end_ids=loaded.prompts.end_ids,
            max_tokens=max_tokens,
            temperature=settings.ctranslate2_temperature if sampling.temperature is None else sampling.temperature,
            top_p=settings.ctranslate2_top_p if sampling.top_p is None else sampling.top_p,
            top_k=settings.ctranslate2_top_k,
        )

    def _ready(self) -> Loaded:
        if self._loaded is None:
            raise NotReady("the model is not loaded")
        return self._loaded


def _ignored(_: Token) -> bool:
    return False
