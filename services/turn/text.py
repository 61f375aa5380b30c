"""What a text says of its own turn: whether it reads as finished, and whether it is a mere backchannel. Pure.

English has rules; a text in another language says only that there are words.
"""

from __future__ import annotations

import re
from enum import Enum, auto


class Reading(Enum):
    """How a text reads as a whole turn."""

    UNKNOWN = auto()
    """No text yet."""
    UNFINISHED = auto()
    """Breaks off where more must come: "my name is", "I want to", "um"."""
    OPEN = auto()
    """May well go on: digits being read out, the beginning of a longer sentence of the grammar."""
    NEUTRAL = auto()
    """Words that say neither."""
    COMPLETE = auto()
    """A whole answer, request or farewell."""


class Overlap(Enum):
    """How words spoken over the agent are meant."""

    NO_WORDS = auto()
    BACKCHANNEL = auto()
    WORDS = auto()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CONJUNCTIONS = _words("and or but because if when while whether than although though unless until plus then")
_DETERMINERS = _words("a an the my your our their its every another some any")
_PREPOSITIONS = _words("of to for with at from in on about by into between after before during under without near via")
_FILLERS = _words("um uh er erm uhm hmm hm eh")
_AUXILIARIES = _words("is are was were am be will would could should can may might must shall do does did has have had")
_CONTRACTIONS = _words(
    "i'm i'd i'll i've we're we'd we'll we've you're they're he's she's let's it's that's there's what's"
)
_DANGLING = _words("i we want wants need needs like please-can double triple says called named plus")
_DANGLING_PHRASES = (
    "you know", "i mean", "let me see", "let me think", "let me check", "hold on", "one second", "a second", "tell me",
    "would like", "i think", "i was wondering", "wondering", "looking for", "going to", "trying to", "such as",
    "can you", "could you", "would you", "will you", "can i", "could i", "may i", "how about", "what about", "so",
)  # fmt: skip
_SHORT_ANSWER_SUBJECTS = _words("it he she that this there i you we they yes no one what which who how where")
_QUESTION_WORDS = _words("what who whom where which when why how")
_DIGITS = _words("zero oh one two three four five six seven eight nine 0 1 2 3 4 5 6 7 8 9")
_OPEN_DIGITS = range(2, 10)
"""Single digits in a row that read as a number still being told; ten are a telephone number."""

_COMPLETE_ALONE = _words(
    "yes no yeah yep yup nope nah okay ok sure right correct exactly absolutely definitely hello hi hey morning "
    "afternoon evening good thanks perfect great fine wonderful alright stop cancel help repeat pardon sorry"
)
_COMPLETE_ENDINGS = (
    "please", "thanks", "thank you", "thank you very much", "thanks a lot", "goodbye", "good bye", "bye", "bye bye",
    "that's all", "that is all", "that's it", "that is it", "that's everything", "that's right", "that is right",
    "that's correct", "that is correct", "that's fine", "sounds good", "nothing else", "no problem", "think so",
    "hope so", "how are you", "good morning", "good afternoon", "good evening", "good night", "have a nice day",
    "i'm done", "never mind", "of course", "it is", "i am", "i do", "i don't", "i did", "i would", "i have",
)  # fmt: skip

_BACKCHANNEL_WORDS = _words(
    "uh huh uhhuh uh-huh mm mmm mhm hm hmm mm-hm mm-hmm mmhm mmhmm um er ah aha oh yeah yep yup yes ya okay ok right "
    "sure alright cool nice great good wow indeed exactly"
)
_BACKCHANNEL_PHRASES = ("i see", "got it", "all right", "of course", "go on", "sounds good", "makes sense", "i know")

_BREAKS_OFF = ("...", "\u2026", ",", "-", "\u2013", "\u2014", ":")
_TOKEN = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower().replace("\u2019", "'"))


def _is_english(language: str) -> bool:
    return language.lower().split("-")[0] in ("", "en")


def _ends_with(tokens: list[str], phrase: str) -> bool:
    words = phrase.split()
    return tokens[-len(words) :] == words


def read(text: str, language: str = "en") -> Reading:
    """Return how `text` reads as a whole turn.

    `language` is a BCP 47 tag; other than English, only the punctuation and the presence of words are read.
    """
    stripped = text.strip()
    if not stripped:
        return Reading.UNKNOWN
    if stripped.endswith(_BREAKS_OFF):
        return Reading.UNFINISHED
    if not _is_english(language):
        return Reading.COMPLETE if stripped.endswith(("?", "!")) else Reading.NEUTRAL
    tokens = _tokens(stripped)
    if not tokens:
        return Reading.UNKNOWN
    if stripped.endswith(("?", "!")) or _is_complete(tokens):
        return Reading.COMPLETE
    if _is_unfinished(tokens):
        return Reading.UNFINISHED
    return Reading.OPEN if _trailing_digits(tokens) in _OPEN_DIGITS else Reading.NEUTRAL


def _is_complete(tokens: list[str]) -> bool:
    if all(token in _COMPLETE_ALONE for token in tokens):
        return True
    return any(_ends_with(tokens, phrase) for phrase in _COMPLETE_ENDINGS)


def _is_unfinished(tokens: list[str]) -> bool:
    last = tokens[-1]
    if last in _PREPOSITIONS:  # "what is it for" is whole, "a table for" is not
        return not (len(tokens) >= 3 and tokens[0] in _QUESTION_WORDS)
    if last in _AUXILIARIES:  # "yes it is" is whole, "my name is" is not
        return len(tokens) < 2 or tokens[-2] not in _SHORT_ANSWER_SUBJECTS
    if last in _CONJUNCTIONS or last in _DETERMINERS or last in _FILLERS or last in _CONTRACTIONS or last in _DANGLING:
        return True
    return any(_ends_with(tokens, phrase) for phrase in _DANGLING_PHRASES)


def _trailing_digits(tokens: list[str]) -> int:
    count = 0
    for token in reversed(tokens):
        if token not in _DIGITS:
            break
        count += 1
    return count


def read_overlap(text: str, language: str = "en") -> Overlap:
    """Return whether `text`, spoken over the agent, is a backchannel ("uh-huh", "okay") or words that want the floor.

    A bare "yes" goes along with the agent; "no", "stop" and "wait" do not.
    """
    if not _is_english(language):
        return Overlap.WORDS if text.strip() else Overlap.NO_WORDS
    tokens = _tokens(text)
    if not tokens:
        return Overlap.NO_WORDS
    rest = " ".join(tokens)
    for phrase in _BACKCHANNEL_PHRASES:
        rest = re.sub(rf"\b{phrase}\b", " ", rest)
    return Overlap.BACKCHANNEL if all(token in _BACKCHANNEL_WORDS for token in rest.split()) else Overlap.WORDS
