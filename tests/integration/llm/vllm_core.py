"""The stand-in's engine core: what vLLM's scheduler and a model would do, a token a step, without a GPU.

It knows priorities, a budget of tokens a step, prompts computed in pieces, a prefix cache of whole blocks with salts,
and a grammar. Its "model" is the script of the contract suite.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

BLOCK = 16


@dataclass(eq=False)
class CoreRequest:
    """One request in the core."""

    id: str
    prompt: list[int]
    params: Any
    priority: int
    salt: str
    arrival: int
    cached: int = 0
    computed: int = 0
    made: int = 0
    queued_ts: float = 0.0
    scheduled_ts: float = 0.0
    reply: Iterator[int] = field(default_factory=lambda: iter(()))


@dataclass(frozen=True)
class Made:
    """What one step made for one request."""

    request: CoreRequest
    token: int
    finish_reason: str | None


class Core:
    """Steps on the event loop while there is work. `log` tells in which order requests were first computed."""

    def __init__(self, args: Any, tokenizer: Tokenizer, end: int) -> None:
        self.args = args
        self.waiting: list[CoreRequest] = []
        self.running: list[CoreRequest] = []
        self.log: list[CoreRequest] = []
        self.steps: list[dict[str, int]] = []
        self.is_stuck = False
        self.outputs: asyncio.Queue[list[Made]] = asyncio.Queue()
        self._tokenizer = tokenizer
        self._end = end
        self._arrivals = itertools.count()
        self._blocks: set[tuple[str, tuple[int, ...]]] = set()
        self._wake = asyncio.Event()

    def add(self, request_id: str, prompt: list[int], params: Any, priority: int, salt: str) -> None:
        request = CoreRequest(request_id, prompt, params, priority, salt, next(self._arrivals))
        request.queued_ts = time.monotonic()
        self.waiting.append(request)
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    def abort(self, request_ids: list[str]) -> None:
        self.waiting = [request for request in self.waiting if request.id not in request_ids]
        self.running = [request for request in self.running if request.id not in request_ids]

    async def run(self) -> None:
        while True:
            while self.is_stuck or not (self.waiting or self.running):
                self._wake.clear()
                await self._wake.wait()
            self.outputs.put_nowait(self.step())
            await asyncio.sleep(0)

    def step(self) -> list[Made]:
        """Compute one step: those that run first, then those that wait, in order of priority."""
        budget: int = self.args.max_num_batched_tokens
        self.waiting.sort(key=lambda request: (request.priority, request.arrival))
        made: list[Made] = []
        spent: dict[str, int] = {}
        for request in [*self.running, *self.waiting]:
            if budget <= 0 or (request in self.waiting and len(self.running) >= self.args.max_num_seqs):
                break
            if request in self.waiting:
                self._admit(request)
            left = max(1, len(request.prompt) - request.computed)
            tokens = min(left, budget, self.args.long_prefill_token_threshold or left)
            budget -= tokens
            spent[request.id] = tokens
            request.computed += tokens
            if request.computed >= len(request.prompt):
                made.append(self._token(request))
        self.steps.append(spent)
        return made

    def _admit(self, request: CoreRequest) -> None:
        self.waiting.remove(request)
        self.running.append(request)
        request.scheduled_ts = time.monotonic()
        self.log.append(request)
        blocks = [(request.salt, tuple(request.prompt[:end])) for end in range(BLOCK, len(request.prompt), BLOCK)]
        hits = list(itertools.takewhile(self._blocks.__contains__, blocks)) if self.args.enable_prefix_caching else []
        request.cached = request.computed = len(hits) * BLOCK
        whole = len(request.prompt) // BLOCK * BLOCK
        self._blocks.update((request.salt, tuple(request.prompt[:end])) for end in range(BLOCK, whole + 1, BLOCK))
        request.reply = self._reply(request)

    def _token(self, request: CoreRequest) -> Made:
        token = next(request.reply)
        request.made += 1
        reason = "stop" if token == self._end else "length" if request.made >= request.params.max_tokens else None
        if reason is not None:
            self.running.remove(request)
        return Made(request, token, reason)

    def _reply(self, request: CoreRequest) -> Iterator[int]:
        text: str = self._tokenizer.decode(request.prompt, skip_special_tokens=False)
        told = text.rpartition("<|im_start|>user\n")[2].partition("<|im_end|>")[0]
        counting = ("one two three four five six" + " one two three four five six" * 4).split()
        words = {"talk": counting[:6], "talk slowly": counting}.get(told)
        if words is None:
            reply = _called(told, request.params) if told.startswith("call") else "what"
            yield from self._tokenizer.encode(reply, add_special_tokens=False).ids
        else:
            ids: list[int] = self._tokenizer.encode(" ".join(words), add_special_tokens=False).ids
            yield from ids
            if told == "talk slowly":
                yield from itertools.cycle(ids[6:12])
        while True:
            yield self._end


def _called(told: str, params: Any) -> str:
    """Return the call that a model makes: with a grammar only what that allows can be written."""
    day = told.removeprefix("call ")
    thinking = "<think>they want a day</think>" if "think" in told else ""
    structured = params.structured_outputs
    if structured is None:
        form = (
            '[[look_up|{"day": "%s"}]]'
            if "brackets" in told
            else '<tool_call>\n{"name": "look_up", "arguments": {"day": "%s"}}\n</tool_call>'
        )
        return f"{thinking}Yes. " + form % day.split()[-1]
    tag = json.loads(structured.structural_tag)["format"]["tags"][0]
    allowed = tag["content"]["json_schema"]["properties"]
    arguments = {name: _value(schema, day.split()[-1]) for name, schema in allowed.items()}
    return f"{thinking}Yes. {tag['begin']}{json.dumps(arguments)}{tag['end']}"


def _value(schema: dict[str, Any], wanted: str) -> object:
    if schema.get("type") == "integer":
        return 7
    return wanted if wanted in schema.get("enum", [wanted]) else schema["enum"][0]
