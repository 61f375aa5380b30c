"""What the four stages take by themselves, asked by a client that does nothing else: the floor under a turn's latency.

One caller, an idle machine: silence that ends a turn -> `end_of_turn`; a finalize -> its transcript; a new generation
-> its first text; a phrase -> its first audio. An orchestrator cannot be faster than their sum.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc.aio
from voice.asr.v1 import asr_pb2
from voice.common.v1 import common_pb2
from voice.llm.v1 import llm_pb2
from voice.tts.v1 import tts_pb2
from voice.turn.v1 import turn_pb2

from bench.load import RATE_HZ, SILENCE, SPEECH
from bench.stats import spread
from services.orchestrator.stages.channels import METHODS

ROUNDS = 60
PAUSE_S = 0.02
FORMAT = common_pb2.AudioFormat(sample_rate_hz=RATE_HZ, encoding=common_pb2.AUDIO_ENCODING_PCM_S16LE)


async def measure(target: Callable[[str], str], rounds: int = ROUNDS) -> dict[str, dict[str, float | None]]:
    """Return the spread of each stage's round trip, in ms, and of one whole chain of the four."""
    channels = {stage: grpc.aio.insecure_channel(target(stage)) for stage in METHODS}
    methods: dict[str, Any] = {stage: channels[stage].stream_stream(method) for stage, method in METHODS.items()}
    try:
        times = await _chain(methods, rounds)
    finally:
        for channel in channels.values():
            await channel.close()
    return {name: spread(values) for name, values in times.items()}


async def _chain(methods: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    turn, asr, tts = (methods[stage]() for stage in ("turn", "asr", "tts"))
    configs = (
        (turn, turn_pb2.DetectRequest(config=turn_pb2.DetectConfig(format=FORMAT))),
        (asr, asr_pb2.RecognizeRequest(config=asr_pb2.RecognizeConfig(format=FORMAT))),
        (tts, tts_pb2.SynthesizeRequest(config=tts_pb2.SynthesizeConfig(format=FORMAT))),
    )
    for stream, config in configs:
        await stream.write(config.SerializeToString())
        await stream.read()
    times: dict[str, list[float]] = {stage: [] for stage in (*METHODS, "chain")}
    for number in range(1, rounds + 1):
        steps = {
            "turn": _end_turn(turn),
            "asr": finalise(asr, number),
            "llm": generate(methods["llm"], number),
            "tts": speak(tts, number),
        }
        await _prepare(turn, asr, number)
        whole = 0.0
        for stage, step in steps.items():
            began_s = time.perf_counter()
            await step
            took_ms = (time.perf_counter() - began_s) * 1000
            times[stage].append(took_ms)
            whole += took_ms
        times["chain"].append(whole)
        await drain(tts)
        await asyncio.sleep(PAUSE_S)
    for stream, _ in configs:
        stream.cancel()
    return times


async def _prepare(turn: Any, asr: Any, number: int) -> None:
    """Make an utterance that is about to end: speech, and the silence that announces the end of the turn."""
    reset = asr_pb2.RecognizeRequest(reset=asr_pb2.ResetUtterance(turn_epoch=number))
    await asr.write(reset.SerializeToString())
    for raw in (SPEECH, SPEECH, SPEECH):
        await asr.write(raw)
        await turn.write(raw)
    await turn.write(SILENCE)
    await until(turn, lambda raw: turn_pb2.DetectResponse.FromString(raw).HasField("eager_end_of_turn"))
    await asyncio.sleep(PAUSE_S)


async def _end_turn(turn: Any) -> None:
    await turn.write(SILENCE)
    await until(turn, lambda raw: turn_pb2.DetectResponse.FromString(raw).HasField("end_of_turn"))


async def finalise(asr: Any, number: int) -> None:
    """Ask for the final transcript and wait for it."""
    finalize = asr_pb2.FinalizeUtterance(finalize_id=number)
    await asr.write(asr_pb2.RecognizeRequest(finalize=finalize).SerializeToString())
    await until(asr, lambda raw: asr_pb2.RecognizeResponse.FromString(raw).hypothesis.is_final)


async def generate(method: Any, number: int) -> None:
    """Ask for a reply and wait for its first text."""
    call = method()
    said = llm_pb2.ChatMessage(role=llm_pb2.CHAT_ROLE_USER, content="hello there")
    config = llm_pb2.GenerateConfig(turn_epoch=number, messages=[said])
    await call.write(llm_pb2.GenerateRequest(config=config).SerializeToString())
    await until(call, lambda raw: llm_pb2.GenerateResponse.FromString(raw).HasField("text_delta"))
    call.cancel()


async def speak(tts: Any, number: int) -> None:
    """Ask for a phrase and wait for its first audio."""
    phrase = tts_pb2.SynthesizeText(turn_epoch=number, text="one two three")
    await tts.write(tts_pb2.SynthesizeRequest(text=phrase).SerializeToString())
    await until(tts, lambda raw: bool(tts_pb2.SynthesizeResponse.FromString(raw).audio.pcm))


async def drain(tts: Any) -> None:
    """Wait for the end of a phrase."""
    await until(tts, lambda raw: tts_pb2.SynthesizeResponse.FromString(raw).audio.is_last)


async def until(stream: Any, condition: Callable[[bytes], bool]) -> None:
    """Read until a response meets the condition. Raises RuntimeError where the stage closes its stream."""
    async with asyncio.timeout(5):
        while (raw := await stream.read()) is not grpc.aio.EOF:
            if condition(raw):
                return
    raise RuntimeError("a stage closed its stream")
