"""How words are spoken, in the phones of the acoustic model (ARPAbet): dictionary, supplement, letter-to-sound rules.

The rules are a small set for English spelling, longest match first, after the idea of Elovitz et al., "Letter-to-sound
rules for automatic translation of English text to phonetics" (1976): right for regular spellings, a fair guess for
others. A word that matters and is guessed wrong belongs into the supplement.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from services.common.errors import InvalidInput

SUPPLEMENT: dict[str, tuple[str, ...]] = {
    "maria": ("M AH R IY AH", "M AA R IY AH", "M AH R IY"),
    "checkup": ("CH EH K AH P",),
    "invisalign": ("IH N V IH Z AH L AY N",),
    "gomez": ("G OW M EH Z", "G AA M EH Z"),
}
"""Pronunciations that the model's dictionary lacks; they are added to the ones it has."""

MAX_VARIANTS = 6
_SPEAKABLE = re.compile(r"[a-z]+(?:['.-][a-z]*)*|'[a-z]+")

_VOWEL = "[aeiouy]"
# (spelling, phones, what must follow); tried in this order at each position, so longer spellings stand first.
_RULES: tuple[tuple[str, str, str], ...] = (
    ("tion", "SH AH N", ""), ("sion", "ZH AH N", ""), ("ture", "CH ER", "$"), ("ough", "OW", ""), ("augh", "AO", ""),
    ("eigh", "EY", ""), ("igh", "AY", ""), ("tch", "CH", ""), ("sch", "SH", ""), ("dge", "JH", ""),
    ("ing", "IH NG", "$"), ("ould", "UH D", ""), ("air", "EH R", ""), ("ear", "IH R", ""), ("eer", "IH R", ""),
    ("ier", "IY ER", "$"),
    ("our", "AO R", ""), ("oor", "AO R", ""), ("ius", "IY AH S", "$"), ("ous", "AH S", "$"), ("ia", "IY AH", ""),
    ("ch", "CH", ""), ("sh", "SH", ""), ("th", "TH", ""), ("ph", "F", ""), ("wh", "W", ""), ("ck", "K", ""),
    ("kn", "N", ""), ("wr", "R", ""), ("gh", "G", ""), ("ng", "NG", ""), ("qu", "K W", ""), ("ee", "IY", ""),
    ("ea", "IY", ""), ("ai", "EY", ""), ("ay", "EY", ""), ("ey", "IY", "$"), ("ei", "EY", ""), ("ie", "IY", ""),
    ("oa", "OW", ""), ("oo", "UW", ""), ("ou", "AW", ""), ("ow", "OW", "$"), ("ow", "AW", ""), ("oi", "OY", ""),
    ("oy", "OY", ""), ("au", "AO", ""), ("aw", "AO", ""), ("ew", "UW", ""), ("ue", "UW", "$"), ("ui", "UW", ""),
    ("ar", "AA R", ""), ("er", "ER", ""), ("ir", "ER", ""), ("or", "AO R", ""), ("ur", "ER", ""), ("le", "AH L", "$"),
    ("es", "IH Z", "$"), ("ed", "D", "$"), ("bb", "B", ""), ("cc", "K", ""), ("dd", "D", ""), ("ff", "F", ""),
    ("gg", "G", ""), ("ll", "L", ""), ("mm", "M", ""), ("nn", "N", ""), ("pp", "P", ""), ("rr", "R", ""),
    ("ss", "S", ""), ("tt", "T", ""), ("zz", "Z", ""),
    ("a", "EY", "[^aeiouyrwx]e$"), ("i", "AY", "[^aeiouyrx]e$"), ("o", "OW", "[^aeiouyrwx]e$"),
    ("u", "UW", "[^aeiouyrx]e$"), ("c", "S", "[eiy]"), ("g", "JH", "[eiy]"), ("e", "", "$"), ("y", "IY", "$"),
    ("y", "Y", _VOWEL), ("o", "OW", "$"), ("a", "AH", "$"), ("i", "IY", "$"), ("u", "UW", "$"),
    ("a", "AE", ""), ("b", "B", ""), ("c", "K", ""), ("d", "D", ""), ("e", "EH", ""), ("f", "F", ""), ("g", "G", ""),
    ("h", "HH", ""), ("i", "IH", ""), ("j", "JH", ""), ("k", "K", ""), ("l", "L", ""), ("m", "M", ""), ("n", "N", ""),
    ("o", "AA", ""), ("p", "P", ""), ("q", "K", ""), ("r", "R", ""), ("s", "S", ""), ("t", "T", ""), ("u", "AH", ""),
    ("v", "V", ""), ("w", "W", ""), ("x", "K S", ""), ("y", "IH", ""), ("z", "Z", ""),
)  # fmt: skip


def letter_to_sound(word: str) -> str:
    """Return a guess at the phones of an English word. Raises InvalidInput for what is no word of letters."""
    if not _SPEAKABLE.fullmatch(word):
        raise InvalidInput(f"word {word!r} cannot be pronounced: write numbers and signs out in letters")
    letters = re.sub(r"[^a-z]", "", word)
    phones: list[str] = []
    at = 0
    while at < len(letters):
        spelling, sound = _rule_for(letters[at:])
        phones.extend(sound.split())
        at += len(spelling)
    return " ".join(phones) or "AH"


def _rule_for(rest: str) -> tuple[str, str]:
    return next(
        (spelling, sound)
        for spelling, sound, after in _RULES
        if rest.startswith(spelling) and (not after or re.match(after, rest[len(spelling) :]))
    )


def pronunciations(word: str, lookup: Callable[[str], str | None]) -> tuple[str, ...]:
    """Return every known way to say `word`; a guess by rules where there is none.

    `lookup` asks the model's dictionary, where variants are written "word(2)", "word(3)"...
    """
    known = [phones for phones in (lookup(word), *(lookup(f"{word}({n})") for n in range(2, MAX_VARIANTS))) if phones]
    known.extend(phones for phones in SUPPLEMENT.get(word, ()) if phones not in known)
    return tuple(known) or (letter_to_sound(word),)


_CLASSES = (
    "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW", "P B", "T D", "K G", "F V", "TH DH", "S Z", "SH ZH", "CH JH",
    "M N NG", "L R", "W Y", "HH",
)  # fmt: skip
_CLASS_OF = {phone: number for number, phones in enumerate(_CLASSES) for phone in phones.split()}
_SIMILAR_COST = 0.4


@lru_cache(maxsize=4096)
def phone_distance(left: tuple[str, ...], right: tuple[str, ...]) -> float:
    """Return how differently two phone sequences sound: edit distance over the longer length, 0 to 1.

    Replacing a phone by one of its class (vowel by vowel, voiced by unvoiced) costs less than by any other.
    """
    row = [float(n) for n in range(len(right) + 1)]
    for i, a in enumerate(left, 1):
        above, row = row, [float(i)]
        for j, b in enumerate(right, 1):
            swap = 0.0 if a == b else _SIMILAR_COST if _CLASS_OF.get(a) == _CLASS_OF.get(b) else 1.0
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + swap))
    return row[-1] / max(len(left), len(right), 1)
