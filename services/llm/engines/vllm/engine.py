"""A language model on this machine's GPU: vLLM's AsyncLLM in process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from services.common.errors import EngineDead, EngineFault, InvalidInput, NotReady
from services.common.models import locate_model
from services.llm.engine import (
    Begun,
    Finished,
    FinishReason,
    GenerationRequest,
    LlmCapabilities,
    LlmEvent,
    Message,
    Priority,
    Role,
    Tool,
    ToolCall,
    Usage,
)
from services.llm.engines.chat.prompts import NEEDS, Prompts
from services.llm.engines.vllm import library
from services.llm.engines.vllm.arguments import engine_arguments, sampling_arguments
from services.llm.engines.vllm.calls import CallForm
from services.llm.engines.vllm.canary import Canary
from services.llm.engines.vllm.loading import loaded_llm, require_weights
from services.llm.engines.vllm.reaper import Reaper
from services.llm.engines.vllm.requests import Requests
from services.llm.settings import LlmSettings

log = logging.getLogger(__name__)

FIRST = -1
"""Priority of a probe; vLLM takes the least first. The others are those of `Priority`."""
WARM_TIMEOUT_S = 300
"""The first token may wait for kernels to be compiled."""
_WHY = (
    "the lines that it logged before this say why; where it is memory, see PARLEY_LLM_VLLM_GPU_MEMORY_UTILIZATION, "
    "PARLEY_LLM_VLLM_KV_CACHE_GIB and PARLEY_LLM_VLLM_MAX_MODEL_LEN"
)
"""vLLM's model process logs what it failed of, and this one hears only that it did."""
_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH, "repetition": FinishReason.STOP}
_WARMING = GenerationRequest(
    (Message(Role.USER, "Hello"),), tools=(Tool("warm_up", "", '{"type": "object", "properties": {}}'),)
)


@dataclass(frozen=True, slots=True)
class _Loaded:
    llm: Any
    prompts: Prompts
    form: CallForm
    requests: Requests

    def room(self, prompt_tokens: int) -> int:
        """Return how many tokens a reply may have. Raises InvalidInput where the conversation leaves none."""
        longest: int = self.llm.model_config.max_model_len
        if prompt_tokens >= longest:
            raise InvalidInput(
                f"a conversation of {prompt_tokens} tokens: send less than {longest} (PARLEY_LLM_VLLM_MAX_MODEL_LEN)"
            )
        return longest - prompt_tokens


