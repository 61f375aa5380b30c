"""All that the engine takes from vLLM, in one place: `signatures.py` records it, `check.py` compares it."""

from __future__ import annotations

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
