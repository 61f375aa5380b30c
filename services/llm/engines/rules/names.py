"""Names of people in what was said."""

from __future__ import annotations

from collections.abc import Sequence

MAX_NAME_WORDS = 4
_ALWAYS_LEADS = (("my", "name", "is"), ("the", "name", "is"), ("name", "is"), ("under", "the", "name"), ("call", "me"))
_EXPECTED_LEADS = (("it", "is"), ("this", "is"), ("i", "am"), ("that", "is"), ("for",), ("under",))
_FILLER_WORDS = "yes yeah yep sure okay um uh er well so oh hello hi hey and please of course no sorry it is"
_FILLERS = frozenset(_FILLER_WORDS.split())
_STOP_WORDS = """
    a about am an and any appointment are as ask at be because book booking but by calling can could day did do does for
    from get go good had has have he hear help her here hold how i if in is it like looking make may me mean might my
    need next not of on one or our out please question say see she should so some speak stop talk than thank thanks that
    the their them then there they this time to today tomorrow trying want wait was we were what when where which who
    why will with would yes yeah yep no nope okay sure you your
    monday tuesday wednesday thursday friday saturday sunday
"""
_STOPS = frozenset(_STOP_WORDS.split())


def find_name(words: Sequence[str], is_expected: bool) -> str | None:
    """Return a name in `words`, capitalised, or None.

    Found after "my name is" and its like; where a name `is_expected`, also after "it is" and its like, or where
    nothing else was said.
    """
    for leads in (_ALWAYS_LEADS, _EXPECTED_LEADS) if is_expected else (_ALWAYS_LEADS,):
        for lead in leads:
            for start in range(len(words) - len(lead), -1, -1):
                if tuple(words[start : start + len(lead)]) == lead:
                    name = _name_from(words[start + len(lead) :])
                    if name is not None:
                        return name
    if not is_expected:
        return None
    start = 0
    while start < len(words) and words[start] in _FILLERS:
        start += 1
    name = _name_from(words[start:])
    # Alone, it must be all that was said: "maria gomez please", not the first words of a question.
    return name if name is not None and len(words) - start - len(name.split()) <= _polite_tail(words) else None


def _polite_tail(words: Sequence[str]) -> int:
    tail = 0
    while tail < len(words) and words[-1 - tail] in ("please", "thanks", "thank", "you", "very", "much"):
        tail += 1
    return tail


def _name_from(words: Sequence[str]) -> str | None:
    """Return the words up to the first that no name has, as a name of at most MAX_NAME_WORDS words."""
    name: list[str] = []
    for word in words:
        if word in _STOPS or not word.replace("'", "").isalpha():
            break
        name.append("'".join(part.capitalize() for part in word.split("'")))
    return " ".join(name) if 0 < len(name) <= MAX_NAME_WORDS else None
