"""What callers ask of one stage: many streams at once, at a conversation's pace, over the stage's gRPC contract."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import grpc.aio
from voice.asr.v1 import asr_pb2, asr_pb2_grpc
from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2, llm_pb2_grpc
from voice.tts.v1 import tts_pb2, tts_pb2_grpc

from bench.gpu.qwen_shape import words
from bench.stats import spread

RATE_HZ = 16000
FORMAT = common_pb2.AudioFormat(sample_rate_hz=RATE_HZ, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)
CHUNK_MS = 100
QUIET_MS = 200
"""Silence between a sentence and the finalize that the orchestrator asks for at the eager end of a turn."""
ANSWER_S = 30.0
"""How long any one answer may take."""
PAUSE_S = 0.5
"""The longest pause of a stream between an answer and its next request; the mean is half of it."""
PHRASE = "I can put you down for Thursday at ten, if that suits you."

Figures = dict[str, Any]


@dataclass
class Seen:
    """What was measured, by figure, in ms unless its name says otherwise."""

    values: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def counting_failures(self) -> Iterator[None]:
        """Note a request that failed; the others go on."""
        try:
            yield
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, RuntimeError, TimeoutError) as error:
            self.failures.append(told(error))

    def note(self, name: str, value: float) -> None:
        """Add a value."""
        self.values.setdefault(name, []).append(value)

    def figures(self) -> Figures:
        """Return p50, p95, p99 and the most of each figure. Raises RuntimeError where nothing was measured."""
        if not self.values:
            raise RuntimeError(f"nothing was measured: {'; '.join(sorted(set(self.failures)))}")
        spreads = {name: {"n": len(values), **spread(values, digits=1)} for name, values in self.values.items()}
        facts = {name: round(value, 1) for name, value in self.facts.items()}
        return spreads | facts | {"failed": len(self.failures), "failures": sorted(set(self.failures))}


def told(error: BaseException) -> str:
    """Return an error in a line."""
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    if isinstance(error, TimeoutError):
        return f"no answer within {ANSWER_S:.0f} s"
    return f"{type(error).__name__}: {error}"


async def streams(count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """Run `count` streams at once, each beginning at another moment. Raises the first failure."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(_later(one, number, PAUSE_S * number / count), name=f"stream-{number}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a language model is asked."""

    question: str
    prompt_tokens: int
    reply_tokens: int


async def language_model(target: str, count: int, rounds: int, asked: Asked) -> Figures:
    """Measure time to first token and between tokens, with prompts never seen and with the same ones again.

    Each of `count` streams holds `rounds` generations with a prompt of its own, then asks the same prompts again.
    """
    seen = Seen()
    async with _channel(target) as channel:
        stub: Any = llm_pb2_grpc.LanguageModelStub(channel)
        prompt_words = await _words_for(stub, asked)

        async def stream(number: int, kind: str) -> None:
            for turn in range(rounds):
                prompt = _prompt(prompt_words, seed=(number + 1) * 1000 + turn + count * 1_000_000)
                with seen.counting_failures():
                    await _generate(stub, prompt, asked, seen, kind)
                await asyncio.sleep(random.uniform(0, PAUSE_S))

        for kind in ("cold", "cached"):
            await streams(count, partial(stream, kind=kind))
    return seen.figures()


async def recogniser(target: str, count: int, sentences: Sequence[bytes], rounds: int) -> Figures:
    """Measure a final transcript: from the finalize, asked for 200 ms after the speech, to the final hypothesis."""
    seen = Seen()
    async with _channel(target) as channel:
        stub: Any = asr_pb2_grpc.StreamingAsrStub(channel)

        async def stream(number: int) -> None:
            with seen.counting_failures():
                call = stub.Recognize()
                config = asr_pb2.RecognizeConfig(format=FORMAT, language="en-US", turn_epoch=1)
                await call.write(asr_pb2.RecognizeRequest(config=config))
                for turn in range(rounds):
                    reset = asr_pb2.ResetUtterance(turn_epoch=turn + 2)
                    await call.write(asr_pb2.RecognizeRequest(reset=reset))
                    await _hear(call, sentences[(number + turn) % len(sentences)], turn + 1, seen)
                    await asyncio.sleep(random.uniform(0, PAUSE_S))
                await _end(call, asr_pb2.RecognizeRequest(finish=common_pb2.FinishInput()))

        await streams(count, stream)
    return seen.figures()


async def synthesis(target: str, count: int, rounds: int) -> Figures:
    """Measure a phrase: first audio after its text, and the time to make it all as a share of how long it lasts."""
    seen = Seen()
    async with _channel(target) as channel:
        stub: Any = tts_pb2_grpc.StreamingTtsStub(channel)

        async def stream(_: int) -> None:
            with seen.counting_failures():
                call = stub.Synthesize()
                await call.write(tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(format=FORMAT)))
                for turn in range(rounds):
                    await _speak(call, turn + 1, seen)
                    await asyncio.sleep(random.uniform(0, PAUSE_S))
                await _end(call, tts_pb2.SynthesizeRequest(finish=common_pb2.FinishInput()))

        await streams(count, stream)
    return seen.figures()


async def _later(one: Callable[[int], Awaitable[None]], number: int, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    await one(number)


async def _generate(stub: Any, prompt: str, asked: Asked, seen: Seen, kind: str) -> int:
    """Hold one generation; return its prompt's tokens."""
    messages = [
        llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_SYSTEM, content=prompt),
        llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, content=asked.question),
    ]
    config = llm_pb2.GenerateConfig(
        session_id="bench",
        turn_epoch=1,
        messages=messages,
        sampling=llm_pb2.Sampling(max_tokens=asked.reply_tokens),
        priority=llm_pb2.GENERATION_PRIORITY_LIVE,
    )
    call = stub.Generate()
    began_s = time.perf_counter()
    first_s = last_s = 0.0
    async with asyncio.timeout(ANSWER_S):
        await call.write(llm_pb2.GenerateRequest(config=config))
        while (response := await call.read()) is not grpc.aio.EOF:
            if response.HasField("text_delta"):
                last_s = time.perf_counter()
                first_s = first_s or last_s
            elif response.HasField("finished"):
                break
    usage = response.finished.usage
    if not first_s:
        raise RuntimeError(f"a generation of {usage.completion_tokens} tokens said nothing")
    seen.note(f"first_token_{kind}", (first_s - began_s) * 1000)
    if usage.completion_tokens > 1:
        seen.note(f"between_tokens_{kind}", (last_s - first_s) * 1000 / (usage.completion_tokens - 1))
    seen.facts["prompt_tokens"] = usage.prompt_tokens
    seen.facts[f"cached_tokens_{kind}"] = max(usage.cached_tokens, seen.facts.get(f"cached_tokens_{kind}", 0))
    return int(usage.prompt_tokens)


