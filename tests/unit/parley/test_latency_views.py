"""What `parley latency` shows: rows on a terminal, a document, a page that needs nothing else."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from parley import cli
from parley.latency import budget as budgets
from parley.latency.charts import waterfall_chart
from parley.latency.document import document
from parley.latency.page import page
from parley.latency.statistics import Turn, analyse
from parley.latency.terminal import show
from services.common.spans import LINE_NAMES

pytestmark = pytest.mark.unit

BUDGET = budgets.load()
CPU = BUDGET.profile("cpu")
HOSTILE = '<script src="http://x">&'
Run = Callable[..., int]


def turns(count: int = 12) -> list[Turn]:
    """Return turns within budget but for the recogniser, which is slow in the last and each twelfth before it."""
    made = []
    for number in range(count):
        lines = {name: CPU.lines[name].p50_ms * 0.5 + number % 12 / 100 for name in LINE_NAMES}
        if number % 12 == (count - 1) % 12:
            lines["asr_finalization"] = 900.0
        made.append(Turn(lines, HOSTILE, HOSTILE, number + 1, at_s=1_790_000_000.0 + number))
    return made


ANALYSIS = analyse(turns(), CPU)


def shown(*, in_order: bool = False, is_terminal: bool = False) -> list[str]:
    out = Console(file=io.StringIO(), width=140, force_terminal=is_terminal, color_system=None, highlight=False)
    show(out, ANALYSIS, BUDGET, "somewhere [bold]", in_order=in_order)
    text: str = out.file.getvalue()  # type: ignore[attr-defined]
    return text.splitlines()


def names_of(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines if re.match(r"[a-z_]+ .*\d+ / \d+", line) and " / " in line][1:]


def test_the_terminal_shows_the_worst_line_first_or_the_order_of_a_turn() -> None:
    worst, ordered = names_of(shown()), names_of(shown(in_order=True))
    assert worst[0] == "asr_finalization"
    assert ordered == list(LINE_NAMES)
    assert sorted(worst) == sorted(ordered)


def test_the_terminal_says_what_is_over_by_how_much_and_what_to_do() -> None:
    lines = shown()
    row = next(line for line in lines if line.startswith("asr_finalization"))
    assert row.endswith("over by 800 at p95")
    assert re.search(r"\s900\s+900\s+5 / 100", row)
    advice = " ".join(line.strip() for line in lines[lines.index("what to do") + 1 :])
    assert advice == f"asr_finalization    {BUDGET.what_to_do['asr_finalization']}"
    assert "12 turns of somewhere [bold]" in lines
    assert any("p95 and p99 are just the slowest one" in line for line in lines)


def test_the_terminal_tells_what_speculation_hid() -> None:
    assert not any("speculation" in line for line in shown())
    some = [replace(turn, hidden_ms=200.0 + number) for number, turn in enumerate(turns(3))] + turns(2)
    out = Console(file=io.StringIO(), width=100)
    show(out, analyse(some, CPU), BUDGET, "somewhere", in_order=False)
    assert isinstance(out.file, io.StringIO)
    assert "begun on a guess: 3 of 5, p50 201 ms hidden by speculation" in out.file.getvalue()


def test_bars_in_order_lie_end_to_end() -> None:
    lines = [line for line in shown(in_order=True, is_terminal=True) if line.split(" ")[0] in LINE_NAMES]
    bars = [line[20:56] for line in lines[: len(LINE_NAMES)]]
    drawn = [(bar.index("█"), bar.rindex("█") + 1) for bar in bars if "█" in bar]
    assert drawn[0][0] == 0
    assert drawn[-1][1] == 36
    assert all(before[1] == after[0] for before, after in pairwise(drawn))


def test_the_document_is_json_and_holds_what_the_terminal_shows() -> None:
    told = json.loads(json.dumps(document(ANALYSIS, BUDGET, "cpu", "somewhere", 3)))
    assert (told["turns"], told["other_turns"], told["is_within"]) == (12, 3, False)
    assert told["lines"][0]["line"] == "asr_finalization"
    assert told["lines"][0]["over_ms"] == 800
    assert told["lines"][0]["what_to_do"] == BUDGET.what_to_do["asr_finalization"]
    assert "what_to_do" not in told["lines"][1]
    typical = told["typical_turn"]
    assert sum(typical["lines_ms"].values()) == pytest.approx(typical["total_ms"], abs=1)
    assert told["slowest"][0]["turn"] == 12


class Page(HTMLParser):
    """Collects what a page is made of, and holds that every element is closed."""

    VOID = ("meta", "link", "br", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(html: str) -> Page:
    found = Page()
    found.feed(html)
    found.close()
    assert found.open == []
    return found


@pytest.mark.parametrize("count", [1, 2, 12, 400])
def test_the_page_is_whole_and_needs_nothing_else(count: int) -> None:
    html = page(analyse(turns(count), CPU), BUDGET, CPU, f"somewhere {HOSTILE}", 3)
    found = parsed(html)
    assert not found.tags & {"script", "link", "img", "iframe", "object", "embed"}
    assert not {name for name, _ in found.attributes} & {"src", "href", "onload", "onclick"}
    assert "url(" not in html
    assert "@import" not in html
    assert HOSTILE not in html
    assert f"somewhere {HOSTILE}" in found.text
    assert "prefers-color-scheme: dark" in html
    assert all(name in found.text for name in LINE_NAMES)
    assert BUDGET.what_to_do["asr_finalization"] in found.text
    assert ("just the slowest one" in found.text) is (1 < count < 100)


def test_the_bars_of_the_page_s_waterfall_lie_end_to_end() -> None:
    chart = waterfall_chart(ANALYSIS)
    bars = [
        (float(x), float(width))
        for x, width, tall in re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="(\d+)', chart)
        if tall == "12"
    ]
    assert len(bars) == len(LINE_NAMES)
    thin = 1.2  # what is next to nothing is still drawn
    for (x, width), (after, _) in pairwise(bars):
        assert after == pytest.approx(x + width, abs=0.02) or width == thin


@pytest.fixture
def report(tmp_path: Path) -> Path:
    entries = [{"voice_to_voice_ms": turn.total_ms, "hops_ms": dict(turn.lines_ms)} for turn in turns()]
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"event": "call_summary", "turns": entries}))
    return path


def test_check_is_for_scripts(report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["latency", "--report", str(report)]) == 0
    assert cli.main(["latency", "--report", str(report), "--check"]) == 1
    generous = tmp_path / "budget.toml"
    generous.write_text(re.sub(r"p95_ms = \d+", "p95_ms = 5000", budgets.SHIPPED.read_text()))
    assert cli.main(["latency", "--report", str(report), "--check", "--budget", str(generous)]) == 0
    assert "every line is within its budget" in capsys.readouterr().out


def test_the_command_writes_a_page_and_prints_json(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html = tmp_path / "page.html"
    assert cli.main(["latency", "--report", str(report), "--json", "--html", str(html)]) == 0
    assert json.loads(capsys.readouterr().out)["turns"] == 12
    parsed(html.read_text())


def test_a_call_can_be_piped_in(
    report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(report.read_text()))
    assert cli.main(["latency", "--report", "-"]) == 0
    assert "12 turns of standard input" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "run `parley demo` first"),
        (["--report", "nowhere.json"], "nowhere.json cannot be read"),
        (["--otlp", "nowhere.json"], "nowhere.json cannot be read"),
        (["--profile", "gpu"], "choose one of"),
        (["--since", "1h"], "go with --redis or --otlp"),
        (["--redis", "redis://127.0.0.1:1"], "cannot be read from Redis"),
        (["--redis", "nonsense"], "cannot be read from Redis"),
    ],
)
def test_what_cannot_be_shown_is_told(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["latency", *arguments]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("since", ["15", "m", "1w", "-3m"])
def test_a_window_is_a_number_and_a_unit(since: str) -> None:
    with pytest.raises(SystemExit):
        cli.main(["latency", f"--since={since}"])
