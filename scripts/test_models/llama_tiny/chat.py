"""How llama-tiny's conversations are written: ChatML with tools as Qwen3 and Hermes take them, and its tokens."""

from __future__ import annotations

import functools
import json

import jinja2.sandbox
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

END_OF_TEXT = "<|endoftext|>"
TURN = "<|im_start|>"
END_OF_TURN = "<|im_end|>"
SPECIAL = (END_OF_TEXT, TURN, END_OF_TURN)
TAGS = (
    "<tools>",
    "</tools>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
)
"""Tokens of their own that stay in decoded text, since a parser looks for them."""

TEMPLATE = """\
{%- if tools or messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content }}
    {%- endif %}
    {%- if tools %}
        {{- '\\n\\n# Tools\\n\\nThese functions may be called:\\n<tools>' }}
        {%- for tool in tools %}
            {{- '\\n' }}{{- tool | tojson }}
        {%- endfor %}
        {{- '\\n</tools>\\n\\nTo call one, answer with its name and its arguments in JSON:\\n<tool_call>\\n{"name": ' }}
        {{- '<name>, "arguments": <arguments>}\\n</tool_call>' }}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' + (message.content or '') }}
        {%- for call in message.tool_calls or [] %}
            {%- set function = call.function or call %}
            {{- '\\n' if message.content or not loop.first }}
            {{- '<tool_call>\\n{"name": "' + function.name + '", "arguments": ' }}
            {{- function.arguments if function.arguments is string else function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user' if loop.first or messages[loop.index0 - 1].role != 'tool' }}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {{- '<|im_end|>\\n' if loop.last or messages[loop.index0 + 1].role != 'tool' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and not enable_thinking %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

_KNOWN_TEXT = """\
one two three four five six done what no talk slowly call monday tuesday wednesday thursday friday saturday sunday
system user assistant
be brief
be kind and helpful to the caller of this line
the a you are is it to in and we our open today not yes please thank hello how much order status
# Tools

These functions may be called:

To call one, answer with its name and its arguments in JSON:
{"name": <name>, "arguments": <arguments>}
{"name": "look_up", "arguments": {"day": "monday"}}
{"day": "tuesday"} {"day": "wednesday"} {"day": "thursday"} {"day": "friday"} {"day": "saturday"} {"day": "sunday"}
{"type": "function", "function": {"name": "look_up", "description": "Looks up a day.", "parameters": {"type": "object",
"properties": {"day": {"type": "string", "enum": ["monday", "tuesday"]}}, "required": ["day"],
"additionalProperties": false}}}, true, "integer", "number", "array", "items", {"ok": true}, "results", "open",
"""
"""Its pieces are tokens of their own; everything else is spelled in bytes."""


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


@functools.cache
def tokens() -> tuple[str, ...]:
    """Return the tokens in the order of their ids: bytes, known pieces, tags and special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # A word is known at the beginning of a line too.
    words = " ".join(_KNOWN_TEXT.split()) + "\n" + "\n".join(word for word in _KNOWN_TEXT.split() if word.isalpha())
    pieces = dict.fromkeys(piece for piece, _ in _pre_tokenizer().pre_tokenize_str(words) if len(piece) > 1)
    return (*alphabet, *pieces, *TAGS, *SPECIAL)


@functools.cache
def tokenizer() -> Tokenizer:
    """Return the tokenizer that becomes tokenizer.json."""
    known = tokens()[: -len(TAGS) - len(SPECIAL)]
    vocabulary = {token: place for place, token in enumerate(known)}
    # Without merges a piece is one token where it is known whole, else bytes.
    made = Tokenizer(models.BPE(vocabulary, [], ignore_merges=True))
    made.pre_tokenizer = _pre_tokenizer()
    made.decoder = decoders.ByteLevel()
    made.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in TAGS])
    made.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    return made


def tokenizer_config() -> dict[str, object]:
    """Return tokenizer_config.json: the template and the tokens that end things."""
    ends = {"bos_token": None, "eos_token": END_OF_TURN, "pad_token": END_OF_TEXT, "unk_token": None}
    limits = {"model_max_length": 4096, "add_bos_token": False, "clean_up_tokenization_spaces": False}
    return {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": TEMPLATE, **ends, **limits}


@functools.cache
def _template() -> jinja2.Template:
    # As Hugging Face's libraries render templates; its tojson escapes nothing for HTML.
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = functools.partial(json.dumps, ensure_ascii=False)
    return environment.from_string(TEMPLATE)


def prompt(messages: list[dict[str, object]], tools: list[dict[str, object]] | None = None, **options: object) -> str:
    """Return a conversation as the model is asked to go on with it."""
    return _template().render(messages=messages, tools=tools, add_generation_prompt=True, **options)
