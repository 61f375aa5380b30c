"""What a prompt computed ahead saves: the first token with Prefill and without, on vLLM: `python -m bench prefill`.

It needs an environment with vLLM, on a GPU or with its CPU backend (docs/development.md), named by BENCH_PYTHON_LLM
where it is another than this one. The model is made here: Qwen3's build, 42 million random weights.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc.aio
from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2, llm_pb2_grpc

from bench.gpu.elsewhere import interpreter
from bench.stack import FAKES, OUT, running
from bench.stats import percentile, spread

PROMPTS = (500, 1500, 3000)
"""Tokens of what is known before the caller speaks: half of it system prompt, half conversation."""
ROUNDS, QUICK_ROUNDS = 8, 2
SAID = 12
"""Words of the caller's last message, which nobody can know ahead."""
ANSWER_S = 120.0
START_DEADLINE_S = 600.0
WAYS = ("prefilled", "continued", "cold")
"""Continued: the turn before was asked, and nothing was prefilled since, so that vLLM finds what it kept of that."""


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Return the first token's time by length of the prompt, prefilled and cold in turns. Raises without a vLLM."""
    python = interpreter("llm") or sys.executable
    version = await asyncio.to_thread(installed_vllm, python)
    from bench.prefill_model import LONGEST, known_words, write_model  # what they need, `make bench` does not install

    folder = await asyncio.to_thread(write_model, OUT / "prefill" / "model")
    modules = {"llm": "bench.gpu.elsewhere"} if interpreter("llm") else {}
    async with (
        running("prefill", environment(folder, LONGEST), modules, start_deadline_s=START_DEADLINE_S) as stack,
        grpc.aio.insecure_channel(stack.target("llm")) as channel,
    ):
        asker = Asker(channel, known_words(), random.Random(0))
        await asker.first_token(PROMPTS[0], "prefilled")  # kernels are made by the first that needs them
        rounds = QUICK_ROUNDS if quick else ROUNDS
        runs = [await _compare(asker, tokens, rounds) for tokens in PROMPTS]
    return {"vllm": version, "runs": runs}


def installed_vllm(python: str) -> str:
    """Return the version of vLLM in `python`'s environment. Raises RuntimeError where there is none."""
    if python == sys.executable:
        is_there = importlib.util.find_spec("vllm") is not None
    else:
        look = "import importlib.util as u, sys; sys.exit(u.find_spec('vllm') is None)"
        is_there = subprocess.run([python, "-c", look], timeout=60, check=False).returncode == 0
    if not is_there:
        raise RuntimeError(
            f"no vLLM in the environment of {python}: name the interpreter of one that has it in BENCH_PYTHON_LLM "
            '(how to make one, without a GPU too: docs/development.md, "A real vLLM")'
        )
    told = "import importlib.metadata as m; print(*sorted(f'{d.name} {d.version}' for d in m.distributions() "
    told += "if (d.name or '').startswith('vllm') or d.name == 'torch'), sep=', ')"
    return subprocess.run([python, "-c", told], timeout=60, check=True, capture_output=True, text=True).stdout.strip()


def environment(folder: Path, longest: int) -> dict[str, str]:
    """Return the services' settings: the language model's as they are deployed, where the machine lets them be."""
    return FAKES | {
        "PARLEY_LLM_ENGINE": "vllm",
        "PARLEY_LLM_VLLM_MODEL": str(folder),
        "PARLEY_LLM_MODEL_ALIASES": json.dumps({"*": ""}),
        "PARLEY_LLM_VLLM_EXTRA_ARGS": json.dumps({"load_format": "dummy", "block_size": 16}),
        "PARLEY_LLM_VLLM_KV_CACHE_GIB": "2",
        "PARLEY_LLM_VLLM_MAX_MODEL_LEN": str(longest),
        "PARLEY_LLM_VLLM_ENFORCE_EAGER": "true",
        "PARLEY_LLM_VLLM_CANARY_TIMEOUT_MS": "60000",
        "PARLEY_LLM_FIRST_OUTPUT_TIMEOUT_MS": "60000",
        "TORCHDYNAMO_DISABLE": "1",  # a CPU's first start would wait for a compiler
    }


