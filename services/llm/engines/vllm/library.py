"""All that the engine takes from vLLM, in one place: `signatures.py` records it, `check.py` compares it."""
# ruff: noqa: E402 - vLLM reads the environment while it is imported

from __future__ import annotations

import os

from services.llm.engines.vllm.environment import prepare

prepare(os.environ)

from vllm.config import StructuredOutputsConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.inputs import tokens_input
from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams
from vllm.tool_parsers import ToolParserManager
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

__all__ = [
    "AsyncEngineArgs",
    "AsyncLLM",
    "ChatCompletionRequest",
    "EngineDeadError",
    "EngineGenerateError",
    "RequestOutputKind",
    "SamplingParams",
    "StructuredOutputsConfig",
    "StructuredOutputsParams",
    "ToolParserManager",
    "tokens_input",
]
