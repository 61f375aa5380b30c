"""The measurements, one after another; each with a deadline of its own, and none in need of another's success."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bench.gpu import calls as telephone
from bench.gpu import loads
from bench.gpu.stacks import Kit, stack
from bench.stack import FAKES, OUT, Stack
from bench.voice_to_voice import SENTENCES, VOICES
from parley.speech import synthesise

SPEECH = OUT / "gpu" / "callers"
ASKED = loads.Asked("When are you open?", prompt_tokens=1000, reply_tokens=64)
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of each is measured."""

    llm_streams: tuple[int, ...] = (1, 8, 32, 64)
    asr_streams: tuple[int, ...] = (1, 8, 32, 64)
    tts_streams: tuple[int, ...] = (1, 8, 32, 64)
    together_streams: int = 32
    calls: tuple[int, ...] = (1, 16, 32, 64)
    rounds: int = 6
    """Generations, utterances or phrases of each stream; a single stream has five times as many."""
    turns: int = 6
    asked: loads.Asked = ASKED
    prompt_facts: int = telephone.PROMPT_FACTS

    def rounds_of(self, streams: int) -> int:
        """Return how many rounds each of so many streams has: a percentile of a few values is none."""
        return self.rounds * 5 if streams == 1 else self.rounds


TINY = Scale(
    llm_streams=(1, 2),
    asr_streams=(1, 2),
    tts_streams=(1, 2),
    together_streams=2,
    calls=(1, 2),
    rounds=2,
    turns=2,
    asked=loads.Asked("talk slowly", prompt_tokens=100, reply_tokens=8),
    prompt_facts=1,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a step works with."""

    kit: Kit
    scale: Scale
    tell: Tell


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement. Its result has a list of runs, each with the number of streams or calls that it had."""

    name: str
    what: str
    run: Callable[[Bench], Awaitable[list[dict[str, Any]]]]
    deadline_s: float


async def measure_llm(bench: Bench, model: str) -> list[dict[str, Any]]:
    """Measure a language model at each number of streams."""
    runs = []
    async with stack(f"llm-{model}", bench.kit.environment(["llm"], llm=model)) as up:
        for count in bench.scale.llm_streams:
            bench.tell(f"{count} streams")
            runs.append({"streams": count, **await _llm(bench, up, count)})
    return runs


async def measure_asr(bench: Bench) -> list[dict[str, Any]]:
    """Measure final transcripts at each number of streams."""
    sentences = await recordings(bench)
    runs = []
    async with stack("asr", bench.kit.environment(["asr"])) as up:
        for count in bench.scale.asr_streams:
            bench.tell(f"{count} streams")
            runs.append({"streams": count, **await _asr(bench, up, count, sentences)})
    return runs


async def measure_tts(bench: Bench) -> list[dict[str, Any]]:
    """Measure synthesis at each number of streams."""
    runs = []
    async with stack("tts", bench.kit.environment(["tts"])) as up:
        for count in bench.scale.tts_streams:
            bench.tell(f"{count} streams")
            runs.append({"streams": count, **await _tts(bench, up, count)})
    return runs


async def measure_together(bench: Bench) -> list[dict[str, Any]]:
    """Measure all three models at work on one GPU at once."""
    sentences = await recordings(bench)
    count = bench.scale.together_streams
    async with stack("together", bench.kit.environment(["asr", "llm", "tts"], shares_gpu=True)) as up:
        bench.tell(f"{count} streams of each")
        found = await asyncio.gather(_llm(bench, up, count), _asr(bench, up, count, sentences), _tts(bench, up, count))
    merged = {name: figure for part in found for name, figure in part.items()}
    merged["failed"] = sum(part["failed"] for part in found)
    merged["failures"] = sorted({why for part in found for why in part["failures"]})
    return [{"streams": count, **merged}]


async def measure_calls(bench: Bench) -> list[dict[str, Any]]:
    """Measure voice to voice through all five services at each number of calls."""
    await recordings(bench)
    agents = telephone.agents(OUT / "gpu" / "agents", bench.scale.prompt_facts)
    settings = {"PARLEY_ORCHESTRATOR_AGENTS_DIR": str(agents), "PARLEY_LLM_RULES_DIR": str(agents / "rules")}
    environment = bench.kit.environment(["asr", "turn", "llm", "tts"], shares_gpu=True) | settings
    runs = []
    async with stack("calls", environment) as up:
        for count in bench.scale.calls:
            bench.tell(f"{count} calls")
            found = await telephone.measure(up.target("orchestrator"), SPEECH, count, bench.scale.turns)
            runs.append({"streams": count, **found})
    return runs


async def recordings(bench: Bench) -> list[bytes]:
    """Return what callers say, made once by the embedded synthesis: sentences in eight voices, PCM16 at 16 kHz."""
    if not any(SPEECH.glob("*.pcm")):
        bench.tell("making the callers' speech")
        fresh = SPEECH.with_name("callers.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        async with stack("speech", FAKES | {"PARLEY_TTS_ENGINE": "espeak"}) as up:
            for number, (voice, sentence) in enumerate(zip(itertools.cycle(VOICES), SENTENCES["appointments"])):
                (pcm,) = await synthesise(up.target("tts"), [sentence], voice=voice, sample_rate_hz=loads.RATE_HZ)
                (fresh / f"{number:02}.pcm").write_bytes(pcm)
        fresh.rename(SPEECH)
    return [path.read_bytes() for path in sorted(SPEECH.glob("*.pcm"))]


async def _llm(bench: Bench, up: Stack, count: int) -> loads.Figures:
    return await loads.language_model(up.target("llm"), count, bench.scale.rounds_of(count), bench.scale.asked)


async def _asr(bench: Bench, up: Stack, count: int, sentences: list[bytes]) -> loads.Figures:
    return await loads.recogniser(up.target("asr"), count, sentences, bench.scale.rounds_of(count))


async def _tts(bench: Bench, up: Stack, count: int) -> loads.Figures:
    return await loads.synthesis(up.target("tts"), count, bench.scale.rounds_of(count))


STEPS = (
    Step("llm-8b", "Qwen3-8B: first token, between tokens", lambda bench: measure_llm(bench, "Qwen3-8B"), 1800),
    Step("llm-30b-a3b", "Qwen3-30B-A3B: the same", lambda bench: measure_llm(bench, "Qwen3-30B-A3B"), 2400),
    Step("asr", "Whisper large-v3-turbo: final transcripts", measure_asr, 1200),
    Step("tts", "Piper: first audio, real-time factor", measure_tts, 1200),
    Step("together", "all three on one GPU at once", measure_together, 1800),
    Step("calls", "calls through all services: voice to voice", measure_calls, 3600),
)
TINY_SKIPS = ("llm-30b-a3b",)
"""With the test models it would be the 8B step once more."""


async def take(step: Step, bench: Bench) -> dict[str, Any]:
    """Run a step; return its runs, or what went wrong."""
    try:
        async with asyncio.timeout(step.deadline_s):
            return {"runs": await step.run(bench)}
    except TimeoutError:
        return {"failed": f"not done within {step.deadline_s:.0f} s"}
    except ExceptionGroup as failures:
        return {"failed": "; ".join(sorted({loads.told(error) for error in _leaves(failures)}))}
    except Exception as error:
        return {"failed": loads.told(error)}


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
