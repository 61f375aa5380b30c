"""A vLLM without a GPU: the names that the engine takes from it, with vLLM 0.26's own signatures.

`install` puts it in the place of the library. A test holds it to the record that the real one is compared with.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from tests.integration.llm.vllm_core import BLOCK, Core, Made
from tests.integration.llm.vllm_parsers import ChatCompletionRequest, ToolParser, ToolParserManager

started: list[AsyncLLM] = []
"""Every engine that was made, the last one last."""


class EngineDeadError(Exception):
    """The process is gone."""


class EngineGenerateError(Exception):
    """One request failed."""


class RequestOutputKind(Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2


@dataclass
class StructuredOutputsConfig:
    backend: str = "auto"


@dataclass
class StructuredOutputsParams:
    structural_tag: str | None = None


@dataclass
class SamplingParams:
    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    max_tokens: int | None = 16
    detokenize: bool = True
    skip_special_tokens: bool = True
    output_kind: RequestOutputKind = RequestOutputKind.CUMULATIVE
    structured_outputs: StructuredOutputsParams | None = None


@dataclass
class AsyncEngineArgs:
    model: str = ""
    served_model_name: str | None = None
    trust_remote_code: bool = False
    dtype: str = "auto"
    quantization: str | None = None
    tensor_parallel_size: int = 1
    seed: int = 0
    gpu_memory_utilization: float = 0.92
    kv_cache_memory_bytes: int | None = None
    kv_cache_dtype: str = "auto"
    max_model_len: int = 8192
    max_num_batched_tokens: int = 2048
    max_num_seqs: int = 128
    enable_chunked_prefill: bool | None = None
    long_prefill_token_threshold: int = 0
    scheduling_policy: str = "fcfs"
    async_scheduling: bool | None = None
    enable_prefix_caching: bool | None = None
    prefix_caching_hash_algo: str = "sha256"
    enforce_eager: bool = False
    performance_mode: str = "balanced"
    stream_interval: int = 1
    disable_log_stats: bool = False
    otlp_traces_endpoint: str | None = None
    enable_log_requests: bool = False
    load_format: str = "auto"
    structured_outputs_config: StructuredOutputsConfig = field(default_factory=StructuredOutputsConfig)


@dataclass
class CompletionOutput:
    text: str
    token_ids: list[int]
    finish_reason: str | None = None


@dataclass
class RequestStateStats:
    queued_ts: float = 0.0
    scheduled_ts: float = 0.0


@dataclass
class RequestOutput:
    outputs: list[CompletionOutput]
    finished: bool
    num_cached_tokens: int | None = None
    metrics: RequestStateStats | None = None


def tokens_input(
    prompt_token_ids: list[int], *, prompt: str | None = None, cache_salt: str | None = None
) -> dict[str, Any]:
    return {"type": "token", "prompt_token_ids": prompt_token_ids, "cache_salt": cache_salt}


class Collector:
    """Merges what a reader has not taken yet, as RequestOutputCollector does."""

    def __init__(self) -> None:
        self.output: RequestOutput | Exception | None = None
        self.ready = asyncio.Event()

    def put(self, output: RequestOutput | Exception) -> None:
        if isinstance(self.output, RequestOutput) and isinstance(output, RequestOutput):
            self.output.finished |= output.finished
            mine, its = self.output.outputs[0], output.outputs[0]
            mine.text += its.text
            mine.token_ids += its.token_ids
            mine.finish_reason = its.finish_reason
        else:
            self.output = output
        self.ready.set()

    async def get(self) -> RequestOutput:
        while self.output is None:
            await self.ready.wait()
        output, self.output = self.output, None
        self.ready.clear()
        if isinstance(output, Exception):
            raise output
        return output


@dataclass
class State:
    external_id: str
    params: SamplingParams
    queue: Collector
    text: DecodeStream


class OutputProcessor:
    """Counts what is unfinished, and turns tokens into text."""

    def __init__(self, tokenizer: Tokenizer, log_stats: bool) -> None:
        self.tokenizer = tokenizer
        self.log_stats = log_stats
        self.states: dict[str, State] = {}

    def get_num_unfinished_requests(self) -> int:
        return len(self.states)

    def put(self, made: Made) -> None:
        if (state := self.states.get(made.request.id)) is None:
            return
        is_end = made.finish_reason == "stop"
        text = None if is_end or not state.params.detokenize else state.text.step(self.tokenizer, made.token)
        completion = CompletionOutput(text or "", [made.token], made.finish_reason)
        request = made.request
        stats = RequestStateStats(request.queued_ts, request.scheduled_ts) if self.log_stats else None
        state.queue.put(RequestOutput([completion], made.finish_reason is not None, request.cached, stats))
        if made.finish_reason is not None:
            del self.states[made.request.id]

    def abort(self, request_ids: Iterable[str], internal: bool) -> list[str]:
        wanted = set(request_ids)
        ended = [key for key, state in self.states.items() if (key if internal else state.external_id) in wanted]
        for key in ended:
            self.states.pop(key).queue.put(RequestOutput([CompletionOutput("", [], "abort")], True))
        return ended


class AsyncLLM:
    """As the real one, over a core in this process. `requests` keeps what was asked."""

    def __init__(self, engine_args: AsyncEngineArgs) -> None:
        folder = Path(engine_args.model)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        end = json.loads((folder / "tokenizer_config.json").read_text())["eos_token"]
        self.engine_args = engine_args
        self.core = Core(engine_args, tokenizer, tokenizer.token_to_id(end) or 0)
        self.model_config = SimpleNamespace(max_model_len=engine_args.max_model_len)
        self.vllm_config = SimpleNamespace(cache_config=SimpleNamespace(block_size=BLOCK))
        self.output_processor = OutputProcessor(tokenizer, not engine_args.disable_log_stats)
        self.requests: list[dict[str, Any]] = []
        self.adding = asyncio.Event()
        self.adding.set()
        self.failure: Exception | None = None
        self.shut_down_within: float | None = None
        self._is_dead = False
        self._tasks: list[asyncio.Task[None]] = []
        started.append(self)

    @classmethod
    def from_engine_args(
        cls,
        engine_args: AsyncEngineArgs,
        start_engine_loop: bool = True,
        usage_context: str = "ENGINE_CONTEXT",
        stat_loggers: list[Any] | None = None,
    ) -> AsyncLLM:
        if engine_args.max_num_batched_tokens < engine_args.max_num_seqs:
            raise ValueError("max_num_batched_tokens must be greater than or equal to max_num_seqs")
        return cls(engine_args)

    async def generate(
        self,
        prompt: Any,
        sampling_params: SamplingParams,
        request_id: str,
        *,
        prompt_text: str | None = None,
        lora_request: Any = None,
        tokenization_kwargs: dict[str, Any] | None = None,
        trace_headers: Mapping[str, str] | None = None,
        priority: int = 0,
        data_parallel_rank: int | None = None,
        reasoning_ended: bool | None = None,
        reasoning_parser_kwargs: dict[str, Any] | None = None,
    ) -> AsyncGenerator[RequestOutput, None]:
        if self.errored:
            raise EngineDeadError
        if isinstance(self.failure, ValueError):
            raise self.failure
        self.requests.append(
            {"prompt": prompt, "params": sampling_params, "priority": priority, "trace": trace_headers}
        )
        internal_id = f"{request_id}-{len(self.requests)}"
        queue: Collector | None = None
        try:
            queue = await self._add(internal_id, request_id, prompt, sampling_params, priority)
            finished = False
            while not finished:
                output = await queue.get()
                finished = output.finished
                yield output
        except (asyncio.CancelledError, GeneratorExit):
            if queue is not None:
                await self.abort(internal_id, internal=True)
            raise
        except EngineDeadError:
            raise
        except Exception as error:
            if queue is not None:
                await self.abort(internal_id, internal=True)
            raise EngineGenerateError from error

    async def _add(
        self, internal_id: str, request_id: str, prompt: Any, params: SamplingParams, priority: int
    ) -> Collector:
        if not self._tasks:
            self._tasks = [asyncio.create_task(self.core.run()), asyncio.create_task(self._put_out())]
        queue = Collector()
        stream = DecodeStream(skip_special_tokens=params.skip_special_tokens)
        self.output_processor.states[internal_id] = State(request_id, params, queue, stream)
        await self.adding.wait()
        if self.failure is not None:
            raise self.failure
        self.core.add(internal_id, prompt["prompt_token_ids"], params, priority, prompt["cache_salt"] or "")
        return queue

    async def _put_out(self) -> None:
        while True:
            for made in await self.core.outputs.get():
                self.output_processor.put(made)

    async def abort(self, request_id: str | Iterable[str], internal: bool = False) -> None:
        ids = [request_id] if isinstance(request_id, str) else list(request_id)
        self.core.abort(self.output_processor.abort(ids, internal))

    def get_tokenizer(self) -> Tokenizer:
        return self.output_processor.tokenizer

    @property
    def errored(self) -> bool:
        return self._is_dead

    def die(self) -> None:
        """Lose the process, as a GPU fault does."""
        self._is_dead = True
        for state in self.output_processor.states.values():
            state.queue.put(EngineDeadError())

    def shutdown(self, timeout: float | None = None) -> None:
        self.shut_down_within = timeout
        for task in self._tasks:
            task.get_loop().call_soon_threadsafe(task.cancel)


_MODULES: Mapping[str, tuple[Any, ...]] = {
    "vllm": (),
    "vllm.config": (StructuredOutputsConfig,),
    "vllm.engine": (),
    "vllm.engine.arg_utils": (AsyncEngineArgs,),
    "vllm.entrypoints": (),
    "vllm.entrypoints.openai": (),
    "vllm.entrypoints.openai.chat_completion": (),
    "vllm.entrypoints.openai.chat_completion.protocol": (ChatCompletionRequest,),
    "vllm.inputs": (tokens_input,),
    "vllm.outputs": (RequestOutput, CompletionOutput),
    "vllm.sampling_params": (RequestOutputKind, SamplingParams, StructuredOutputsParams),
    "vllm.tool_parsers": (ToolParserManager,),
    "vllm.tool_parsers.abstract_tool_parser": (ToolParser,),
    "vllm.v1": (),
    "vllm.v1.engine": (),
    "vllm.v1.engine.async_llm": (AsyncLLM,),
    "vllm.v1.engine.exceptions": (EngineDeadError, EngineGenerateError),
    "vllm.v1.engine.output_processor": (OutputProcessor,),
    "vllm.v1.metrics": (),
    "vllm.v1.metrics.stats": (RequestStateStats,),
}


def install() -> None:
    """Be the library that `import vllm` finds in this process, whether it is installed or not."""
    for name, things in _MODULES.items():
        module = ModuleType(name)
        module.__path__ = []
        for thing in things:
            setattr(module, thing.__name__, thing)
        sys.modules[name] = module
    before = dict(os.environ)
    importlib.import_module("services.llm.engines.vllm.library")
    # What is set for vLLM is not meant for the processes of other tests.
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
