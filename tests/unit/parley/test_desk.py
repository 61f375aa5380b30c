from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from parley.demo.desk import Calendar, Desk, DeskCall

pytestmark = pytest.mark.unit


def test_a_free_time_can_be_booked_once() -> None:
    calendar = Calendar()
    assert calendar.check_availability("tuesday", "10:30") == {"available": True}
    assert calendar.book_appointment("tuesday", "10:30", "Maria Gomez")["reference"] == "WD-1042"
    taken = calendar.check_availability("tuesday", "10:30")
    assert taken == {"available": False, "alternatives": ["09:30", "10:00"]}
    with pytest.raises(ValueError, match="not free"):
        calendar.book_appointment("tuesday", "10:30", "John Smith")


def test_nothing_is_free_on_a_sunday_or_at_night() -> None:
    assert Calendar().check_availability("sunday", "10:00") == {"available": False, "alternatives": []}
    assert not Calendar().check_availability("monday", "22:00")["available"]


@pytest.mark.integration
async def test_the_server_takes_what_the_orchestrator_sends_and_keeps_the_calls() -> None:
    def post(url: str, body: bytes) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body), timeout=5) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def request(arguments: dict[str, str]) -> bytes:
        call = {"call_id": "1", "name": "check_availability", "arguments": arguments, "session_id": "s"}
        return json.dumps(call).encode()

    with Desk() as desk:
        url = f"{desk.url}/check_availability"
        free = await asyncio.to_thread(post, url, request({"day": "tuesday", "time": "10:30"}))
        assert free == (200, {"available": True})
        assert (await asyncio.to_thread(post, f"{desk.url}/dance", request({})))[0] == 404
        assert (await asyncio.to_thread(post, url, b"rubbish"))[0] == 400
        assert (await asyncio.to_thread(post, url, request({"wrong": "field"})))[0] == 400
        assert (await asyncio.to_thread(post, url, b"x" * 70_000))[0] == 413
        assert desk.calls[0] == DeskCall("check_availability", {"day": "tuesday", "time": "10:30"})
