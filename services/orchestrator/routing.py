"""Which of an agent's two models answers: the small fast one what it surely can, the larger one all else.

The classifier is nearest-neighbour over the agent's own examples: each text is its character 3- to 5-grams within words
(as fastText's subwords, which hold up against inflection and misheard letters; Bojanowski et al. 2017), weighted by how
rare they are among the examples (tf-idf, rows of length 1), compared by cosine. No weights, no training: nothing but
the agent file says what is simple. In doubt it is the larger model: a simple answer that comes 100 ms later costs less
than a wrong one.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.common.metrics import LLM_ROUTES
from services.orchestrator.agent import Agent, Route
from services.orchestrator.history import History, Message
from services.orchestrator.tracing import CallTrace

FAST = "fast"
LARGE = "large"

_SHORTEST, _LONGEST = 3, 5
_WORD = re.compile(r"\w+")
_LONGEST_TEXT_CHARS = 400
"""What is longer is no simple request, whatever the agent's file says, and would cost more than it gains."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like a text is to what the agent calls simple, and to what it calls hard: cosines, 0 to 1."""

    simple: float
    hard: float


class Router:
    """One agent's choice. Made once for each agent; `choose` takes well under a millisecond."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._simple = len(route.examples)
        grams = [_grams(text) for text in (*route.examples, *route.counterexamples)]
        seen = Counter(gram for example in grams for gram in example)
        self._rarity = {gram: 1 + math.log(len(grams) / count) for gram, count in seen.items()}
        self._unseen = 1 + math.log(len(grams) + 1)
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, example in enumerate(grams):
            for gram, weight in self._weighted(example).items():
                self._postings[gram].append((number, weight))
        self._keywords = _any_of(route.keywords)

    def choose(self, messages: Sequence[Message]) -> str:
        """Return FAST or LARGE for the answer to the conversation so far."""
        text = asked(messages)
        if not text or len(text) > _LONGEST_TEXT_CHARS or len(_WORD.findall(text)) > self._route.max_words:
            return LARGE
        if sum(len(message.content) for message in messages) > self._route.max_context_chars:
            return LARGE
        like = self.likeness(text)
        if like.hard >= self._route.threshold and like.hard >= like.simple:
            return LARGE
        if self._keywords is not None and self._keywords.search(text):
            return FAST
        return FAST if like.simple >= self._route.threshold and like.simple > like.hard else LARGE

    def likeness(self, text: str) -> Likeness:
        """Return how like `text` is to the nearest example of either kind."""
        found: dict[int, float] = defaultdict(float)
        for gram, weight in self._weighted(_grams(text)).items():
            for number, other in self._postings.get(gram, ()):
                found[number] += weight * other
        simple = max((value for number, value in found.items() if number < self._simple), default=0.0)
        hard = max((value for number, value in found.items() if number >= self._simple), default=0.0)
        return Likeness(simple, hard)

    def _weighted(self, grams: Mapping[str, int]) -> dict[str, float]:
        weights = {gram: count * self._rarity.get(gram, self._unseen) for gram, count in grams.items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {gram: weight / length for gram, weight in weights.items()}


@lru_cache(64)
def _router(route: Route) -> Router:
    return Router(route)


class Routes:
    """One call's routes, and what is told of them."""

    def __init__(self, trace: CallTrace) -> None:
        self._trace = trace

    def of(self, epoch: int, agent: Agent, history: History, before: str) -> str:
        """Return FAST or LARGE for the answer of turn `epoch`; empty where the agent has one model.

        `before`: the route of what was asked in this turn before; what once went to the larger model stays there.
        """
        if not agent.llm.fast_model:
            return ""
        route = LARGE if before == LARGE else _router(agent.llm.route).choose(history.messages)
        self._trace.routed(epoch, route)
        LLM_ROUTES.add(1, route=route)
        return route


def asked(messages: Sequence[Message]) -> str:
    """Return what the caller just said; empty where tools or the agent were heard since: more is to be weighed."""
    last = messages[-1] if messages else None
    return last.content if last is not None and last.role == "user" else ""


def _grams(text: str) -> Counter[str]:
    grams: Counter[str] = Counter()
    for word in _WORD.findall(text.lower()):
        bounded = f" {word} "
        for size in range(_SHORTEST, _LONGEST + 1):
            grams.update(bounded[at : at + size] for at in range(max(1, len(bounded) - size + 1)))
    return grams


def _any_of(phrases: Iterable[str]) -> re.Pattern[str] | None:
    alternatives = "|".join(re.escape(phrase) for phrase in phrases)
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE) if alternatives else None
