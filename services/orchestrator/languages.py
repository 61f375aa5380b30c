"""Which of its agent's languages a call is in. A turn is answered in the language that it was heard in. Pure."""

from __future__ import annotations

from services.common.errors import InvalidInput
from services.common.language_tags import primary_subtag
from services.orchestrator.agent import Agent


class CallLanguages:
    """The language of one call, turn by turn.

    What the recogniser tells of an utterance holds for the answer to it, and from that answer on: words over the agent
    that come to nothing change nothing. A reply keeps the language that it began in.
    """

    def __init__(self, agent: Agent, first: str = "") -> None:
        """`first`: the tag to begin in; empty: the agent's first. Raises InvalidInput for one that the agent lacks."""
        self.whole = agent
        """The agent with all its languages."""
        self._agents: dict[str, Agent] = {}
        self._agent = self.agent_in(self._known(first) if first else agent.language)
        self._heard = ""

    @property
    def tags(self) -> tuple[str, ...]:
        """All languages of the agent as BCP 47 tags, its first one first."""
        return self.whole.language_tags

    @property
    def agent(self) -> Agent:
        """The agent in the language of the call."""
        return self._agent

    @property
    def expected(self) -> Agent:
        """The agent in the language that the open utterance is to be answered in, as far as it is known."""
        return self.agent_in(self._heard) if self._heard else self._agent

    @property
    def is_several(self) -> bool:
        """Whether there is anything to choose."""
        return len(self.tags) > 1

    def agent_in(self, tag: str) -> Agent:
        """Return the agent in one of `tags`; empty: in its first."""
        tag = tag or self.whole.language
        if tag not in self._agents:
            self._agents[tag] = self.whole.in_language(tag)
        return self._agents[tag]

    def forget(self) -> None:
        """Note that what was heard so far is not to be answered."""
        self._heard = ""

    def hear(self, tag: str) -> str:
        """Take the language of the open utterance as recognised; empty: not known.

        Returns the agent's tag for it; where the agent has one language, or leaves it open, as it was recognised.
        Empty: nothing new is known.
        """
        if not self.is_several:
            return tag
        found = self._find(tag)
        self._heard = found or self._heard
        return found

    def settle(self) -> None:
        """Go on in the language of the utterance that is answered now."""
        self._agent = self.expected
        self._heard = ""

    def switch(self, tag: str) -> None:
        """Go on in a language that the caller named. Raises InvalidInput for one that the agent lacks."""
        self._heard = self._known(tag)

    def _known(self, tag: str) -> str:
        found = self._find(tag)
        if not found:
            raise InvalidInput(f"language {tag[:35]!r}: this agent speaks {', '.join(self.tags)}")
        return found

    def _find(self, tag: str) -> str:
        """Return the agent's tag for `tag`: the same, or that of the same language; empty: none."""
        wanted = tag.lower()
        same = next((known for known in self.tags if known.lower() == wanted), "")
        return same or next((known for known in self.tags if primary_subtag(known) == primary_subtag(tag)), "")
