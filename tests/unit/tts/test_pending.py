from __future__ import annotations

import asyncio

import pytest

from services.common.errors import InvalidInput, Overloaded
from services.tts.pending import FlushToTell, PendingSpeech, PhraseToSpeak

pytestmark = pytest.mark.unit


def phrase(epoch: int, number: int = 0) -> PhraseToSpeak:
    return PhraseToSpeak(epoch, number, "text", 0.0)


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
    pending.cancel(2)
    pending.cancel(1)
    pending.add(phrase(2))
    assert pending.is_cancelled(2)
    assert not pending.is_cancelled(3)
    assert await rest(pending) == [3]


async def test_epochs_never_go_backwards() -> None:
    pending = PendingSpeech(10)
    pending.add(phrase(3))
    with pytest.raises(InvalidInput, match="2 after 3"):
        pending.add(phrase(2))


async def test_limits() -> None:
    pending = PendingSpeech(2)
    pending.add(phrase(1))
    pending.add(phrase(1))
    with pytest.raises(Overloaded):
        pending.add(phrase(1))
    pending.cancel(1)
    pending.add(phrase(2))
    pending.finish()
    with pytest.raises(InvalidInput, match="after finish"):
        pending.add(phrase(2))
