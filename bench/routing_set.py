"""A labelled set for the route between two models: what callers of a dental practice ask, by who should answer.

Written by hand for this measurement; the examples are what an agent's file would hold, the rest is held out. "hard" is
whatever needs the caller's own data, a tool, a judgement, or more than one sentence of the prompt.
"""

from __future__ import annotations

EXAMPLES = (
    "when are you open", "what are your opening hours", "are you open on Saturday", "what time do you close today",
    "where are you", "what is your address", "how do I get to you", "is there parking", "where can I park",
    "how much is a cleaning", "what does a check-up cost", "what do you charge for whitening", "do you take insurance",
    "do you treat children", "do you do braces", "how long does a check-up take", "what is your phone number",
    "hello", "good morning", "thank you", "thanks a lot", "okay great", "goodbye", "that is all", "can you repeat that",
    "sorry what did you say",
)  # fmt: skip
COUNTEREXAMPLES = (
    "when is my appointment", "can I move my appointment", "I want to book a cleaning", "can I come on Saturday at ten",
    "how much did I pay last time", "what does my insurance cover", "my tooth hurts", "is it normal that it bleeds",
    "should I get a crown or a filling", "can you call me back", "I need to cancel",
)  # fmt: skip
SIMPLE = (
    "when do you open", "what are the opening hours on Sunday", "are you open today", "at what time do you close",
    "until when are you open on Friday", "where is the practice", "could you tell me your address",
    "where are you located",
    "is there somewhere to park", "do you have parking", "how much does whitening cost",
    "what is the price of a cleaning",
    "how much is a check up", "what do you charge for a filling", "do you accept insurance",
    "which insurance do you take",
    "do you see children", "do you treat kids", "do you offer braces", "how long is a check-up", "hi",
    "hi good morning",
    "good afternoon", "thank you very much", "thanks", "okay thank you", "great", "bye", "bye bye", "that's all thanks",
    "could you say that again", "can you repeat that please", "pardon what did you say", "what's your number",
)  # fmt: skip
HARD = (
    "can I get an appointment on Tuesday", "I would like to book a check-up for my daughter",
    "do I have an appointment",
    "at what time is my appointment tomorrow", "can we move it to three o'clock", "please cancel my booking",
    "I have to cancel tomorrow", "is ten o'clock on Saturday still free", "my filling fell out yesterday",
    "my gums are bleeding what should I do", "is whitening safe when you are pregnant", "does it hurt to get a crown",
    "why was my bill so high", "my insurance refused to pay what can I do", "can I pay in instalments",
    "I was treated last week and it still hurts", "can I speak to the doctor",
    "could someone call me back this afternoon",
    "what is the difference between a crown and a filling", "which treatment would you recommend for sensitive teeth",
    "can you send me the invoice again", "I am allergic to penicillin is that a problem",
    "my son broke a tooth can we come right now", "I want to complain about my last visit",
    "do you still have my x-rays from last year", "my name is Anna Smith", "on Thursday at half past ten",
    "can I bring my dog and also change the time to eleven", "how much would two fillings and a cleaning be together",
    "if I book a cleaning do I get the check-up for free", "the one at four please", "yes book it",
    "what did we agree on last time", "are you open on the day of my appointment",
)  # fmt: skip
