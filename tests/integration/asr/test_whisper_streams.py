"""Many streams on one scripted model: what is decoded, when, and for whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from voice.asr.v1 import asr_pb2 as pb

from services.asr.engines import faster_whisper
from services.asr.engines.faster_whisper import FasterWhisperStream
from services.asr.servicer import AsrService
from services.common.errors import EngineDead, EngineFault, InvalidInput, Overloaded
from tests.integration.asr.caller import Caller
from tests.integration.asr.scripted_whisper import DEADLINE_S, Desk, ScriptedWhisper, desk, settings, speak
from tests.support.servers import serving
from tests.unit.asr.whisper.oracle import Script

pytestmark = pytest.mark.integration

PATIENT = {"faster_whisper_partial_wait_ms": 500}
EAGER_OFF = {"faster_whisper_closing_ms": 60_000}
"""Nothing is decoded before it is asked for."""


@pytest.fixture
async def one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(monkeypatch, tmp_path) as opened:
        yield opened


async def begun(whisper: ScriptedWhisper) -> None:
    assert await asyncio.to_thread(whisper.began.acquire, timeout=DEADLINE_S)


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop turn until something has happened."""
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)


async def final(stream: FasterWhisperStream) -> str:
    async with asyncio.timeout(DEADLINE_S):
        return (await stream.finalize()).text