async def _words_for(stub: Any, asked: Asked) -> int:
    """Return how many words make a prompt of about so many tokens for this model."""
    probe = max(10, asked.prompt_tokens // 10)
    short = replace(asked, reply_tokens=1)
    counted = [await _generate(stub, _prompt(size, seed=0), short, Seen(), "probe") for size in (probe, 2 * probe)]
    a_word = max(0.1, (counted[1] - counted[0]) / probe)
    return max(1, round((asked.prompt_tokens - counted[0]) / a_word) + probe)


def _prompt(count: int, seed: int) -> str:
    """Return `count` invented words in an order of the seed's own: no two prompts begin alike."""
    return " ".join(random.Random(seed).choices(_WORDS, k=count))


async def _hear(call: Any, pcm: bytes, finalize_id: int, seen: Seen) -> None:
    """Say a sentence in real time and ask for its final transcript."""
    loop = asyncio.get_running_loop()
    chunk = RATE_HZ * CHUNK_MS // 1000 * 2
    spoken = pcm + bytes(chunk * QUIET_MS // CHUNK_MS)
    due_s = loop.time()
    for at in range(0, len(spoken), chunk):
        due_s += CHUNK_MS / 1000
        await asyncio.sleep(due_s - loop.time())
        await call.write(asr_pb2.RecognizeRequest(audio=[spoken[at : at + chunk].ljust(chunk, b"\0")]))
    began_s = time.perf_counter()
    finalize = asr_pb2.FinalizeUtterance(finalize_id=finalize_id)
    async with asyncio.timeout(ANSWER_S):
        await call.write(asr_pb2.RecognizeRequest(finalize=finalize))
        while (response := await call.read()) is not grpc.aio.EOF:
            hypothesis = response.hypothesis
            if hypothesis.is_final and hypothesis.finalize_id == finalize_id:
                seen.note("final", (time.perf_counter() - began_s) * 1000)
                seen.facts["words"] = len(hypothesis.text.split())
                return
    raise RuntimeError(f"the recogniser ended the stream: {await call.details()}")


async def _speak(call: Any, epoch: int, seen: Seen) -> None:
    began_s = time.perf_counter()
    first_s = 0.0
    text = tts_pb2.SynthesizeText(turn_epoch=epoch, phrase_id=epoch, text=PHRASE)
    async with asyncio.timeout(ANSWER_S):
        await call.write(tts_pb2.SynthesizeRequest(text=text))
        await call.write(tts_pb2.SynthesizeRequest(flush=tts_pb2.FlushSpeech(turn_epoch=epoch)))
        while (response := await call.read()) is not grpc.aio.EOF:
            if response.turn_epoch != epoch:
                continue
            if response.HasField("audio"):
                first_s = first_s or time.perf_counter()
            elif response.HasField("flushed"):
                took_ms = (time.perf_counter() - began_s) * 1000
                seen.note("first_audio", (first_s - began_s) * 1000)
                seen.note("phrase", took_ms)
                seen.note("percent_of_real_time", 100 * took_ms / max(1, response.flushed.audio_ms))
                seen.facts["audio_ms"] = response.flushed.audio_ms
                return
    raise RuntimeError(f"synthesis ended the stream: {await call.details()}")


async def _end(call: Any, finish: Any) -> None:
    """End a stream, and wait until the service has let it go: the next run needs its place."""
    async with asyncio.timeout(ANSWER_S):
        await call.write(finish)
        while await call.read() is not grpc.aio.EOF:
            pass


@asynccontextmanager
async def _channel(target: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


_WORDS = words(20_000)
