"""Voice activity and text on a real server: what the agent asked for, and what was learned of the caller, decide.

Without Smart Turn, whose answer would fall anywhere in audio that is sent faster than real time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest
from voice.turn.v1 import turn_pb2 as pb

from services.turn.engines.silero import VAD_FILE
from services.turn.servicer import TurnService
from services.turn.settings import TurnSettings
from tests.integration.turn.caller import Caller
from tests.integration.turn.speech import say, silence
from tests.support.servers import serving

pytestmark = pytest.mark.integration


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    (tmp_path / VAD_FILE).symlink_to((TurnSettings().resolved_model_dir() / VAD_FILE).resolve())
    settings = TurnSettings(port=0, model_dir=tmp_path, audio_burst_ms=60_000, stall_grace_ms=10_000)
    async with serving(TurnService(settings), settings) as (_, channel):
        yield channel


async def delay_of(caller: Caller, text: str, turn_epoch: int = 0) -> int:
    """Say something, and return the delay after which its turn is over."""
    await caller.audio(silence(320) + say(text))
    await caller.text(text, is_final=True, turn_epoch=turn_epoch)
    await caller.audio(silence(3400))
    return (await caller.until("end_of_turn")).end_of_turn.delay_ms


async def test_three_digits_are_a_number_of_guests_and_no_telephone_number(channel: grpc.aio.Channel) -> None:
    delays = {}
    for expects in (pb.EXPECTED_ANSWER_NUMBER, pb.EXPECTED_ANSWER_PHONE_NUMBER):
        caller = await Caller.connect(channel)
        await caller.agent(True, 1)
        await caller.agent(False, 1, expects=expects)
        delays[expects] = await delay_of(caller, "one five five", 1)
        await caller.finish()
    assert delays[pb.EXPECTED_ANSWER_NUMBER] < 600
    assert delays[pb.EXPECTED_ANSWER_PHONE_NUMBER] > 1000


async def test_a_kind_of_answer_that_only_newer_clients_know_counts_as_not_known(channel: grpc.aio.Channel) -> None:
    caller = await Caller.connect(channel)
    await caller.agent(True, 1)
    await caller.agent(False, 1, expects=999)
    assert await delay_of(caller, "yes please", 1) < 600
    assert (await caller.finish())[-1] == "end_of_turn"


@pytest.mark.parametrize("fixed", [False, True])
async def test_a_caller_who_pauses_in_sentences_is_waited_for_longer(channel: grpc.aio.Channel, fixed: bool) -> None:
    hesitant = await Caller.connect(channel, fixed_endpointing=fixed)
    await hesitant.audio(silence(320))
    for _ in range(4):
        await hesitant.audio(say("i would like a table for"))
        await hesitant.text("i would like a table for", is_final=True)
        await hesitant.audio(silence(700))
    await delay_of(hesitant, "friday evening")
    plain = await Caller.connect(channel, fixed_endpointing=fixed)
    await delay_of(plain, "friday evening")
    after_pauses, after_none = await delay_of(hesitant, "monday at ten"), await delay_of(plain, "monday at ten")
    await hesitant.finish()
    await plain.finish()
    if fixed:
        assert abs(after_pauses - after_none) <= 64  # frames of 32 ms fall differently
    else:
        assert after_pauses > after_none + 64