class VllmEngine:
    """Streams replies of one model. Settings and their reasons are in `arguments.py`.

    What the model makes is gathered by vLLM as it comes, and merged: a slow reader holds up nothing. Requests of one
    tenant share computed prefixes with one another, and with nobody else. An engine that dies or gets stuck is noticed
    with or without a caller (`wait_dead`).
    """

    capabilities = LlmCapabilities("vllm", is_language_model=True, has_prefix_cache=True)

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._llm: Any = None
        self._loaded: _Loaded | None = None
        self._watching: asyncio.Task[None] | None = None
        self._reaper: Reaper | None = None
        self._probes = 0

    @property
    def running(self) -> int:
        """Requests that vLLM itself counts as unfinished, probes aside."""
        return max(0, self._loaded.requests.unfinished - self._probes) if self._loaded is not None else 0

    async def start(self) -> None:
        """Load and warm the model. Raises InvalidInput for what can be set otherwise, EngineFault for what cannot."""
        settings = self._settings
        folder = locate_model(
            settings.models_dir, settings.vllm_model, ("config.json", *NEEDS), setting="PARLEY_LLM_VLLM_MODEL"
        )
        arguments = engine_arguments(settings, folder)
        require_weights(folder, settings)
        prompts = await asyncio.to_thread(Prompts, folder)
        self._reaper = await asyncio.to_thread(Reaper)
        try:
            llm = self._llm = await loaded_llm(arguments, self._reaper)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"vLLM refuses the settings: {error}") from error
        except Exception as error:
            raise EngineFault(f"vLLM did not start ({type(error).__name__}: {error}): {_WHY}") from error
        canary = Canary(self._probe, settings.vllm_canary_idle_ms, settings.vllm_canary_timeout_ms)
        requests = Requests(llm, canary.sang)
        self._loaded = _Loaded(llm, prompts, CallForm(settings.vllm_tool_parser, llm.get_tokenizer()), requests)
        await self._warm(self._loaded)
        self._watching = asyncio.create_task(self._watch(canary, requests), name="vllm-canary")

    async def close(self) -> None:
        """Stop watching, then stop the model's process, and kill it where it does not; whatever became of the start.

        What still runs is the servicer's to close first.
        """
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        self._loaded = None
        llm, self._llm = self._llm, None
        if llm is not None:
            await asyncio.to_thread(llm.shutdown, self._settings.vllm_shutdown_timeout_ms / 1000)
        reaper, self._reaper = self._reaper, None
        if reaper is not None:
            await asyncio.to_thread(reaper.close)

    async def wait_dead(self) -> str:
        """Return once the engine can serve no more, with the reason. Raises NotReady where it is not started."""
        if self._loaded is None:
            raise NotReady("vLLM is not running")
        requests = self._loaded.requests
        await requests.died.wait()
        return requests.death or ""

    def model_label(self, model: str) -> str:
        """Return the model's name. Raises InvalidInput for another one: there is one model a process."""
        own = self._settings.vllm_model
        if model not in ("", own):
            raise InvalidInput(f"model {model[:64]!r}: this service runs {own}; name that, or none")
        return own

    async def prefill(self, request: GenerationRequest) -> int:
        """Compute what the conversation's next prompt begins with, last in the queue; return its tokens now cached."""
        loaded = self._ready()
        ids = await asyncio.to_thread(loaded.prompts.prefix_ids, request)
        loaded.room(len(ids))
        params = _params(max_tokens=1, temperature=0, detokenize=False)
        await _exhaust(loaded.requests.outputs(ids, params, Priority.PREFILL.value, request.tenant))
        block: int = loaded.llm.vllm_config.cache_config.block_size
        return len(ids) // block * block  # only whole blocks are kept

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmEvent, None]:
        """Yield text as it is made, and tool calls once they are whole; closing it aborts the request in vLLM."""
        loaded = self._ready()
        prompt = await asyncio.to_thread(loaded.prompts.prompt, request)
        reader = loaded.form.reader(request.tools, is_thinking=prompt.opens_thinking)
        params = self._reply_params(request, loaded.form, loaded.room(len(prompt.ids)))
        reason, tokens, cached = FinishReason.STOP, 0, 0
        has_begun = has_called = False
        async with aclosing(
            loaded.requests.outputs(prompt.ids, params, request.priority.value, request.tenant)
        ) as outputs:
            async for output in outputs:
                if not has_begun and output.metrics is not None:
                    has_begun = True
                    yield Begun(_queue_us(output.metrics))
                cached = output.num_cached_tokens or cached
                for made in output.outputs:
                    tokens += len(made.token_ids)
                    reason = _REASONS.get(made.finish_reason, reason)
                    for piece in reader.feed(made.text, made.token_ids):
                        has_called |= isinstance(piece, ToolCall)
                        yield piece
        for piece in reader.finish():
            has_called |= isinstance(piece, ToolCall)
            yield piece
        if reason is FinishReason.STOP:
            tokens -= 1  # the one that ends the message is none of it
        yield Finished(FinishReason.TOOL_CALLS if has_called else reason, Usage(len(prompt.ids), tokens, cached))

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise NotReady("vLLM is not running")
        if self._loaded.requests.death is not None:
            raise EngineDead(self._loaded.requests.death)
        return self._loaded

    def _reply_params(self, request: GenerationRequest, form: CallForm, room: int) -> Any:
        arguments = sampling_arguments(request.sampling, self._settings, room)
        if request.tools:
            offer = form.offer(request.tools)
            arguments["skip_special_tokens"] = offer.skip_special_tokens
            if offer.structural_tag is not None:
                # vLLM writes into it: one a request.
                arguments["structured_outputs"] = library.StructuredOutputsParams(structural_tag=offer.structural_tag)
        return _params(**arguments)

    async def _warm(self, loaded: _Loaded) -> None:
        """Make a token, then one with a tool on offer: kernels and grammars that the first caller would wait for."""
        if not loaded.form.is_constrained:
            log.warning("vLLM cannot hold this model's tool calls to their schemas: an invalid one fails its turn")
        try:
            async with asyncio.timeout(WARM_TIMEOUT_S):
                await self._probe()
                prompt = loaded.prompts.prompt(_WARMING)
                params = self._reply_params(_WARMING, loaded.form, 2)
                await _exhaust(loaded.requests.outputs(prompt.ids, params, FIRST, ""))
        except InvalidInput as refusal:
            log.warning("the model takes no tools", extra={"detail": str(refusal)})
        except TimeoutError:
            raise EngineFault(f"vLLM made no token within {WARM_TIMEOUT_S} s of its start") from None

    async def _probe(self) -> None:
        """Make one token, before everybody else."""
        loaded = self._ready()
        params = _params(max_tokens=1, temperature=0, detokenize=False)
        self._probes += 1
        try:
            await _exhaust(loaded.requests.outputs(loaded.prompts.end_ids[:1] or [0], params, FIRST, ""))
        finally:
            self._probes -= 1

    async def _watch(self, canary: Canary, requests: Requests) -> None:
        requests.die(await canary.watch(lambda: requests.has_died))
        await requests.abandon()


def _params(**arguments: Any) -> Any:
    return library.SamplingParams(n=1, output_kind=library.RequestOutputKind.DELTA, **arguments)


def _queue_us(metrics: Any) -> int:
    """Return how long a request stood in the scheduler's queue: both moments are of the engine core's clock."""
    queued_s: float = metrics.scheduled_ts - metrics.queued_ts
    return max(0, round(queued_s * 1e6))


async def _exhaust(outputs: AsyncGenerator[Any, None]) -> None:
    async with aclosing(outputs):
        async for _ in outputs:
            pass
