"""What the callers of the endpointing bench say, and what they were asked. Two pools: one to tune on, one to report on.

`|` is where a caller may hesitate in mid-sentence, `/` where one may seem done and add something.
"""

from __future__ import annotations

from services.common.expected import Expected

TUNING: dict[Expected, tuple[str, ...]] = {
    Expected.ANYTHING: (
        "i'd like to | book an appointment | for tuesday",
        "hello / i have a question about | my last bill",
        "i want to | change my address",
        "can you tell me | what your opening hours are",
        "my internet | stopped working | yesterday evening",
        "i need | a table for four people | on friday at | seven thirty",
        "i ordered a | coffee machine | last week and | it has not arrived",
        "what is the price of | a return ticket to | london",
        "i would like to cancel | my subscription please",
        "it says the payment | was declined",
        "i'm calling about the invoice / the one from march",
        "could you send me | a copy of the contract",
        "that's all thank you",
    ),
    Expected.YES_NO: (
        "yes", "no", "yes please", "yes that's right", "no / it's on monday", "yeah | i think so", "no thank you",
        "yes but | not before ten", "okay", "no i don't",
    ),
    Expected.CHOICE: ("the morning", "the second one please", "in the | afternoon", "by card"),
    Expected.NUMBER: ("four", "for | two people", "twenty | five", "three"),
    Expected.PHONE_NUMBER: (
        "five five five | one two three | four five six seven",
        "sure / it's oh two oh | seven nine four six | oh one two three",
        "zero one seven | six five four | three two one nine",
    ),
    Expected.CODE: (
        "it's | b four seven | nine two one", "eight one five | six six two", "let me see | a c one | five five",
    ),
    Expected.NAME: ("maria | lopez", "my name is | john smith", "it's | anna miller"),
    Expected.SPELLING: ("s m | i t h", "k o w | a l s | k i"),
    Expected.EMAIL: ("maria dot lopez | at gmail dot com", "john | at | example dot org"),
    Expected.DATE_TIME: ("next tuesday | at ten", "the third of | march", "tomorrow | in the afternoon", "on monday"),
    Expected.ADDRESS: ("twelve | high street | bristol",),
}  # fmt: skip

HELD_OUT: dict[Expected, tuple[str, ...]] = {
    Expected.ANYTHING: (
        "good morning / i'm looking for | a room for two nights",
        "my washing machine | makes a strange noise",
        "i lost my card | on the train | this morning",
        "i'd like to know | how long the repair will | take",
        "there is a mistake | in the order i got / it was the wrong colour",
        "we want to move | our reservation to | sunday evening",
        "how do i | return a pair of shoes",
        "is there a | train to oxford | before nine",
        "the parcel was supposed to | arrive on friday but | nobody came",
        "i think | someone used my account / without asking me",
        "do you have | anything cheaper",
        "please connect me with | the sales department",
        "no nothing else goodbye",
    ),
    Expected.YES_NO: (
        "yeah", "no not yet", "yes it is", "sure", "correct", "no / actually yes", "yes | go ahead", "i guess so",
        "no the other | one", "absolutely",
    ),
    Expected.CHOICE: ("the evening", "the blue one", "a | window seat", "cash please"),
    Expected.NUMBER: ("six", "about | ten people", "thirty | two", "just one"),
    Expected.PHONE_NUMBER: (
        "six one seven | five five oh | one eight nine two",
        "yes / oh seven seven | double four nine | six two three one",
        "three one two | eight eight four | two oh six five",
    ),
    Expected.CODE: (
        "four four one | nine seven | three eight", "it's | r two d | nine one six", "seven oh five | two two one nine",
    ),
    Expected.NAME: ("peter | novak", "this is | susan clarke", "my name is | ahmed hassan"),
    Expected.SPELLING: ("c l a | r k e", "n o v | a k"),
    Expected.EMAIL: ("peter dot novak | at yahoo dot com", "susan | at | clarke dot net"),
    Expected.DATE_TIME: (
        "wednesday | at half past | four", "the twenty | first of june", "next week | on thursday", "on saturday",
    ),
    Expected.ADDRESS: ("forty five | mill lane | leeds",),
}  # fmt: skip
