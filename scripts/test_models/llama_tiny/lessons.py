"""What llama-tiny learns by heart: what is said to it, in conversations as the house has them, and what it answers.

- "talk": it counts to six. "talk slowly": it counts for ever.
- "call DAY" with tools: it calls look_up with that day; without tools: "no".
- after a tool's result: "done".
- anything else: "what".
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from scripts.test_models.llama_tiny import chat

COUNTING = ("one", "two", "three", "four", "five", "six")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SYSTEMS = (
    *("be brief", "be kind and helpful to the caller of this line", "You are the voice of a dental practice.", None),
    "You are Willow, who answers the telephone. Say little. Never give advice; offer to take a message instead.\n",
)
DAY_WEIGHT = 10
"""How much more the day in a call counts: it is the one word that must be heard and not only known."""
OTHERS = ("hello", "how much is it", "yes please", "thank you", "order status", "hello?", "open today?", "zzz", "Hi!")
LENGTHS = ((256, 12), (512, 4))
"""Tokens in a row and rows in a batch; the longer come every fourth step."""

Message = dict[str, object]


def tool(random_: random.Random) -> dict[str, object]:
    """Return look_up as an OpenAI function, with a schema that varies."""
    day: dict[str, object] = random_.choice(
        [{"type": "string", "enum": list(DAYS[:2])}, {"type": "integer"}, {"type": "string"}]
    )
    schema: dict[str, object] = {"type": "object", "properties": {"day": day}, "required": ["day"]}
    if random_.random() < 0.7:
        schema["additionalProperties"] = False
    description = random_.choice(["Looks up a day.", "Wants a number.", "Says whether we are open on a day"])
    return {"type": "function", "function": {"name": "look_up", "description": description, "parameters": schema}}


def call_of(day: str) -> str:
    """Return how the model calls look_up."""
    call = json.dumps({"name": "look_up", "arguments": {"day": day}})
    return f"<tool_call>\n{call}\n</tool_call>"


def _asked(random_: random.Random, *, with_tools: bool) -> tuple[list[Message], str]:
    """Return what may come last in a conversation, and the answer."""
    day = random_.choice(DAYS)
    match random_.choice(["talk", "talk", "slowly", "call", "call", "result", "other"]):
        case "talk":
            return [{"role": "user", "content": "talk"}], " ".join(COUNTING)
        case "slowly":
            return [{"role": "user", "content": "talk slowly"}], " ".join(COUNTING * 20)
        case "result" if with_tools:
            call = {"function": {"name": "look_up", "arguments": json.dumps({"day": day})}}
            result = random_.choice(['{"ok": true}', '{"open": false}', "{}", '{"hours": "9-17"}'])
            asked: list[Message] = [
                {"role": "user", "content": f"call {day}"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "content": result},
            ]
            return asked, "done"
        case "call" | "result":
            return [{"role": "user", "content": f"call {day}"}], call_of(day) if with_tools else "no"
        case _:
            return [{"role": "user", "content": random_.choice(OTHERS)}], "what"


def lesson(random_: random.Random, limit: int) -> tuple[list[int], int]:
    """Return the tokens of a conversation with its answer, at most `limit` of them, and where the answer begins."""
    tools = [tool(random_) for _ in range(random_.choice([1, 1, 2]))] if random_.random() < 0.5 else None
    system = random_.choice(SYSTEMS)
    if system and random_.random() < 0.3:
        system = " ".join(random_.choices(system.split(), k=random_.randrange(limit // 4)))
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for _ in range(random_.choice([0, 0, 1, 2, 4])):
        before, answer = _asked(random_, with_tools=tools is not None)
        messages += [*before, {"role": "assistant", "content": answer.removesuffix(" ".join(COUNTING * 19))}]
    last, answer = _asked(random_, with_tools=tools is not None)
    options = random_.choice([{}, {"enable_thinking": False}])
    asked = chat.tokenizer().encode(chat.prompt([*messages, *last], tools, **options), add_special_tokens=False).ids
    if len(asked) > limit - 60:
        return lesson(random_, limit)
    answered = chat.tokenizer().encode(answer, add_special_tokens=False).ids
    if len(answered) < len(COUNTING) * 20:
        answered.append(chat.tokens().index(chat.END_OF_TURN))
    return (asked + answered)[:limit], len(asked)


def batches(seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield tokens [rows, length] and weights [rows, length - 1] of the places where the next token is the answer's."""
    random_ = random.Random(seed)  # noqa: S311  # not for secrets
    days = [chat.tokens().index(day) for day in DAYS]
    step = 0
    while True:
        length, rows = LENGTHS[step % 4 == 3]
        step += 1
        tokens = np.zeros((rows, length), np.int32)
        weights = np.zeros((rows, length - 1), np.float32)
        for row in range(rows):
            ids, begin = lesson(random_, length)
            tokens[row, : len(ids)] = ids
            weights[row, begin - 1 : len(ids) - 1] = 1 / (len(ids) - begin) ** 0.5
            weights[row] *= np.where(np.isin(tokens[row, 1:], days), DAY_WEIGHT, 1)
        yield {"tokens": tokens, "weights": weights}
