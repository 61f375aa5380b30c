"""What a text says of its own turn: whether it reads as finished, and whether it is a mere backchannel. Pure.

English has rules here, some other languages have tables in `services/turn/languages/`; a text in any other says only
that there are words.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import cache

from services.common.language_tags import primary_subtag
from services.turn.languages import words_in
from services.turn.languages.english import ENGLISH_ANSWERS
from services.turn.languages.words import ends_with, listed
from services.turn.languages.words import tokens_of as words_of


class Reading(Enum):
    """How a text reads as a whole turn."""

    UNKNOWN = auto()
    """No text yet."""
    UNFINISHED = auto()
    """Breaks off where more must come: "my name is", "I want to", "um"."""
    OPEN = auto()
    """May well go on: digits or letters being read out, the beginning of a longer sentence of the grammar."""
    NEUTRAL = auto()
    """Words that say neither."""
    COMPLETE = auto()
    """A whole answer, request or farewell."""


_CONJUNCTIONS = listed("and or but because if when while whether than although though unless until plus then")
_DETERMINERS = listed("a an the my your our their its every another some any")
_PREPOSITIONS = listed("of to for with at from in on about by into between after before during under without near via")
_AUXILIARIES = listed("is are was were am be will would could should can may might must shall do does did has have had")
_CONTRACTIONS = listed(
    "i'm i'd i'll i've we're we'd we'll we've you're they're he's she's let's it's that's there's what's"
)
_DANGLING = listed("i we want wants need needs like please-can double triple says called named plus")
_NEVER_LAST = _CONJUNCTIONS | _DETERMINERS | ENGLISH_ANSWERS.fillers | _CONTRACTIONS | _DANGLING
_DANGLING_PHRASES = (
    "you know", "i mean", "let me see", "let me think", "let me check", "hold on", "one second", "a second", "tell me",
    "send me", "give me", "show me", "get me", "bring me",
    "would like", "i think", "i was wondering", "wondering", "looking for", "going to", "trying to", "such as",
    "can you", "could you", "would you", "will you", "can i", "could i", "may i", "how about", "what about", "so",
)  # fmt: skip
_SHORT_ANSWER_SUBJECTS = listed("it he she that this there i you we they yes no one what which who how where")
_QUESTION_WORDS = listed("what who whom where which when why how")
_BEFORE_AM = _QUESTION_WORDS | {"i", "and", "so", "but"}
_OPEN_DIGITS = range(2, 10)
"""Digits in a row that read as a number still being told; ten are a telephone number."""

_COMPLETE_ALONE = listed(
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

_BACKCHANNEL_WORDS = listed(
    "uh huh uhhuh uh-huh mm mmm mhm hm hmm mm-hm mm-hmm mmhm mmhmm um er ah aha oh yeah yep yup yes ya okay ok right "
    "sure alright cool nice great good wow indeed exactly"
)
_BACKCHANNEL_PHRASES = ("i see", "got it", "all right", "of course", "go on", "sounds good", "makes sense", "i know")

_BREAKS_OFF = ("...", "\u2026", ",", "-", "\u2013", "\u2014", ":")
_HALF_DAY = re.compile(r"\b([ap])\.\s?m\b")
"""a.m. and p.m., which are no letters being spelled."""
_TOKEN = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")


def tokens_of(text: str) -> list[str]:
    """Return the words of `text` in lower case, without punctuation; digits written together stay one."""
    return _TOKEN.findall(_HALF_DAY.sub(r"\1m", text.lower().replace("\u2019", "'")))


def tokens_in(text: str, language: str) -> list[str]:
    """Return the words of `text`, as they are read in the language of a BCP 47 tag."""
    return tokens_of(text) if is_english(language) else words_of(text)


def is_english(language: str) -> bool:
    """Return whether the English rules are for this BCP 47 tag; none given is English."""
    return primary_subtag(language) in ("", "en")


def read(text: str, language: str = "en") -> Reading:
    """Return how `text` reads as a whole turn.

    `language` is a BCP 47 tag; of a language without rules, only the punctuation and the presence of words are read.
    """
    stripped = text.strip()
    if not stripped:
        return Reading.UNKNOWN
    if stripped.endswith(_BREAKS_OFF):
        return Reading.UNFINISHED
    if not is_english(language):
        return _read_by_table(stripped, language)
    tokens = tokens_of(stripped)
    if not tokens:
        return Reading.UNKNOWN
    if stripped.endswith(("?", "!")) or _is_complete(tokens):
        return Reading.COMPLETE
    if _is_unfinished(tokens):
        return Reading.UNFINISHED
    return Reading.OPEN if _is_read_out(tokens) else Reading.NEUTRAL


def _read_by_table(text: str, language: str) -> Reading:
    words_known, tokens = words_in(language), words_of(text)
    if not tokens:
        return Reading.UNKNOWN
    if text.endswith(("?", "!")) or (words_known and words_known.is_complete(tokens)):
        return Reading.COMPLETE
    if words_known is None:
        return Reading.NEUTRAL
    if words_known.is_unfinished(tokens):
        return Reading.UNFINISHED
    return Reading.OPEN if words_known.is_read_out(tokens) else Reading.NEUTRAL


def _is_complete(tokens: list[str]) -> bool:
    return all(token in _COMPLETE_ALONE for token in tokens) or ends_with(tokens, _COMPLETE_ENDINGS)


def _is_unfinished(tokens: list[str]) -> bool:
    last = tokens[-1]
    if last in _PREPOSITIONS:  # "what is it for" is whole, "a table for" is not
        return not (len(tokens) >= 3 and tokens[0] in _QUESTION_WORDS)
    if last == "am" and len(tokens) >= 2 and tokens[-2] not in _BEFORE_AM:  # "at ten am"
        return False
    if last in _AUXILIARIES:  # "yes it is" is whole, "my name is" is not
        return len(tokens) < 2 or (tokens[-2] not in _SHORT_ANSWER_SUBJECTS and not _embeds_question(tokens))
    return last in _NEVER_LAST or ends_with(tokens, _DANGLING_PHRASES)


def _embeds_question(tokens: list[str]) -> bool:
    """Return whether the text ends in an indirect question, whose verb stands last: "what your opening hours are"."""
    asked = [position for position, token in enumerate(tokens) if token in _QUESTION_WORDS]
    return bool(asked) and asked[-1] > 0 and tokens[asked[-1] + 1] not in _AUXILIARIES


def _is_read_out(tokens: list[str]) -> bool:
    """Return whether the text ends in digits or letters that are being told one by one."""
    in_a_row = len(tokens) >= 2 and ENGLISH_ANSWERS.figures_in(tokens[-2]) > 0
    is_number = in_a_row and ENGLISH_ANSWERS.figures_at_end(tokens) in _OPEN_DIGITS
    return is_number or ENGLISH_ANSWERS.letters_at_end(tokens) >= 2


def beyond_backchannels(text: str, language: str = "en") -> list[str]:
    """Return the words of `text`, spoken over the agent, that do more than go along with it ("uh-huh", "okay").

    A bare "yes" goes along with the agent; "no", "stop" and "wait" do not.
    """
    phrases: tuple[str, ...]
    if is_english(language):
        tokens, phrases, listening = tokens_of(text), _BACKCHANNEL_PHRASES, _BACKCHANNEL_WORDS
    elif (known := words_in(language)) is not None:
        tokens, phrases, listening = words_of(text), known.backchannel_phrases, known.backchannel_words
    else:
        return words_of(text)
    rest = _any_of(phrases).sub(" ", " ".join(tokens))
    return [word for word in rest.split() if word not in listening]


@cache
def _any_of(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b")
