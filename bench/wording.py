"""What the way of a text to speech costs, and how much earlier the first phrase is; `python -m bench wording`.

In this process, without a model or a voice: texts come word by word, as models give them. "Before" is a phrase at each
sentence end, a clause end past 40 characters, or at 80 by force, which is what phrases were cut by until now.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench.stats import percentile
from services.orchestrator.wording.normalise import normaliser
from services.orchestrator.wording.wording import Wording

REPLIES = (
    "Sure, I can help you with that. A check-up costs $40 and takes about 20 minutes. Shall I look for a time?",
    "We are open from Monday to Friday between 8:00 and 18:00, and on Saturdays from nine to one.",
    "I have found a table for two at 7:30 p.m. at the window which looks over the harbour and I can hold it until six.",
    "Your appointment with Dr. Smith is on March 3 at 10:30 in the practice at 12 Mill Lane opposite the library.",
    "You can reach us by phone at 555-123-4567 or by email at desk@example.com and we answer within one working day.",
    "Of course! The booking reference is BK-4471. Is there anything else that I can do for you today?",
    "The total for the three nights comes to 1,250 euros including breakfast and parking, and you can pay by card.",
    "Unfortunately there is nothing free on Tuesday but on Wednesday I could offer you nine or half past eleven.",
)
TOKENS_PER_SECOND = 50
"""Pace at which earliness in words is told as time: that of a model of 8B on one GPU, one word being 1.3 tokens."""
TOKENS_PER_WORD = 1.3
_SENTENCE = re.compile(r"(?<!Dr)(?<!p\.m)[.!?]+(?=\s|$)")
_CLAUSE = re.compile(r"[,;:](?=\s)")
ROUNDS = 100


async def measure(*, quick: bool = False) -> dict[str, Any]:
    """Return the CPU time a reply, and the words that the first phrase waits for, before and now."""
    normaliser("en-US")
    rounds = 3 if quick else ROUNDS
    took_us = [_cost_us(text) for _ in range(rounds) for text in REPLIES]
    before, now = [_words_before(text) for text in REPLIES], [_words_now(text) for text in REPLIES]
    per_word_ms = 1000 * TOKENS_PER_WORD / TOKENS_PER_SECOND
    return {
        "a_reply_us": {"p50": percentile(took_us, 50), "p95": percentile(took_us, 95)},
        "deltas_a_reply": sum(len(_deltas(text)) for text in REPLIES) / len(REPLIES),
        "first_phrase": {
            "words_before": sum(before) / len(before),
            "words_now": sum(now) / len(now),
            "earlier_ms": (sum(before) - sum(now)) / len(now) * per_word_ms,
            "replies_earlier": sum(new < old for new, old in zip(now, before, strict=True)),
            "replies_later": sum(new > old for new, old in zip(now, before, strict=True)),
            "replies": len(now),
        },
    }


def _deltas(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)


def _cost_us(text: str) -> float:
    deltas = _deltas(text)
    began_s = time.thread_time()
    wording = Wording("en-US")
    for delta in deltas:
        wording.push(delta)
    wording.flush()
    return (time.thread_time() - began_s) * 1e6


def _words_now(text: str) -> int:
    wording = Wording("en-US")
    deltas = _deltas(text)
    return next((count for count, delta in enumerate(deltas, 1) if wording.push(delta)), len(deltas))


def _words_before(text: str) -> int:
    written = ""
    deltas = _deltas(text)
    for count, delta in enumerate(deltas, 1):
        written += delta
        clause = next((match for match in _CLAUSE.finditer(written) if match.end() >= 40), None)
        if _SENTENCE.search(written) or clause or len(written) >= 80:
            return count
    return len(deltas)


def tables(result: Mapping[str, Any]) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return the result as tables: title, columns, rows."""
    cost, first = result["a_reply_us"], result["first_phrase"]
    return [
        (
            "text on its way to speech",
            ("a reply, us of CPU p50", "p95", "deltas a reply"),
            [[f"{cost['p50']:.0f}", f"{cost['p95']:.0f}", f"{result['deltas_a_reply']:.0f}"]],
        ),
        (
            "words the first phrase waits for",
            ("before", "now", f"earlier, ms at {TOKENS_PER_SECOND} tokens/s", "replies earlier", "later"),
            [
                [
                    f"{first['words_before']:.1f}",
                    f"{first['words_now']:.1f}",
                    f"{first['earlier_ms']:.0f}",
                    f"{first['replies_earlier']} / {first['replies']}",
                    str(first["replies_later"]),
                ]
            ],
        ),
    ]
