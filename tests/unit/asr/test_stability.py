"""Which leading words of partials will stay."""

from __future__ import annotations

import pytest

from services.asr.engine import Recognised
from services.asr.stability import StablePrefix
from services.asr.utterance import Utterance

pytestmark = pytest.mark.unit


def utterance() -> Utterance:
    return Utterance(epoch=1, bytes_per_ms=32, partial_interval_ms=100, max_ms=10_000)


def test_an_engine_without_promises_needs_three_partials_that_agree() -> None:
    heard = utterance()
    for _ in range(2):
        heard.is_news(Recognised("i would like"))
    assert heard.stable_prefix == ""
    heard.is_news(Recognised("i would like to"))
    assert heard.stable_prefix == "i would like"


def test_what_an_engine_promises_is_stable_at_once_and_nothing_more() -> None:
    heard = utterance()
    for _ in range(4):  # the same hypothesis again and again is no agreement
        heard.is_news(Recognised("i would like", stable_prefix=""))
    assert heard.stable_prefix == ""
    assert heard.is_news(Recognised("i would like", stable_prefix="i would"))
    assert heard.stable_prefix == "i would"


def test_a_partial_that_takes_back_a_promise_is_not_passed_on() -> None:
    heard = utterance()
    heard.is_news(Recognised("i would like", stable_prefix="i would"))
    assert not heard.is_news(Recognised("i wood like to", stable_prefix="i wood"))
    assert not heard.is_news(Recognised("i would like to", stable_prefix="i"))
    assert heard.stable_prefix == "i would"


def test_languages_without_spaces_have_stable_prefixes_too() -> None:
    prefix = StablePrefix()
    assert prefix.promised("你好吗", "你好")
    assert prefix.promised("你好吗 我", "你好吗")
    assert prefix.text == "你好吗"
