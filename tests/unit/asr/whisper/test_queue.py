"""Which decodes run next."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from services.asr.engines.whisper.queue import DecodeQueue, Urgency

pytestmark = pytest.mark.unit

FINAL, CLOSING, PARTIAL = Urgency


@dataclass(eq=False)
class Item:
    stream: int
    urgency: Urgency = PARTIAL
    waiting_since_s: float = 0.0
    group: int = 0


def filled(*items: Item, limit: int = 10) -> DecodeQueue[Item]:
    queue: DecodeQueue[Item] = DecodeQueue(limit)
    for item in items:
        assert queue.put(item) == []
    return queue


def test_finals_come_before_closings_before_partials_and_the_longest_waiting_first() -> None:
    items = [Item(1, PARTIAL, 1), Item(2, PARTIAL, 0), Item(3, CLOSING, 5), Item(4, FINAL, 9), Item(5, FINAL, 8)]
    queue = filled(*items)
    assert [queue.take(1)[0].stream for _ in items] == [5, 4, 3, 2, 1]
    assert queue.take(1) == []


def test_a_batch_holds_one_group_and_no_partials_beside_a_final() -> None:
    queue = filled(Item(1, FINAL, 1), Item(2, PARTIAL, 0), Item(3, CLOSING, 2), Item(4, FINAL, 3, group=1))
    assert [item.stream for item in queue.take(8)] == [1, 3]
    assert [item.stream for item in queue.take(8)] == [4]
    assert [item.stream for item in queue.take(8)] == [2]


def test_a_batch_is_no_larger_than_asked() -> None:
    queue = filled(*(Item(stream, waiting_since_s=stream) for stream in range(5)))
    assert [item.stream for item in queue.take(3)] == [0, 1, 2]
    assert len(queue) == 2


def test_the_lane_of_finals_takes_no_partials() -> None:
    queue = filled(Item(1), Item(2, CLOSING))
    assert [item.stream for item in queue.take(8, with_partials=False)] == [2]
    assert queue.take(8, with_partials=False) == []
    assert [item.stream for item in queue.take(8)] == [1]


def test_a_stream_has_one_decode_waiting_and_the_newer_replaces_it() -> None:
    old, new = Item(1), Item(1)
    queue = filled(old)
    assert queue.put(new) == [old]
    assert queue.take(8) == [new]


def test_a_partial_that_finds_the_queue_full_is_refused() -> None:
    queue = filled(Item(1), Item(2), limit=2)
    late = Item(3)
    assert queue.is_full
    assert queue.put(late) == [late]
    assert sorted(item.stream for item in queue.take(8)) == [1, 2]


def test_a_final_takes_the_place_of_the_partial_that_waited_least() -> None:
    patient, hasty = Item(1, waiting_since_s=1), Item(2, waiting_since_s=2)
    queue = filled(patient, hasty, limit=2)
    assert queue.put(Item(3, FINAL)) == [hasty]
    assert [item.stream for item in (*queue.take(1), *queue.take(1))] == [3, 1]


def test_a_final_that_finds_only_finals_is_refused() -> None:
    queue = filled(Item(1, FINAL), limit=1)
    late = Item(2, FINAL)
    assert queue.put(late) == [late]


def test_what_is_taken_out_does_not_run() -> None:
    item = Item(1)
    queue = filled(item)
    assert queue.remove(item)
    assert not queue.remove(item)
    assert queue.take(8) == []
