"""Workers that die or hang: their streams fail, others do not notice, and another worker takes the place."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.asr.engine import AsrStream, StreamOptions
from services.asr.engines.pocketsphinx import Pocketsphinx
from services.asr.settings import AsrSettings
from services.common.errors import EngineDead, EngineFault
from tests.integration.asr.spoken import say
from tests.integration.turn.speech import silence

pytestmark = pytest.mark.integration

TEXT = "how much is a cleaning"
GRAMMAR = f"#JSGF V1.0; grammar t; public <a> = {TEXT} | yes please;"
OPTIONS = StreamOptions(16000, grammar=GRAMMAR)
DEADLINE_S = 20


@pytest.fixture
async def engine() -> AsyncIterator[Pocketsphinx]:
    engine = Pocketsphinx(AsrSettings(pocketsphinx_workers=2, engine_timeout_ms=2000, pocketsphinx_warm_grammars=()))
    await engine.start()
    yield engine
    await engine.close()


async def recognise(stream: AsrStream) -> str:
    await stream.accept(silence(250) + say(TEXT, 16000, "en-us+f2") + silence(150))
    return (await stream.finalize()).text


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for what processes do: nothing tells of it."""
    async with asyncio.timeout(DEADLINE_S):
        while not is_true():  # noqa: ASYNC110 - a process sets no event
            await asyncio.sleep(0.01)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def strike(engine: Pocketsphinx, with_signal: signal.Signals) -> None:
    """Strike one worker amid its stream; check who notices."""
    pids = engine.worker_pids
    streams = [await engine.open(OPTIONS), await engine.open(OPTIONS)]  # spread: one on each worker
    for stream in streams:
        await stream.accept(silence(100))
    os.kill(pids[0], with_signal)
    async with asyncio.timeout(DEADLINE_S):
        results = await asyncio.gather(*(recognise(stream) for stream in streams), return_exceptions=True)
    assert [type(result) for result in results if result != TEXT] == [EngineFault]
    assert TEXT in results
    await until(lambda: len(engine.worker_pids) == 2 and engine.worker_pids != pids)
    for stream in streams:
        await stream.close()
    fresh = [await engine.open(OPTIONS) for _ in range(2)]
    assert [await recognise(stream) for stream in fresh] == [TEXT, TEXT]
    for stream in fresh:
        await stream.close()
    assert engine.running == 0


async def test_a_worker_that_dies(engine: Pocketsphinx) -> None:
    await strike(engine, signal.SIGKILL)


async def test_a_worker_that_hangs(engine: Pocketsphinx) -> None:
    await strike(engine, signal.SIGSTOP)


async def test_a_worker_that_is_behind_is_left_alone() -> None:
    settings = AsrSettings(pocketsphinx_workers=1, engine_timeout_ms=60_000, pocketsphinx_warm_grammars=())
    engine = Pocketsphinx(settings)
    await engine.start()
    try:
        pids = engine.worker_pids
        busy, other = await engine.open(StreamOptions(16000)), await engine.open(OPTIONS)
        reading = say("i went to the market in the morning and bought some bread", 16000) + silence(300)
        await busy.accept(reading * 10)
        long = asyncio.create_task(busy.finalize())
        assert await recognise(other) == TEXT
        assert not long.done()
        assert len((await long).words) > 50
        assert engine.worker_pids == pids
    finally:
        await engine.close()


async def test_closing_leaves_no_process(engine: Pocketsphinx) -> None:
    stream = await engine.open(OPTIONS)
    pids = engine.worker_pids
    await engine.close()
    with pytest.raises(EngineFault):
        await stream.finalize()
    await until(lambda: all(is_gone(pid) for pid in pids))


async def test_where_the_model_cannot_be_loaded_the_engine_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    engine = Pocketsphinx(AsrSettings())
    with pytest.raises(EngineDead, match="could not be loaded"):
        await engine.start()
    await engine.close()