class Asker:
    """Asks the language model in conversations that it has never seen."""

    def __init__(self, channel: grpc.aio.Channel, words: Sequence[str], rng: random.Random) -> None:
        self._stub: llm_pb2_grpc.LanguageModelAsyncStub = llm_pb2_grpc.LanguageModelStub(channel)  # type: ignore[assignment]
        self._rng = rng
        self._words = words

    async def first_token(self, tokens: int, way: str) -> dict[str, float]:
        """Return how long a new conversation's first token took, and what of its prompt was found, in ms and tokens."""
        known = self._conversation(tokens)
        said = llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, content=self._text(SAID))
        figures: dict[str, float] = {}
        if way == "prefilled":
            began_s = time.perf_counter()
            request = llm_pb2.PrefillRequest(config=llm_pb2.GenerateConfig(session_id="bench", messages=known))
            await self._stub.Prefill(request, timeout=ANSWER_S)
            figures["prefill_ms"] = (time.perf_counter() - began_s) * 1000
        if way == "continued":
            await self._ask(known[:-1])
        return figures | await self._ask([*known, said])

    async def _ask(self, messages: Sequence[llm_pb2.ChatMessage]) -> dict[str, float]:
        figures: dict[str, float] = {}
        sampling = llm_pb2.Sampling(max_tokens=2, temperature=0)
        config = llm_pb2.GenerateConfig(session_id="bench", messages=messages, sampling=sampling)
        began_s = time.perf_counter()
        call = self._stub.Generate(timeout=ANSWER_S)
        await call.write(llm_pb2.GenerateRequest(config=config))
        await call.write(llm_pb2.GenerateRequest(finish=common_pb2.FinishInput()))
        async for response in call:
            match response.WhichOneof("event"):
                case "text_delta":
                    figures.setdefault("first_ms", (time.perf_counter() - began_s) * 1000)
                case "finished":
                    usage = response.finished.usage
                    figures |= {"prompt_tokens": usage.prompt_tokens, "cached_tokens": usage.cached_tokens}
        return figures

    def _conversation(self, tokens: int) -> list[llm_pb2.ChatMessage]:
        roles = itertools.cycle((llm_pb2.CHAT_ROLE_USER, llm_pb2.CHAT_ROLE_ASSISTANT))
        system = llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_SYSTEM, content=self._text(tokens // 2))
        turns = itertools.islice(roles, tokens // 100 * 2)
        return [system, *(llm_pb2.ChatMessage(role=role, content=self._text(25)) for role in turns)]

    def _text(self, count: int) -> str:
        return " ".join(self._rng.choices(self._words, k=count))


async def _compare(asker: Asker, tokens: int, rounds: int) -> dict[str, Any]:
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS if number % 2 else reversed(WAYS):
            found[way].append(await asker.first_token(tokens, way))
    first = {way: [one["first_ms"] for one in found[way]] for way in WAYS}
    return {
        "tokens": tokens,
        "prompt_tokens": percentile([one["prompt_tokens"] for one in found["cold"]], 50),
        "cached_tokens": {way: percentile([one["cached_tokens"] for one in found[way]], 50) for way in WAYS},
        "first_token": {way: spread(first[way], digits=1) for way in WAYS},
        "prefill_itself": spread([one["prefill_ms"] for one in found["prefilled"]], digits=1),
        "ratio": {way: round(percentile(first["prefilled"], 50) / percentile(first[way], 50), 3) for way in WAYS[1:]},
    }


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return the result as a table: title, columns, rows."""
    rows = [
        [
            f"{run['prompt_tokens']:.0f}",
            " / ".join(f"{run['cached_tokens'][way]:.0f}" for way in WAYS),
            *(" / ".join(f"{run['first_token'][way][name]:.0f}" for name in ("p50_ms", "p95_ms")) for way in WAYS),
            *(f"{run['ratio'][way]:.2f}" for way in WAYS[1:]),
            f"{run['prefill_itself']['p50_ms']:.0f}",
        ]
        for run in result["runs"]
    ]
    columns = (
        "prompt, tokens",
        "cached",
        *(f"{way}, p50 / p95 ms" for way in WAYS),
        *(f"ratio to {way}" for way in WAYS[1:]),
        "Prefill itself, ms",
    )
    return [(f"prompts computed ahead ({result['vllm']})", columns, rows)]
