"""What the tree check refuses, and that it lets ordinary files pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_tree import file_findings

pytestmark = pytest.mark.unit

ROOT = Path("/somewhere/checkout")

BAD = [
    ("a.sh", b"pip install --extra-index" + b"-url https://x", "an index address"),
    ("Dockerfile", b"RUN pip install --find" + b"-links /wheels", "an index address"),
    ("docs/a.md", b"see /home" + b"/someone/notes", "a path of one machine"),
    ("a.py", b"path = '/somewhere" + b"/else'", "where this checkout lies"),
    ("a.py", b"# TO" + b"DO: later", "a loose end"),
    ("tests/test_a.py", b"@pytest.mark.sk" + b"ip", "a skipped test"),
    ("a.py", b"<" * 7 + b" HEAD", "a merge conflict"),
    ("a.py", b"x = 1\n" * 401, "401 lines"),
    ("requirements/a.lock", b"x @ https" + b"://host/x.whl", "an address in a lock file"),
    ("uv.lock", b"", "records download addresses"),
    ("models/a.onnx", b"\x08\x07", "weights or a recording"),
    ("tests/hello.wav", b"RIFF", "weights or a recording"),
    ("data.txt", b"0" * (513 * 1024), "513 KiB"),
]


@pytest.mark.parametrize(("name", "content", "told"), BAD, ids=lambda value: str(value)[:24])
def test_what_must_not_be_in_the_tree_is_told(name: str, content: bytes, told: str) -> None:
    findings = list(file_findings(name, content, ROOT))
    assert any(told in finding and finding.startswith(name) for finding in findings), findings


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.py", b'"""Fine."""\n' * 400),
        ("gen/voice/a_pb2.py", b"x = 1\n" * 2000),
        ("deploy/Dockerfile", b"COPY . /home" + b"/parley/app\n"),
        ("a.md", b"the root/other path, and either/or\n"),
        ("logo.svg", bytes(range(256))),
    ],
)
def test_ordinary_files_pass(name: str, content: bytes) -> None:
    assert not list(file_findings(name, content, ROOT))


def test_a_checkout_in_a_common_place_forbids_no_common_path() -> None:
    assert not list(file_findings("a.sh", b"cd /opt/tool\n", Path("/opt/checkout")))
