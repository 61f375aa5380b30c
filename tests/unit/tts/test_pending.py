from __future__ import annotations

import asyncio

import pytest

from services.common.errors import InvalidInput, Overloaded
from services.tts.pending import FlushToTell, PendingSpeech, PhraseToSpeak

pytestmark = pytest.mark.unit


def phrase(epoch: int, attempt: int = 0) -> PhraseToSpeak:
    return PhraseToSpeak(epoch, 0, "text", 0.0, attempt=attempt)


async def rest(pending: PendingSpeech) -> list[int]:
    pending.finish()
    epochs: list[int] = []
    while (item := await pending.next()) is not None:
        epochs.append(item.epoch)
    return epochs


async def test_items_come_in_order_and_then_the_end() -> None:
    pending = PendingSpeech(10)
    for item in (phrase(0), FlushToTell(0, 0.0), phrase(2)):
        pending.add(item)
    assert await rest(pending) == [0, 0, 2]


async def test_next_waits_for_what_comes() -> None:
    pending = PendingSpeech(10)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(pending.next())
        await asyncio.sleep(0)
        pending.add(phrase(1))
    assert waiting.result() == phrase(1)


async def test_cancel_drops_the_epoch_and_before_now_and_later() -> None:
    pending = PendingSpeech(10)
    for epoch in (1, 2, 3):
        pending.add(phrase(epoch))
    pending.cancel((2, 0))
    pending.cancel((1, 0))
    pending.add(phrase(2))
    assert pending.is_cancelled((2, 0))
    assert not pending.is_cancelled((3, 0))
    assert await rest(pending) == [3]


async def test_an_attempt_that_is_cancelled_leaves_room_for_the_next() -> None:
    pending = PendingSpeech(10)
    pending.add(phrase(1))
    pending.add(phrase(2, 1))
    pending.cancel((2, 1))
    pending.add(phrase(2, 0))
    pending.add(phrase(2, 1))
    pending.add(phrase(2, 2))
    pending.finish()
    assert await pending.next() == phrase(2, 2)
    assert await pending.next() is None


async def test_epochs_never_go_backwards() -> None:
    pending = PendingSpeech(10)
    pending.add(phrase(3))
    with pytest.raises(InvalidInput, match="turn_epoch 2, attempt 0 after turn_epoch 3, attempt 0"):
        pending.add(phrase(2))
    pending.add(phrase(3, 2))
    with pytest.raises(InvalidInput, match="attempt 1 after turn_epoch 3, attempt 2"):
        pending.add(phrase(3, 1))


async def test_limits() -> None:
    pending = PendingSpeech(2)
    pending.add(phrase(1))
    pending.add(phrase(1))
    with pytest.raises(Overloaded):
        pending.add(phrase(1))
    pending.cancel((1, 0))
    pending.add(phrase(2))
    pending.finish()
    with pytest.raises(InvalidInput, match="after finish"):
        pending.add(phrase(2))
