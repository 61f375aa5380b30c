"""JSGF grammar text to a syntax tree. Errors name the line.

Read: the header, `grammar`, `public` and private rules, sequences, alternatives, groups, optionals, `*`, `+`, quoted
tokens, comments, `<NULL>` and `<VOID>`. Weights (`/0.5/`) and tags (`{...}`) are read and have no effect. Refused:
imports, and rules that contain themselves (`*` and `+` say what is needed).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from services.common.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Token:
    """One word to be said, lower case."""

    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A use of another rule."""

    rule: str
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts said one after the other; none stands for nothing said."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these; none stands for what can never be said."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part said any number of times; at least once where `at_least_once`."""

    part: Node
    at_least_once: bool


Node: TypeAlias = Token | Reference | Sequence | Choice | Repeat
NOTHING = Sequence(())


@dataclass(frozen=True, slots=True)
class Grammar:
    """A parsed grammar: every rule by name, and the names that are public, in order."""

    name: str
    rules: Mapping[str, Node]
    public: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Lexeme:
    kind: str
    text: str
    line: int


_LEXER = re.compile(
    r"""(?P<space>\s+)
    |(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<weight>/\s*[0-9]*\.?[0-9]+(?:e[-+]?[0-9]+)?\s*/)
    |(?P<tag>\{(?:\\.|[^}\\])*\})
    |(?P<rule><[^<>\s]+>)
    |(?P<quoted>"[^"\n]*")
    |(?P<punct>[=;|()\[\]*+])
    |(?P<word>[^\s=;|()\[\]*+<>{}"/]+)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_HEADER = re.compile(r"\s*\ufeff?#JSGF\s+V1\.0[^;\n]*;")


def _fail(line: int, problem: str) -> InvalidInput:
    return InvalidInput(f"grammar line {line}: {problem}")


def _lex(text: str) -> Iterator[_Lexeme]:
    header = _HEADER.match(text)
    if header is None:
        raise _fail(1, 'the first line must be "#JSGF V1.0;"')
    at, line = header.end(), 1 + text.count("\n", 0, header.end())
    while at < len(text):
        match = _LEXER.match(text, at)
        if match is None:
            raise _fail(line, f"unexpected {text[at]!r}")
        if match.lastgroup not in ("space", "comment"):
            yield _Lexeme(str(match.lastgroup), match.group(), line)
        line += match.group().count("\n")
        at = match.end()
    yield _Lexeme("end", "the end", line)


class _Parser:
    def __init__(self, text: str) -> None:
        self._lexemes = list(_lex(text))
        self._at = 0

    def grammar(self) -> Grammar:
        name = self._expect_word("grammar") or self._take("word").text
        self._punct(";")
        rules: dict[str, Node] = {}
        public: list[str] = []
        while self._peek.kind != "end":
            if self._peek.text == "import":
                raise _fail(self._peek.line, "imports are not supported: put the rules into one grammar")
            is_public = self._peek.text == "public"
            if is_public:
                self._at += 1
            head = self._take("rule")
            if head.text in rules or head.text in ("<NULL>", "<VOID>"):
                raise _fail(head.line, f"rule {head.text} is defined twice")
            self._punct("=")
            rules[head.text] = self._choice()
            self._punct(";")
            public.extend([head.text] if is_public else [])
        if not public:
            raise _fail(self._peek.line, 'no public rule: write "public <name> = ...;"')
        return Grammar(name, rules, tuple(public))

    @property
    def _peek(self) -> _Lexeme:
        return self._lexemes[self._at]

    def _take(self, kind: str) -> _Lexeme:
        lexeme = self._peek
        if lexeme.kind != kind:
            wanted = {"rule": "a rule name such as <greeting>", "word": "a name"}[kind]
            raise _fail(lexeme.line, f"expected {wanted}, found {lexeme.text!r}")
        self._at += 1
        return lexeme

    def _expect_word(self, text: str) -> str:
        if self._peek.text != text:
            raise _fail(self._peek.line, f'expected "{text}", found {self._peek.text!r}')
        self._at += 1
        return ""

    def _punct(self, text: str) -> None:
        self._expect_word(text)

    def _choice(self) -> Node:
        options = [self._sequence()]
        while self._peek.text == "|":
            self._at += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        first = self._peek
        while (part := self._part()) is not None:
            parts.append(part)
        if not parts:
            raise _fail(first.line, f"expected words or a rule, found {first.text!r}")
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _part(self) -> Node | None:
        while self._peek.kind in ("weight", "tag"):
            self._at += 1
        lexeme = self._peek
        node: Node
        if lexeme.kind in ("word", "quoted"):
            self._at += 1
            words = tuple(Token(word.lower()) for word in lexeme.text.strip('"').split())
            node = words[0] if len(words) == 1 else Sequence(words)
        elif lexeme.kind == "rule":
            self._at += 1
            constants: dict[str, Node] = {"<NULL>": NOTHING, "<VOID>": Choice(())}
            node = constants.get(lexeme.text, Reference(lexeme.text, lexeme.line))
        elif lexeme.text in ("(", "["):
            self._at += 1
            node = self._choice()
            self._punct(")" if lexeme.text == "(" else "]")
            node = node if lexeme.text == "(" else Choice((node, NOTHING))
        else:
            return None
        return self._suffixed(node)

    def _suffixed(self, node: Node) -> Node:
        while True:
            if self._peek.text in ("*", "+"):
                node = Repeat(node, at_least_once=self._peek.text == "+")
            elif self._peek.kind != "tag":
                return node
            self._at += 1


def parse(text: str) -> Grammar:
    """Return the syntax tree of a JSGF grammar. Raises InvalidInput that names the line and what is wrong there."""
    grammar = _Parser(text).grammar()
    for node in grammar.rules.values():
        _check_references(node, grammar.rules)
    return grammar


def _check_references(node: Node, rules: Mapping[str, Node]) -> None:
    match node:
        case Reference(rule, line):
            if rule not in rules:
                raise _fail(line, f"rule {rule} is not defined")
        case Sequence(parts) | Choice(parts):
            for part in parts:
                _check_references(part, rules)
        case Repeat(part, _):
            _check_references(part, rules)
        case Token():
            pass
