"""When an environment is made anew, added to, or left alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts import setup_env
from scripts.setup_env import Stamp, is_stale, package_names

pytestmark = pytest.mark.unit

THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def stamp(root: str = str(setup_env.ROOT)) -> Stamp:
    return Stamp(root=root, python=THIS_PYTHON)


def test_a_missing_one_is_made(tmp_path: Path) -> None:
    assert is_stale(tmp_path, Stamp(), None)


def test_one_that_fits_is_kept(venv: Path) -> None:
    assert not is_stale(venv, stamp(), None)
    assert not is_stale(venv, stamp(), THIS_PYTHON)
    assert not is_stale(venv, Stamp(), None), "one without a stamp is added to, not thrown away"


def test_a_moved_checkout_makes_it_anew(venv: Path) -> None:
    assert is_stale(venv, stamp(root="/elsewhere"), None)


def test_another_python_asked_for_makes_it_anew(venv: Path) -> None:
    assert is_stale(venv, stamp(), "3.99")


def test_a_python_that_is_gone_makes_it_anew(venv: Path) -> None:
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/nowhere/python3")
    assert is_stale(venv, stamp(), None)


def test_a_broken_stamp_is_no_stamp(tmp_path: Path) -> None:
    for content in ("", "[]", '{"unknown": 1}', "not json"):
        (tmp_path / "stamp").write_text(content)
        assert Stamp.read(tmp_path / "stamp") == Stamp()
    assert Stamp.read(tmp_path / "absent") == Stamp()


def test_packages_of_other_systems_and_second_versions_are_not_counted() -> None:
    lock = (
        "numpy==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:00\n"
        "numpy==2.5.5 ; python_full_version >= '3.12' \\\n    --hash=sha256:00\n"
        "colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
        "redis==8.1.0 \\\n    --hash=sha256:00\n    # via parley\n"
    )
    assert package_names(lock) == {"numpy", "redis"}


def test_pip_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    broken = tmp_path / "lib" / "python3.11" / "site-packages"
    broken.mkdir(parents=True)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho 'ERROR: No matching distribution found for pocketsphinx'\nexit 1\n")
    python.chmod(0o755)
    with (tmp_path / "out").open("w") as out:
        progress = setup_env.Progress(out)
        with pytest.raises(setup_env.SetupError, match=r"pocketsphinx[\s\S]*No wheel fits"):
            setup_env.run_pip(python, [], "packages", 3, progress)
