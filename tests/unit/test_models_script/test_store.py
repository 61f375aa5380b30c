"""A test model is made once for a machine, and never half."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.setup_env import Progress
from scripts.test_models import store
from scripts.test_models.store import Make, Recipe, cache_dir, ensure, is_made

pytestmark = pytest.mark.unit


class Maker:
    """Makes a model of one file, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path, progress: Progress) -> dict[str, object]:
        self.calls += 1
        (folder / "model.bin").write_text("weights")
        return {"steps": 3}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_dir()


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the scripts that make a model named `tiny-model`."""
    folder = tmp_path / "scripts" / "tiny_model"
    folder.mkdir(parents=True)
    (folder / "make.py").write_text("one")
    (folder.parent / "training.py").write_text("shared")
    monkeypatch.setattr(store, "PACKAGE", folder.parent)
    return folder


def recipe(make: Make) -> Recipe:
    return Recipe("tiny-model", ("numpy",), make, shared=("training.py",))


def models_in(cache: Path) -> set[Path]:
    return {path for path in cache.iterdir() if path.is_dir()}


def quiet() -> Progress:
    return Progress(io.StringIO())


def test_the_digest_follows_the_scripts_and_the_libraries(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [recipe(Maker()).digest()]
    assert recipe(Maker()).digest() == digests[0]
    (scripts / "make.py").write_text("two")
    digests.append(recipe(Maker()).digest())
    (scripts.parent / "training.py").write_text("changed")
    digests.append(recipe(Maker()).digest())
    monkeypatch.setattr("importlib.metadata.version", lambda _: "99")
    digests.append(recipe(Maker()).digest())
    assert len(set(digests)) == 4


def test_it_is_made_once_and_then_left_alone(scripts: Path, cache: Path, tmp_path: Path) -> None:
    make = Maker()
    folder = tmp_path / "checkout" / "tiny-model"
    assert ensure(recipe(make), folder, cache, quiet())
    assert (folder / "model.bin").read_text() == "weights"
    assert json.loads((folder / store.STAMP).read_text())["figures"] == {"steps": 3}
    assert not ensure(recipe(make), folder, cache, quiet())
    assert make.calls == 1


def test_another_checkout_takes_it_from_the_cache(scripts: Path, cache: Path, tmp_path: Path) -> None:
    make = Maker()
    for checkout in ("first", "second"):
        assert ensure(recipe(make), tmp_path / checkout / "tiny-model", cache, quiet())
    assert (tmp_path / "second" / "tiny-model" / "model.bin").is_file()
    assert make.calls == 1


def test_a_changed_script_makes_it_anew_in_its_place(scripts: Path, cache: Path, tmp_path: Path) -> None:
    make, folder = Maker(), tmp_path / "tiny-model"
    ensure(recipe(make), folder, cache, quiet())
    (folder / "left over").touch()
    (scripts / "make.py").write_text("two")
    assert not is_made(folder, recipe(make).digest())
    assert ensure(recipe(make), folder, cache, quiet())
    assert make.calls == 2
    assert not (folder / "left over").exists()


def test_a_failure_leaves_what_was_there_and_nothing_half_made(scripts: Path, cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny-model"
    ensure(recipe(Maker()), folder, cache, quiet())
    (scripts / "make.py").write_text("two")

    def break_off(aside: Path, progress: Progress) -> dict[str, object]:
        (aside / "model.bin").write_text("half")
        raise RuntimeError("out of memory")

    before = models_in(cache)
    with pytest.raises(RuntimeError, match="out of memory"):
        ensure(recipe(break_off), folder, cache, quiet())
    assert (folder / "model.bin").read_text() == "weights"
    assert models_in(cache) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_runs_at_once_make_it_once(scripts: Path, cache: Path, tmp_path: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()
    make = Maker()

    def slowly(aside: Path, progress: Progress) -> dict[str, object]:
        inside.set()
        assert go_on.wait(20)
        return make(aside, progress)

    said = io.StringIO()
    with ThreadPoolExecutor(2) as runs:
        first = runs.submit(ensure, recipe(slowly), tmp_path / "one" / "tiny-model", cache, quiet())
        assert inside.wait(20)
        waits = threading.Event()

        class Heard(Progress):
            def show(self, text: str, done: bool = False) -> None:
                super().show(text, done)
                waits.set()

        second = runs.submit(ensure, recipe(slowly), tmp_path / "two" / "tiny-model", cache, Heard(said))
        assert waits.wait(20)
        go_on.set()
        assert first.result(20)
        assert second.result(20)
    assert make.calls == 1
    assert "another run" in said.getvalue()
    assert (tmp_path / "two" / "tiny-model" / "model.bin").is_file()


def test_a_cache_that_cannot_be_written_is_replaced(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    monkeypatch.setattr(store, "PACKAGE", tmp_path / "checkout" / "scripts" / "test_models")
    assert cache_dir() == tmp_path / "checkout" / ".models" / ".test-cache"
    assert cache_dir().is_dir()
