"""English: how it answers. Its own rules for texts as such are in `services/turn/text.py`."""

from __future__ import annotations

import re

from services.turn.languages.answers import AnswerWords, PhoneLength
from services.turn.languages.words import listed

_YES_NO = listed("yes no yeah yep yup nope nah okay ok sure right correct exactly absolutely definitely")
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety hundred thousand"
_WHOLE_TIMES = "am|pm|o'clock|noon|midnight|tonight|asap|anytime|whenever"

ENGLISH_ANSWERS = AnswerWords(
    figures=dict.fromkeys(listed("zero oh one two three four five six seven eight nine"), 1),
    times={"double": 2, "triple": 3},
    phone=PhoneLength(least=7, whole=10),  # without and with its area code (North American Numbering Plan)
    fillers=listed("um uh er erm uhm hmm hm eh"),
    yes_no=_YES_NO,
    hedged=frozenset(
        {"not really", "i guess", "i guess so", "maybe", "probably", "not yet", "i believe so", "it does", "they are",
         "not at all", "i suppose", "sometimes", "both", "neither", "all good", "that works", "go ahead", "i can",
         "it was", "i think so", "not today", "not now"}
    ),
    assent=_YES_NO - {"no", "nope", "nah"} | {"hi", "hello", "of", "course", "alright", "great", "thanks"},
    denial=listed("no nope don't haven't can't cannot not forgot"),
    name_lead=listed("yes yeah sure okay it's this is my name the i'm i am and under for"),
    numbers=listed(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen couple"
    ),
    open_numbers=listed(_TENS),
    at=("at",),
    dot="dot",
    months=listed("january february march april may june july august september october november december"),
    days=re.compile(r"first|second|third|thirtieth|twenty-first|.*th|\d+(?:..)?"),
    half_dates=listed("nineteen twenty thirty half quarter"),
    whole_time=re.compile(rf"(?!i(?!\S))(?:.* )?(?:{_WHOLE_TIMES})"),  # "ten am", not "i am"
    streets=re.compile("street|road|avenue|lane|drive|square|boulevard|court|place|way"),
    street_name_words=0,
    is_number_first=True,
    reads_signs=False,
)  # fmt: skip
