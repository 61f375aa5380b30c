"""An agent's YAML script in place of a language model: no download, no key, the same answer run after run."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import date
from functools import lru_cache

from services.common.errors import InvalidInput
from services.common.language_tags import primary_subtag
from services.llm.engine import (
    Finished,
    FinishReason,
    GenerationRequest,
    LlmCapabilities,
    LlmEvent,
    TextDelta,
    ToolCall,
    Usage,
)
from services.llm.engines.rules.dialogue import reply_to
from services.llm.engines.rules.loading import LoadedScript, load_scripts
from services.llm.settings import LlmSettings

_WORD = re.compile(r"\s*\S+")


class RulesEngine:
    """Answers by script, and says so: `EngineInfo.model` is "rules script <name>".

    It knows its phrases and nothing else; usage counts words, for there is no tokenizer. Stateless: what a dialogue has
    come to is recomputed from the messages.
    """

    capabilities = LlmCapabilities(name="rules", is_language_model=False)

    def __init__(self, settings: LlmSettings, today: Callable[[], date] = date.today) -> None:
        self._settings = settings
        self._today = today
        self._scripts: Mapping[str, LoadedScript] = {}
        self._running = 0

    @property
    def running(self) -> int:
        """Generations now open."""
        return self._running

    async def start(self) -> None:
        """Load and check every script. Raises InvalidInput that names the file and the line of a mistake."""
        self._scripts = await asyncio.to_thread(load_scripts, self._settings.rules_dir)

    async def close(self) -> None:
        """Forget the scripts."""
        self._scripts = {}

    def model_label(self, model: str) -> str:
        """Return "rules script <name>", or without a name what is loaded. Raises InvalidInput for an unknown name."""
        if not model:
            return f"rules scripts {', '.join(self._scripts)}"
        self._script(model)
        return f"rules script {model}"

    async def prefill(self, request: GenerationRequest) -> int:
        """There is no cache."""
        return 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[LlmEvent, None]:
        """Yield the reply word by word, then the tool call, if any."""
        self._running += 1
        try:
            loaded = self._script(request.model)
            _check_language(request.language, loaded.script.language)
            tools = {tool.name: _accepted(tool.parameters_json_schema) for tool in request.tools}
            reply = reply_to(loaded, request.messages, tools, self._today())
            words = _WORD.findall(reply.text)
            limit = request.sampling.max_tokens
            said = words if limit is None else words[:limit]
            for index, word in enumerate(said):
                if index and self._settings.rules_word_delay_ms:
                    await asyncio.sleep(self._settings.rules_word_delay_ms / 1000)
                yield TextDelta(word)
            usage = Usage(sum(len(message.content.split()) for message in request.messages), len(said))
            if len(said) < len(words):
                yield Finished(FinishReason.LENGTH, usage)
            elif reply.call is not None:
                number = sum(len(message.tool_calls) for message in request.messages) + 1
                yield ToolCall(f"call_{number}", reply.call.name, json.dumps(reply.call.arguments))
                yield Finished(FinishReason.TOOL_CALLS, usage)
            else:
                yield Finished(FinishReason.STOP, usage)
        finally:
            self._running -= 1

    def _script(self, model: str) -> LoadedScript:
        name = model or (next(iter(self._scripts)) if len(self._scripts) == 1 else "")
        if name not in self._scripts:
            known = ", ".join(sorted(self._scripts))
            raise InvalidInput(f"model {model[:64]!r}: no such rules script; set one of {known}")
        return self._scripts[name]


def _check_language(wanted: str, spoken: str) -> None:
    if wanted and primary_subtag(wanted) != primary_subtag(spoken):
        raise InvalidInput(f"language {wanted[:35]!r}: this rules script speaks {spoken} only")


@lru_cache(maxsize=256)
def _accepted(schema_json: str) -> frozenset[str] | None:
    """Return the arguments that a tool takes; None where its schema allows any."""
    schema = json.loads(schema_json)
    if not isinstance(schema, dict) or schema.get("additionalProperties") is not False:
        return None
    return frozenset(schema.get("properties", {}))
