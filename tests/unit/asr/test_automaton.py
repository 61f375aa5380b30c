"""The automaton accepts exactly what the grammar says, whatever its shape."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.asr.engines.sphinx.automaton import compile_grammar
from services.asr.engines.sphinx.jsgf import NOTHING, Choice, Grammar, Node, Repeat, Sequence, Token, parse
from services.common.errors import InvalidInput

pytestmark = pytest.mark.unit

WORDS = ("a", "b", "c")
LONGEST = 4
nodes = st.recursive(
    st.sampled_from(WORDS).map(Token) | st.just(NOTHING),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple).map(Sequence)
        | st.lists(inner, min_size=1, max_size=3).map(tuple).map(Choice)
        | st.builds(Repeat, inner, st.booleans())
    ),
    max_leaves=8,
)


def sentences(node: Node) -> set[tuple[str, ...]]:
    """Every sentence of `node` of at most LONGEST words, by definition."""
    match node:
        case Token(text):
            return {(text,)}
        case Sequence(parts):
            out: set[tuple[str, ...]] = {()}
            for part in parts:
                out = {left + right for left in out for right in sentences(part) if len(left + right) <= LONGEST}
            return out
        case Choice(options):
            return set().union(*(sentences(option) for option in options))
        case Repeat(part, at_least_once):
            once = sentences(part)
            out = set(once)
            for _ in range(LONGEST):
                out |= {left + right for left in out for right in once if len(left + right) <= LONGEST}
            return out if at_least_once else out | {()}
    raise AssertionError(node)


@given(nodes)
@settings(max_examples=150, deadline=None)
def test_accepts_what_the_grammar_says_and_nothing_else(node: Node) -> None:
    said = sentences(node)
    try:
        automaton = compile_grammar(Grammar("t", {"<a>": node}, ("<a>",)))
    except InvalidInput:
        assert said == {()}
        return
    for length in range(LONGEST + 1):
        for words in itertools.product(WORDS, repeat=length):
            assert automaton.accepts(words) == (words in said), words


@given(nodes)
@settings(max_examples=50, deadline=None)
def test_every_state_can_still_end_a_sentence(node: Node) -> None:
    try:
        automaton = compile_grammar(Grammar("t", {"<a>": node}, ("<a>",)))
    except InvalidInput:
        return
    alive = set(automaton.accepting)
    for _ in automaton.arcs:
        alive |= {state for state, arcs in enumerate(automaton.arcs) if alive & set(arcs.values())}
    assert alive == set(range(len(automaton.arcs)))


def test_alike_endings_share_their_states() -> None:
    text = "#JSGF V1.0; grammar t; public <a> = on <day> | next <day> | this <day>; <day> = monday | tuesday | sunday;"
    assert len(compile_grammar(parse(text)).arcs) == 3


def test_every_public_rule_counts() -> None:
    automaton = compile_grammar(parse("#JSGF V1.0; grammar t; public <a> = yes; public <b> = no; <c> = maybe;"))
    assert automaton.words == {"yes", "no"}
    assert automaton.accepts(["no"])
