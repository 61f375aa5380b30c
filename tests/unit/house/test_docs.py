"""What the pages say exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from parley.cli import COMMANDS
from tests.unit.house.tree import ROOT, tracked

pytestmark = pytest.mark.unit

PAGES = tracked("*.md")
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
MAKE = re.compile(r"(?:^|[`\s])make ((?:[A-Z_]+=\S+ )*)([a-z][a-z0-9-]*)")
PARLEY = re.compile(r"(?:^|\$ |bin/)parley ([a-z]+)", re.MULTILINE)
MODULE = re.compile(r"python3? -m (?!venv|pip|pytest)([\w.]+)")
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code_of(page: Path) -> list[str]:
    """Return a page's fenced blocks, and its inline code outside them."""
    text = page.read_text()
    return [*FENCE.findall(text), *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))]


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_pages_a_visitor_expects_are_there() -> None:
    names = {page_id(page) for page in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/README.md", "docs/architecture.md"} <= names
    listed = (ROOT / "docs" / "README.md").read_text()
    assert all(page.name in listed for page in PAGES if page.parent == ROOT / "docs")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_make_targets_that_a_page_names_exist(page: Path) -> None:
    named = {target for code in code_of(page) for _, target in MAKE.findall(code)}
    assert named <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_and_modules_that_a_page_names_exist(page: Path) -> None:
    code = code_of(page)
    assert {name for block in code for name in PARLEY.findall(block)} <= set(COMMANDS)
    for name in {name for block in code for name in MODULE.findall(block)}:
        place = ROOT / name.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), name


def test_every_command_of_parley_has_its_module() -> None:
    missing = [name for name in COMMANDS if not (ROOT / "parley" / "commands" / f"{name}.py").exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = {
        path
        for code in code_of(page)
        for path in re.findall(
            r"(?<![\w/.<-])((?:services|scripts|tests|protos|agents|parley|docs|bench)/[\w./-]*\w)", code
        )
        if "beep" not in path  # the engine that a page adds
    }
    missing = sorted(path for path in named if not (ROOT / path).exists())
    assert not missing


def test_help_shows_every_target() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    silent = [line for line in lines if re.match(r"[a-z][a-z0-9-]*:(?!=)", line) and "## " not in line]
    assert not silent


def test_every_visible_target_is_phony() -> None:
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    phony = set(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split())
    assert phony >= TARGETS
