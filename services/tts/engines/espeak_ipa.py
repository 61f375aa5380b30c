# ruff: noqa: RUF001 (IPA is made of look-alikes)
"""IPA to the phoneme names of espeak-ng's English voices, for `[[...]]` in its input.

The table is the part of IPA that English needs. It was read off espeak-ng 1.52 itself, which gives both names of each
phoneme (espeak_TextToPhonemes, with a separator), for "en-us" and "en-gb".
"""

from __future__ import annotations

_PHONEMES = {
    "aɪə": "aI@", "aɪɚ": "aI3", "tʃ": "tS", "dʒ": "dZ", "aɪ": "aI", "aʊ": "aU", "eɪ": "eI", "oʊ": "oU", "əʊ": "oU",
    "ɔɪ": "OI", "ɪə": "i@3", "iə": "i@3", "ɛə": "e@", "eə": "e@", "ʊə": "U@", "n̩": "n-", "l̩": "@L",
    "iː": "i:", "uː": "u:", "ɑː": "A:", "ɔː": "O:", "ɜː": "3:", "ɝː": "3:", "ɝ": "3:", "ɜ": "3:", "ɑ̃": "A~",
    "a": "a", "æ": "a", "ɐ": "a#", "ɑ": "A:", "ɒ": "0", "ɔ": "O:", "e": "E", "ɛ": "E", "ə": "@", "ɚ": "3", "i": "i",
    "ɪ": "I", "ʊ": "U", "u": "u:", "ʌ": "V", "o": "oU",
    "b": "b", "d": "d", "f": "f", "g": "g", "ɡ": "g", "h": "h", "j": "j", "k": "k", "l": "l", "ɫ": "l", "m": "m",
    "n": "n", "ŋ": "N", "p": "p", "r": "r", "ɹ": "r", "ɾ": "t#", "s": "s", "ʃ": "S", "t": "t", "θ": "T", "v": "v",
    "w": "w", "x": "x", "z": "z", "ʒ": "Z", "ð": "D", "ʔ": "?",
}  # fmt: skip
_MARKS = {"ˈ": "'", "'": "'", "ˌ": ","}
_IGNORED = frozenset(" ./[]ːˑ‿\u0361\u035c")
"""Delimiters, syllable dots, tie bars, and length where the table knows no long vowel."""
_LONGEST = max(map(len, _PHONEMES))


def to_espeak(ipa: str) -> str | None:
    """Return `ipa` as espeak-ng phoneme names, or None where it holds a symbol that the table lacks.

    A stress mark stands before the syllable in IPA and applies to the next vowel in espeak-ng, so it stays in place.
    """
    ipa = ipa.replace("\u0361", "").replace("\u035c", "")
    names: list[str] = []
    stress = ""
    at = 0
    while at < len(ipa):
        if ipa[at] in _MARKS:
            stress = _MARKS[ipa[at]]
            at += 1
            continue
        size = next((n for n in range(_LONGEST, 0, -1) if ipa[at : at + n] in _PHONEMES), 0)
        if size:
            names.append(stress + _PHONEMES[ipa[at : at + size]])
            stress = ""
        elif ipa[at] not in _IGNORED:
            return None
        at += size or 1
    return "|".join(names) or None
