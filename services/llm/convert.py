"""Protobuf messages to the engine's dataclasses and back; whatever is unusable is refused here."""

from __future__ import annotations

import math

from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2

from services.common.aliases import resolve
from services.common.errors import InvalidInput
from services.llm.engine import (
    Finished,
    FinishReason,
    GenerationRequest,
    LlmOutput,
    Message,
    Priority,
    Role,
    Sampling,
    TextDelta,
    Tool,
    ToolCall,
)
from services.llm.settings import LlmSettings

_ROLES = {
    llm_pb2.CHAT_ROLE_SYSTEM: Role.SYSTEM,
    llm_pb2.CHAT_ROLE_USER: Role.USER,
    llm_pb2.CHAT_ROLE_ASSISTANT: Role.ASSISTANT,
    llm_pb2.CHAT_ROLE_TOOL: Role.TOOL,
}
_PRIORITIES = {
    llm_pb2.GENERATION_PRIORITY_UNSPECIFIED: Priority.LIVE,
    llm_pb2.GENERATION_PRIORITY_LIVE: Priority.LIVE,
    llm_pb2.GENERATION_PRIORITY_SPECULATIVE: Priority.SPECULATIVE,
    llm_pb2.GENERATION_PRIORITY_PREFILL: Priority.PREFILL,
}
_REASONS = {
    FinishReason.STOP: llm_pb2.FINISH_REASON_STOP,
    FinishReason.LENGTH: llm_pb2.FINISH_REASON_LENGTH,
    FinishReason.TOOL_CALLS: llm_pb2.FINISH_REASON_TOOL_CALLS,
    FinishReason.CANCELLED: llm_pb2.FINISH_REASON_CANCELLED,
}
MAX_SESSION_ID_CHARS = 128


def generation_request(config: llm_pb2.GenerateConfig, settings: LlmSettings, tenant: str = "") -> GenerationRequest:
    """Return what to generate, for whom. Raises InvalidInput that says which message or setting is no good, and why."""
    if len(config.session_id) > MAX_SESSION_ID_CHARS:
        raise InvalidInput(f"session_id of {len(config.session_id)} characters: send at most {MAX_SESSION_ID_CHARS}")
    if len(tenant) > MAX_SESSION_ID_CHARS:
        raise InvalidInput(f"x-tenant-id of {len(tenant)} characters: send at most {MAX_SESSION_ID_CHARS}")
    if not config.messages:
        raise InvalidInput("no messages: send the conversation, oldest first")
    if len(config.messages) > settings.max_messages:
        raise InvalidInput(f"{len(config.messages)} messages: send at most {settings.max_messages}")
    if len(config.tools) > settings.max_tools:
        raise InvalidInput(f"{len(config.tools)} tools: offer at most {settings.max_tools}")
    if config.priority not in _PRIORITIES:
        raise InvalidInput(f"priority {config.priority} is not known")
    return GenerationRequest(
        messages=tuple(_message(index, message) for index, message in enumerate(config.messages)),
        model=resolve(settings.model_aliases, config.model),
        tools=tuple(Tool(tool.name, tool.description, tool.parameters_json_schema) for tool in config.tools),
        sampling=_sampling(config.sampling),
        priority=_PRIORITIES[config.priority],
        speculative=config.speculative,
        language=config.language,
        tenant=tenant,
    )


def _message(index: int, message: llm_pb2.ChatMessage) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        raise InvalidInput(f"messages[{index}].role {message.role}: set system, user, assistant or tool")
    if message.tool_calls and role is not Role.ASSISTANT:
        raise InvalidInput(f"messages[{index}]: only an assistant message has tool_calls")
    if (role is Role.TOOL) != bool(message.tool_call_id):
        raise InvalidInput(f"messages[{index}].tool_call_id: set it in tool messages, and only there")
    calls = tuple(ToolCall(call.id, call.name, call.arguments_json) for call in message.tool_calls)
    return Message(role, message.content, calls, message.tool_call_id)


def _sampling(sampling: llm_pb2.Sampling) -> Sampling:
    temperature = sampling.temperature if sampling.HasField("temperature") else None
    top_p = sampling.top_p if sampling.HasField("top_p") else None
    max_tokens = sampling.max_tokens if sampling.HasField("max_tokens") else None
    if temperature is not None and not (math.isfinite(temperature) and 0 <= temperature <= 2):
        raise InvalidInput(f"sampling.temperature {temperature}: send 0 to 2")
    if top_p is not None and not 0 < top_p <= 1:
        raise InvalidInput(f"sampling.top_p {top_p}: send more than 0 and at most 1")
    if max_tokens == 0:
        raise InvalidInput("sampling.max_tokens 0: send at least 1, or leave it unset")
    return Sampling(temperature, top_p, max_tokens, sampling.seed if sampling.HasField("seed") else None)


def event_response(event: LlmOutput, turn_epoch: int, timing: common_pb2.ServerTiming) -> llm_pb2.GenerateResponse:
    """Return the response that carries one event of the engine."""
    match event:
        case TextDelta(text):
            return llm_pb2.GenerateResponse(
                turn_epoch=turn_epoch, timing=timing, text_delta=llm_pb2.TextDelta(text=text)
            )
        case ToolCall(call_id, name, arguments_json):
            call = llm_pb2.ToolCall(id=call_id, name=name, arguments_json=arguments_json)
            return llm_pb2.GenerateResponse(turn_epoch=turn_epoch, timing=timing, tool_call=call)
        case Finished(reason, usage):
            finished = llm_pb2.GenerationFinished(
                reason=_REASONS[reason],
                usage=llm_pb2.Usage(
                    prompt_tokens=usage.prompt_tokens,
                    completion_tokens=usage.completion_tokens,
                    cached_tokens=usage.cached_tokens,
                ),
            )
            return llm_pb2.GenerateResponse(turn_epoch=turn_epoch, timing=timing, finished=finished)
