"""What the engine counts on in vLLM 0.26, as data; read in its source, compared with the real thing by `check.py`.

vLLM changes from version to version. Where it has, this says what, before a caller does. The tests' stand-in is held
to the same record.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

_ASYNC_LLM = "vllm.v1.engine.async_llm:AsyncLLM"
_PARSER = "vllm.tool_parsers.abstract_tool_parser:ToolParser"
_MANAGER = "vllm.tool_parsers:ToolParserManager"

SIGNATURES: Mapping[str, str] = {
    f"{_ASYNC_LLM}.from_engine_args": "engine_args, start_engine_loop=, usage_context=, stat_loggers=",
    f"{_ASYNC_LLM}.generate": (
        "self, prompt, sampling_params, request_id, *, prompt_text=, lora_request=, tokenization_kwargs=, "
        "trace_headers=, priority=, data_parallel_rank=, reasoning_ended=, reasoning_parser_kwargs="
    ),
    f"{_ASYNC_LLM}.abort": "self, request_id, internal=",
    f"{_ASYNC_LLM}.shutdown": "self, timeout=",
    f"{_ASYNC_LLM}.get_tokenizer": "self",
    "vllm.v1.engine.output_processor:OutputProcessor.get_num_unfinished_requests": "self",
    "vllm.inputs:tokens_input": "prompt_token_ids, *, prompt=, cache_salt=",
    f"{_MANAGER}.get_tool_parser": "name",
    f"{_MANAGER}.list_registered": "",
    f"{_PARSER}.__init__": "self, tokenizer, tools=",
    f"{_PARSER}.get_structural_tag": "self, request, *, reasoning=",
    f"{_PARSER}.adjust_request": "self, request",
    f"{_PARSER}.extract_tool_calls_streaming": (
        "self, previous_text, current_text, delta_text, previous_token_ids, current_token_ids, delta_token_ids, request"
    ),
    f"{_PARSER}.get_remaining_unstreamed_args": "self",
}
"""Callables with all their parameters: `name=` has a default, what follows `*` is given by name."""

ACCEPTED: Mapping[str, tuple[str, ...]] = {
    "vllm.sampling_params:SamplingParams": (
        "n",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "max_tokens",
        "detokenize",
        "skip_special_tokens",
        "output_kind",
        "structured_outputs",
    ),
    "vllm.sampling_params:StructuredOutputsParams": ("structural_tag",),
    "vllm.config:StructuredOutputsConfig": ("backend",),
    "vllm.entrypoints.openai.chat_completion.protocol:ChatCompletionRequest": (
        "messages",
        "tools",
        "tool_choice",
        "skip_special_tokens",
    ),
    "vllm.outputs:RequestOutput": ("outputs", "finished", "num_cached_tokens", "metrics"),
    "vllm.v1.metrics.stats:RequestStateStats": ("queued_ts", "scheduled_ts"),
    "vllm.outputs:CompletionOutput": ("text", "token_ids", "finish_reason"),
}
"""Classes, each with what must be among the names that it is made of."""

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    _ASYNC_LLM: ("errored",),
    _PARSER: ("structural_tag_model", "engine_based_streaming"),
    "vllm.sampling_params:RequestOutputKind": ("DELTA",),
    "vllm.v1.engine.exceptions": ("EngineDeadError", "EngineGenerateError"),
}
"""Classes and modules, each with what must be found in it."""

SET_BY_INIT: Mapping[str, tuple[str, ...]] = {_ASYNC_LLM: ("output_processor", "model_config", "vllm_config")}
"""Classes, each with attributes that its objects get when they are made."""


def found(path: str) -> Any:
    """Return what "module:Name.attribute" names. Raises ImportError or AttributeError."""
    module, _, name = path.partition(":")
    thing: Any = importlib.import_module(module)
    for part in filter(None, name.split(".")):
        thing = getattr(thing, part)
    return thing


def described(function: Callable[..., Any]) -> str:
    """Return a callable's parameters as SIGNATURES writes them."""
    parts: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        star = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
        parts.append(star + name + ("" if parameter.default is parameter.empty else "="))
    return ", ".join(parts)


def accepted(kind: type) -> set[str]:
    """Return the names that objects of a class are made of: a model's fields, a struct's, or its parameters."""
    for fields in ("model_fields", "__struct_fields__", "__dataclass_fields__"):
        if names := getattr(kind, fields, None):
            return set(names)
    return set(inspect.signature(kind).parameters)


def differences(engine_arguments: Iterable[str]) -> list[str]:
    """Return where the vllm that imports here is not as recorded; `engine_arguments` are names for AsyncEngineArgs."""
    wanted = {**ACCEPTED, "vllm.engine.arg_utils:AsyncEngineArgs": tuple(engine_arguments)}
    told = [_compared(path, partial(_signature_fault, recorded)) for path, recorded in SIGNATURES.items()]
    told += [_compared(path, partial(_names_fault, names, accepted)) for path, names in wanted.items()]
    told += [_compared(path, partial(_names_fault, names, dir)) for path, names in ATTRIBUTES.items()]
    told += [_compared(path, partial(_names_fault, names, _set_by_init)) for path, names in SET_BY_INIT.items()]
    return [fault for fault in told if fault]


def _compared(path: str, fault_of: Callable[[Any], str]) -> str:
    try:
        fault = fault_of(found(path))
    except (ImportError, AttributeError) as missing:
        fault = str(missing)
    return f"{path}: {fault}" if fault else ""


def _signature_fault(recorded: str, function: Any) -> str:
    takes = described(function)
    return "" if takes == recorded else f"takes ({takes}), recorded is ({recorded})"


def _names_fault(names: Iterable[str], names_of: Callable[[Any], Iterable[str]], thing: Any) -> str:
    lacking = sorted(set(names) - set(names_of(thing)))
    return f"lacks {', '.join(lacking)}" if lacking else ""


def _set_by_init(kind: Any) -> Iterable[str]:
    names: Iterable[str] = kind.__init__.__code__.co_names
    return names
