"""The stand-in's parsers of tool calls: one that it can hold to a schema, and one that streams a call bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar


@dataclass
class ChatCompletionRequest:
    messages: list[Any]
    tools: list[Any] | None = None
    tool_choice: str = "none"
    skip_special_tokens: bool = True


class ToolParser:
    """The base of the parsers. Streaming is that of `brackets`: calls as [[name|{...}]], name and arguments apart."""

    structural_tag_model: ClassVar[str | None] = None
    engine_based_streaming: ClassVar[bool] = False

    def __init__(self, tokenizer: Any, tools: list[Any] | None = None) -> None:
        self.sent = 0
        self.arguments: str | None = None

    def get_structural_tag(self, request: ChatCompletionRequest, *, reasoning: bool = False) -> Any:
        return None

    def adjust_request(self, request: ChatCompletionRequest) -> ChatCompletionRequest:
        request.skip_special_tokens = False
        return request

    def extract_tool_calls_streaming(
        self,
        previous_text: str,
        current_text: str,
        delta_text: str,
        previous_token_ids: Sequence[int],
        current_token_ids: Sequence[int],
        delta_token_ids: Sequence[int],
        request: ChatCompletionRequest,
    ) -> Any:
        if "broken" in current_text:
            raise KeyError("broken")
        content = current_text.partition("[")[0]
        said, self.sent = content[self.sent :], len(content)
        calls = []
        name, bar, arguments = current_text.partition("[[")[2].partition("|")
        # The last brace is left for the end, as some of vLLM's parsers do.
        sendable = arguments.partition("]")[0].removesuffix("}")
        if bar and self.arguments is None:
            self.arguments = ""
            calls.append(SimpleNamespace(index=0, id="c1", function=SimpleNamespace(name=name, arguments=None)))
        if self.arguments is not None and len(sendable) > len(self.arguments):
            more, self.arguments = sendable[len(self.arguments) :], sendable
            calls.append(SimpleNamespace(index=0, id=None, function=SimpleNamespace(name=None, arguments=more)))
        return SimpleNamespace(content=said, tool_calls=calls) if said or calls else None

    def get_remaining_unstreamed_args(self) -> str:
        return "" if self.arguments is None else "}"


class HermesToolParser(ToolParser):
    structural_tag_model = "hermes"

    def get_structural_tag(self, request: ChatCompletionRequest, *, reasoning: bool = False) -> Any:
        strict = [tool["function"] for tool in request.tools or [] if tool["function"].get("strict")]
        if not strict or request.tool_choice != "auto":
            return None
        tags = [
            {
                "type": "tag",
                "begin": f'<tool_call>\n{{"name": "{function["name"]}", "arguments": ',
                "content": {
                    "type": "json_schema",
                    "json_schema": function["parameters"],
                    "max_whitespace_cnt": None,  # of xgrammar 0.2.8; the 0.2.3 of the GPU image does not know it
                },
                "end": "}\n</tool_call>",
            }
            for function in strict
        ]
        form = {"type": "triggered_tags", "triggers": ["<tool_call>"], "tags": tags}
        return SimpleNamespace(model_dump=lambda: {"type": "structural_tag", "format": form})


class PickyToolParser(ToolParser):
    def __init__(self, tokenizer: Any, tools: list[Any] | None = None) -> None:
        raise RuntimeError("could not locate the bot token")


class ToolParserManager:
    parsers: ClassVar[dict[str, type[ToolParser]]] = {
        "hermes": HermesToolParser,
        "brackets": ToolParser,
        "picky": PickyToolParser,
    }

    @classmethod
    def get_tool_parser(cls, name: str) -> type[ToolParser]:
        return cls.parsers[name]

    @classmethod
    def list_registered(cls) -> list[str]:
        return sorted(cls.parsers)
