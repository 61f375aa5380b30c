"""What the decoder is told before it writes: key terms, then what was said before the window. Pure.

Both stand before the start of the transcript, as Whisper was trained with the text of the previous window; a name that
stands there is spelled like that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.asr.engine import KeyTerm

Encode = Callable[[str], Sequence[int]]
MAX_TERM_TOKENS = 96
"""Key terms beyond this many tokens are left out, the least favoured first: a long list only dilutes."""
MAX_PAST_TOKENS = 64
PAST_STEP = 8
"""What was said is given in steps of so many tokens: one batch needs prompts of equal length."""


def term_tokens(terms: Sequence[KeyTerm], encode: Encode) -> tuple[int, ...]:
    """Return the key terms as tokens: the most favoured last, next to the speech; a term whole or not at all."""
    chosen: list[str] = []
    tokens: tuple[int, ...] = ()
    for term in sorted(terms, key=lambda term: -term.boost):
        longer = tuple(encode(" " + ", ".join([term.text.strip(), *chosen])))
        if len(longer) > MAX_TERM_TOKENS:
            continue
        chosen.insert(0, term.text.strip())
        tokens = longer
    return tokens


def previous_tokens(start_of_previous: int, terms: Sequence[int], past: Sequence[int]) -> tuple[int, ...]:
    """Return what precedes the start of the transcript; nothing where there is nothing to tell."""
    count = min(len(past), MAX_PAST_TOKENS) // PAST_STEP * PAST_STEP
    told = (*terms, *past[len(past) - count :])
    return (start_of_previous, *told) if told else ()