async def test_words_stream_before_the_final(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with desk(monkeypatch, tmp_path, **PATIENT) as opened:
        script = Script().pause(250).say("i would like to book a table").pause(200)
        stream = await opened.caller(script, 1)
        texts, prefixes = [], []
        for at in range(0, len(script.pcm), 3200):
            await stream.accept(script.pcm[at : at + 3200])
            partial = await stream.partial()
            texts.append(partial.text)
            prefixes.append(partial.stable_prefix)
        assert len(set(texts)) > 4
        assert "i would like to" in prefixes
        assert await final(stream) == "i would like to book a table"


async def test_silence_is_never_decoded(one: Desk) -> None:
    stream = await one.caller(Script(), 1)
    await speak(stream, Script().pause(3000).pcm, with_partials=True)
    assert await final(stream) == ""
    assert one.whisper.batches == []


async def test_a_partial_returns_what_is_known_while_a_decode_runs(one: Desk) -> None:
    script = Script().say("i would like to book")
    stream = await one.caller(script, 1)
    one.whisper.hold()
    async with asyncio.timeout(DEADLINE_S):
        await speak(stream, script.pcm, with_partials=True)
        assert (await stream.partial()).text == ""
    assert len(one.whisper.batches) == 1
    one.whisper.release()
    assert await final(stream) == "i would like to book"


async def test_the_tail_is_decoded_as_soon_as_the_caller_is_silent_and_the_final_needs_nothing_more(one: Desk) -> None:
    script = Script().say("yes please").pause(200)
    stream = await one.caller(script, 1)
    await speak(stream, script.pcm)
    await begun(one.whisper)
    recognised = await stream.finalize()
    assert recognised.text == "yes please"
    assert len(one.whisper.batches) == 1
    again = await stream.finalize()
    assert (again.text, again.queue_ms, again.engine_ms) == ("yes please", 0, 0)
    assert len(one.whisper.batches) == 1


async def test_a_final_waits_for_a_running_decode_only_where_that_covers_all(one: Desk) -> None:
    script = Script().say("how much is a cleaning")
    stream = await one.caller(script, 1)
    one.whisper.hold()
    await speak(stream, script.pcm[:19200], with_partials=True)
    await begun(one.whisper)  # a partial of the first words runs
    await speak(stream, script.pcm[19200:])
    waiting = asyncio.create_task(final(stream))
    await until(lambda: one.engine.pending == 2)
    one.whisper.release()
    assert await waiting == "how much is a cleaning"
    assert one.whisper.batches == [[1], [1]]


async def test_the_words_of_a_final_may_go_on(one: Desk) -> None:
    script = Script().say("how much is").pause(200)
    stream = await one.caller(script, 1)
    await speak(stream, script.pcm)
    assert await final(stream) == "how much is"
    begin = len(script.pcm)
    script.say("a cleaning").pause(200)
    await speak(stream, script.pcm[begin:])
    assert await final(stream) == "how much is a cleaning"


async def test_finals_go_first_and_among_partials_who_waited_longest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with desk(monkeypatch, tmp_path, batch_size=1, **EAGER_OFF) as opened:
        scripts = [Script().say("i would like to book") for _ in range(5)]
        streams = [await opened.caller(script, place) for place, script in enumerate(scripts)]
        opened.whisper.hold()
        for stream, script in zip(streams[:4], scripts, strict=False):
            await speak(stream, script.pcm[:16000], with_partials=True)
        await begun(opened.whisper)
        await speak(streams[1], scripts[1].pcm[16000:], with_partials=True)  # a newer one keeps its place
        await speak(streams[4], scripts[4].pcm)
        waiting = asyncio.create_task(final(streams[4]))
        await until(lambda: opened.engine.pending == 5)
        opened.whisper.release()
        await waiting
        await until(lambda: opened.engine.pending == 0)
        assert opened.whisper.batches == [[0], [4], [1], [2], [3]]
        assert len(scripts[1].asked) == 1
        assert scripts[1].asked[0].covers_ms > scripts[2].asked[0].covers_ms


async def test_streams_share_batches(one: Desk) -> None:
    scripts = [Script().say("yes please").pause(200) for _ in range(4)]
    streams = [await one.caller(script, place) for place, script in enumerate(scripts)]
    one.whisper.hold()
    for stream, script in zip(streams, scripts, strict=True):
        await speak(stream, script.pcm)
        await until(lambda: bool(one.whisper.batches))  # the first runs alone
    one.whisper.release()
    assert await asyncio.gather(*map(final, streams)) == ["yes please"] * 4
    assert one.whisper.batches == [[0], [1, 2, 3]]


async def test_with_two_workers_one_is_free_for_finals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with desk(monkeypatch, tmp_path, workers=2, **EAGER_OFF) as opened:
        scripts = [Script().say("i would like") for _ in range(3)]
        streams = [await opened.caller(script, place) for place, script in enumerate(scripts)]
        opened.whisper.hold()
        for stream, script in zip(streams[:2], scripts, strict=False):
            await speak(stream, script.pcm, with_partials=True)
        await begun(opened.whisper)
        await speak(streams[2], scripts[2].pcm)
        waiting = asyncio.create_task(final(streams[2]))
        await begun(opened.whisper)
        assert opened.whisper.batches == [[0], [2]]  # the other partial waits
        opened.whisper.release()
        assert await waiting == "i would like"


async def test_reset_and_close_take_a_decode_out_of_the_queue(one: Desk) -> None:
    scripts = [Script().say("i would like").pause(200) for _ in range(3)]
    streams = [await one.caller(script, place) for place, script in enumerate(scripts)]
    one.whisper.hold()
    for stream, script in zip(streams, scripts, strict=True):
        await speak(stream, script.pcm)
        await until(lambda: bool(one.whisper.batches))  # the first runs alone
    assert one.engine.pending == 3
    await streams[0].reset()  # runs: its answer is dropped
    await streams[1].reset()
    await streams[2].close()
    assert one.engine.pending == 1
    one.whisper.release()
    await until(lambda: one.engine.pending == 0)
    assert (await streams[0].partial()).text == ""
    assert one.whisper.batches == [[0]]
    assert one.engine.running == 2


async def test_a_final_that_nobody_waits_for_leaves_the_queue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with desk(monkeypatch, tmp_path, **EAGER_OFF) as one:
        scripts = [Script().say("i would like") for _ in range(2)]
        streams = [await one.caller(script, place) for place, script in enumerate(scripts)]
        one.whisper.hold()
        for stream, script in zip(streams, scripts, strict=True):
            await speak(stream, script.pcm)
        first = asyncio.create_task(final(streams[0]))
        await begun(one.whisper)
        second = asyncio.create_task(final(streams[1]))
        await until(lambda: one.engine.pending == 2)
        second.cancel()
        await asyncio.wait({second})
        assert one.engine.pending == 1
        one.whisper.release()
        assert await first == "i would like"


async def test_a_decode_that_fails_fails_its_stream_alone(one: Desk) -> None:
    scripts = [Script().say("yes please").pause(200) for _ in range(4)]
    streams = [await one.caller(script, place) for place, script in enumerate(scripts)]
    one.whisper.hold()
    one.whisper.poison = {2}
    for stream, script in zip(streams, scripts, strict=True):
        await speak(stream, script.pcm)
    await begun(one.whisper)
    one.whisper.release()
    said = await asyncio.gather(*map(final, streams), return_exceptions=True)
    assert isinstance(said[2], EngineFault)
    assert not isinstance(said[2], EngineDead)
    assert [text for place, text in enumerate(said) if place != 2] == ["yes please"] * 3
    await streams[2].close()
    fresh = await one.caller(scripts[3], 3)
    await speak(fresh, scripts[3].pcm)
    assert await final(fresh) == "yes please"


@pytest.mark.parametrize(
    ("failures", "why"),
    [
        ([RuntimeError("CUDA failed with error an illegal memory access was encountered")], "illegal memory access"),
        ([RuntimeError("CUDA failed with error out of memory")] * 3, "3 decodes in a row"),
    ],
    ids=["fatal", "repeated"],
)
async def test_a_device_that_is_gone_ends_the_engine(one: Desk, failures: list[Exception], why: str) -> None:
    script = Script().say("yes please").pause(200)
    one.whisper.failures = list(failures)
    for left in reversed(range(len(failures))):
        stream = await one.caller(script, 1)
        await speak(stream, script.pcm)
        with pytest.raises(EngineFault) as failed:
            await final(stream)
        assert isinstance(failed.value, EngineDead) is (left == 0)
        await stream.close()
    with pytest.raises(EngineDead, match=why):
        await one.caller(script, 1)


async def test_a_decode_that_hangs_ends_the_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with desk(monkeypatch, tmp_path, faster_whisper_decode_timeout_ms=50) as opened:
        script = Script().say("yes please").pause(200)
        stream, waiting = await opened.caller(script, 1), await opened.caller(script, 2)
        opened.whisper.hold()
        await speak(stream, script.pcm)
        await speak(waiting, script.pcm)
        for held in (stream, waiting):
            with pytest.raises(EngineDead, match="hangs"):
                await final(held)


async def test_answers_that_do_not_fit_end_the_engine(one: Desk) -> None:
    script = Script().say("yes please").pause(200)
    stream = await one.caller(script, 1)
    one.whisper.too_few = True
    await speak(stream, script.pcm)
    with pytest.raises(EngineDead, match="worker"):
        await final(stream)


async def test_a_full_house_refuses_the_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with desk(monkeypatch, tmp_path, faster_whisper_max_queue=1, faster_whisper_max_streams=4) as opened:
        scripts = [Script().say("yes please").pause(200) for _ in range(4)]
        streams = [await opened.caller(script, place) for place, script in enumerate(scripts[:3])]
        opened.whisper.hold()
        for stream, script in zip(streams, scripts, strict=False):
            await speak(stream, script.pcm)
            await until(lambda: bool(opened.whisper.batches))
        with pytest.raises(Overloaded, match="more to decode"):
            await opened.caller(scripts[3], 3)
        opened.whisper.release()
        assert await asyncio.gather(*map(final, streams[:2])) == ["yes please"] * 2
        streams.append(await opened.caller(scripts[3], 3))
        with pytest.raises(Overloaded, match="all 4"):
            await opened.caller(scripts[3], 4)
        await streams[3].close()
        await opened.caller(scripts[3], 4)


async def test_a_language_that_the_model_lacks_is_refused(one: Desk) -> None:
    with pytest.raises(InvalidInput, match="de, en"):
        await one.caller(Script(), 1, language="fr-FR")
    assert one.engine.running == 0


async def test_which_of_several_languages_is_told_in_each_utterance_and_a_short_word_flips_nothing(one: Desk) -> None:
    stream = await one.caller(Script(), 1, languages=("en-US", "de-DE", "fr-FR"))
    assert stream.languages == ("en-US", "de-DE")  # of the model's own, en and de
    told = []
    for text, language in (
        ("guten tag zusammen ich möchte einen termin", "de"),
        ("okay", "en"),
        ("can we speak english please", "en"),
        ("yes", "de"),
    ):
        script = one.whisper.scripts[1] = Script(language=language, certainty=0.95).say(text).pause(200)
        await stream.reset()
        await speak(stream, script.pcm)
        recognised = await stream.finalize()
        told.append(recognised.language)
        assert recognised.text == (text if told[-1].startswith(language) else text[::-1])
    assert told == ["de-DE", "de-DE", "en-US", "en-US"]


async def test_words_of_another_language_are_not_kept_when_the_right_one_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with desk(monkeypatch, tmp_path, **PATIENT) as opened:
        english = Script().say("i would like to book a table").pause(200)
        stream = await opened.caller(english, 1, languages=("en-US", "de-DE"))
        await speak(stream, english.pcm, with_partials=True)
        assert (await stream.finalize()).language == "en-US"
        german = opened.whisper.scripts[1] = Script(language="de").say("ich möchte einen tisch bestellen").pause(200)
        await stream.reset()
        await speak(stream, german.pcm, with_partials=True)
        assert {question.detection.current for question in german.asked} == {"en", "de"}  # it began in English
        recognised = await stream.finalize()
        assert (recognised.text, recognised.language) == ("ich möchte einen tisch bestellen", "de-DE")


# --- through the servicer ---


async def test_a_callers_fault_and_a_dead_device_through_grpc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whisper = ScriptedWhisper()
    monkeypatch.setattr(faster_whisper, "load_whisper", lambda options: whisper)
    served = settings(tmp_path, **EAGER_OFF)
    script = Script().say("yes please").pause(200)
    whisper.scripts = dict.fromkeys(range(1, 4), script)
    async with serving(AsrService(served), served) as (server, channel):
        callers = [
            await Caller.connect(channel, partial_interval_ms=5000, key_terms=[pb.KeyTerm(text=str(number), boost=0.5)])
            for number in whisper.scripts
        ]
        assert callers[0].ready.ready.uses_key_terms
        assert not callers[0].ready.ready.uses_grammar
        whisper.failures = [RuntimeError("CUDA failed with error out of memory")]
        await callers[0].audio(script.pcm)
        await callers[0].send(finalize())
        assert (await callers[0].failure()).code() is grpc.StatusCode.INTERNAL
        await callers[1].audio(script.pcm)
        assert (await callers[1].finalize()).hypothesis.text == "yes please"
        assert not server.engine_died
        whisper.failures = [RuntimeError("CUDA failed with error unspecified launch failure")]
        await callers[2].audio(script.pcm)
        await callers[2].send(finalize())
        assert (await callers[2].failure()).code() is grpc.StatusCode.INTERNAL
        assert server.engine_died


def finalize() -> pb.RecognizeRequest:
    return pb.RecognizeRequest(finalize=pb.FinalizeUtterance(finalize_id=1))


async def test_the_answer_tells_queue_and_engine_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with desk(monkeypatch, tmp_path, **EAGER_OFF) as opened:
        script = Script().say("yes please").pause(200)
        stream = await opened.caller(script, 1)
        await speak(stream, script.pcm)
        opened.whisper.hold()
        waiting = asyncio.create_task(stream.finalize())
        await begun(opened.whisper)
        opened.whisper.release()
        recognised = await waiting
        assert recognised.engine_ms > 0
        assert recognised.queue_ms > 0
        assert recognised.language == "en-US"
        assert [word.text for word in recognised.words] == ["yes", "please"]
        assert 0 < recognised.confidence <= 1
