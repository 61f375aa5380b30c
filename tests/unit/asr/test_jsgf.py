"""Grammar text to syntax tree: what is read, and errors that name the line."""

from __future__ import annotations

import pytest

from services.asr.engines.sphinx.automaton import compile_grammar
from services.asr.engines.sphinx.jsgf import Choice, Sequence, Token, parse
from services.common.errors import InvalidInput

pytestmark = pytest.mark.unit


def grammar(rules: str) -> str:
    return f"#JSGF V1.0;\ngrammar t;\n{rules}"


def test_words_are_lower_case_and_quotes_hold_several() -> None:
    parsed = parse(grammar('public <a> = Hello "New York";'))
    assert parsed.rules["<a>"] == Sequence((Token("hello"), Sequence((Token("new"), Token("york")))))


def test_comments_weights_and_tags_change_nothing() -> None:
    plain = parse(grammar("public <a> = yes | no;"))
    rich = parse(grammar("/* many\nlines */ public <a> = /0.7/ yes {affirm} | /0.3/ no; // end"))
    assert rich.rules == plain.rules == {"<a>": Choice((Token("yes"), Token("no")))}


def test_header_may_name_encoding_and_begin_with_a_byte_order_mark() -> None:
    assert parse("\ufeff#JSGF V1.0 UTF-8 en;\ngrammar t; public <a> = x;").public == ("<a>",)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "#JSGF"),
        ("hello there", 1, "#JSGF"),
        ("#JSGF V1.0;\npublic <a> = x;", 2, 'expected "grammar"'),
        (grammar("public <a> = x"), 3, 'expected ";"'),
        (grammar("public <a> = (x | y;"), 3, r'expected "\)"'),
        (grammar("<b> = x;\npublic <a> = <b> |;"), 4, "expected words or a rule"),
        (grammar("public <a> = x;\n\n<a> = y;"), 5, "defined twice"),
        (grammar("public <a> =\n x <missing>;"), 4, "<missing> is not defined"),
        (grammar("<a> = x;"), 3, "no public rule"),
        (grammar("import <other.*>;\npublic <a> = x;"), 3, "imports are not supported"),
        (grammar("public <a> = x > y;"), 3, "unexpected '>'"),
        (grammar("public a = x;"), 3, "expected a rule name"),
    ],
)
def test_errors_name_the_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(InvalidInput, match=f"grammar line {line}: .*{problem}"):
        parse(text)


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("public <a> = x\n| <a> y;", "line 4: rule <a> contains itself"),
        ("<b> = <c>; <c> = [<b>]; public <a> = <b>;", "contains itself"),
        ("public <a> = <VOID>;", "accepts no words"),
        ("public <a> = <NULL>;", "accepts no words"),
    ],
)
def test_grammars_that_cannot_be_compiled(rules: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        compile_grammar(parse(grammar(rules)))


def test_a_grammar_that_unfolds_without_end_is_refused() -> None:
    doubled = "".join(f"<r{n}> = <r{n + 1}> <r{n + 1}>;" for n in range(20)) + "<r20> = x;"
    with pytest.raises(InvalidInput, match="too large"):
        compile_grammar(parse(grammar(doubled + "public <a> = <r0>;")))
