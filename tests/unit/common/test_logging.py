"""What a log entry holds."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from services.common import logging as parley_logging

pytestmark = pytest.mark.unit

log = logging.getLogger("tests.example")


@pytest.fixture(autouse=True)
def _kept_root() -> Iterator[None]:
    """Give the loggers back as they were."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = [(logger, logger.level) for logger in map(logging.getLogger, ("", "services", "httpx"))]
    yield
    root.handlers[:] = handlers
    for logger, level in levels:
        logger.setLevel(level)


def entries(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_json_entries_carry_who_when_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    parley_logging.setup_logging("tts", "INFO", "json")
    log.info("stream %s", "ended", extra={"phrases": 3, "path": object})
    (entry,) = entries(capsys)
    assert entry["message"] == "stream ended"
    assert (entry["level"], entry["service"], entry["logger"]) == ("INFO", "tts", "tests.example")
    assert entry["phrases"] == 3
    assert str(entry["time"]).endswith("Z")
    assert "session_id" not in entry


def test_session_and_turn_are_added(capsys: pytest.CaptureFixture[str]) -> None:
    parley_logging.setup_logging("tts", "INFO", "json")
    session = parley_logging.session_id.set("s-1")
    turn = parley_logging.turn_epoch.set(0)
    try:
        log.info("one")
        log.info("two", extra={"turn_epoch": 7})
    finally:
        parley_logging.session_id.reset(session)
        parley_logging.turn_epoch.reset(turn)
    log.info("three")
    one, two, three = entries(capsys)
    assert (one["session_id"], one["turn_epoch"]) == ("s-1", 0)
    assert two["turn_epoch"] == 7
    assert "session_id" not in three


def test_a_field_cannot_pass_for_another(capsys: pytest.CaptureFixture[str]) -> None:
    parley_logging.setup_logging("tts", "INFO", "json")
    log.info("real", extra={"level": "DEBUG", "service": "other", "time": "never"})
    (entry,) = entries(capsys)
    assert (entry["level"], entry["service"]) == ("INFO", "tts")
    assert entry["time"] != "never"


def test_an_exception_stays_in_its_entry(capsys: pytest.CaptureFixture[str]) -> None:
    parley_logging.setup_logging("tts", "INFO", "json")
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        log.exception("failed")
    (entry,) = entries(capsys)
    assert "ValueError: broken" in str(entry["exception"])


def test_levels_below_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    parley_logging.setup_logging("tts", "WARNING", "json")
    log.info("no")
    log.warning("yes")
    assert [entry["message"] for entry in entries(capsys)] == ["yes"]


def test_debug_is_of_our_own_and_not_of_other_packages(capsys: pytest.CaptureFixture[str]) -> None:
    parley_logging.setup_logging("tts", "DEBUG", "json")
    logging.getLogger("services.example").debug("ours")
    logging.getLogger("grpc._cython.cygrpc").debug("hundreds of these")
    logging.getLogger("httpcore.http11").debug("Authorization: Bearer k-123")
    logging.getLogger("redis.asyncio").info("theirs")
    assert [entry["message"] for entry in entries(capsys)] == ["ours", "theirs"]


def test_addresses_of_requests_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    parley_logging.setup_logging("tts", "INFO", "json")
    logging.getLogger("httpx").info("HTTP Request: GET http://127.0.0.1/customers?name=miller")
    assert entries(capsys) == []


def test_text_is_one_line_an_entry_whatever_a_client_sent(capsys: pytest.CaptureFixture[str]) -> None:
    parley_logging.setup_logging("tts", "INFO", "text")
    log.info("refused", extra={"detail": "unknown voice\n12:00:00 ERROR forged", "phrases": 3})
    (line,) = capsys.readouterr().err.splitlines()
    assert "INFO" in line
    assert "refused" in line
    assert "phrases=3" in line


def test_setting_up_twice_does_not_log_twice(capsys: pytest.CaptureFixture[str]) -> None:
    parley_logging.setup_logging("tts", "INFO", "json")
    parley_logging.setup_logging("tts", "INFO", "json")
    log.info("once")
    assert len(entries(capsys)) == 1
