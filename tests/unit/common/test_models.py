"""Where a service looks for its model, and what it says where there is none."""

from pathlib import Path

import pytest

from services.common.errors import InvalidInput
from services.common.models import fetch_commands, locate_model

pytestmark = pytest.mark.unit


def test_a_bare_name_is_a_folder_below_the_models(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.bin").write_bytes(b"x")
    assert locate_model(tmp_path, "tiny", ["model.bin"], setting="PARLEY_X_MODEL") == tmp_path / "tiny"


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    assert locate_model(Path("elsewhere"), str(tmp_path), ["model.bin"], setting="PARLEY_X_MODEL") == tmp_path


def test_a_missing_model_is_told_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"PARLEY_X_MODEL='Qwen3-8B'.*no such folder.*parley models pull Qwen3-8B --dir"
    ):
        locate_model(tmp_path, "Qwen3-8B", ["model.bin"], setting="PARLEY_X_MODEL")


def test_a_model_that_cannot_be_fetched_is_told_with_names_near_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"knows none of that name \(near it: faster-whisper-small\.en.*models list"):
        locate_model(tmp_path, "faster-whisper-small", ["model.bin"], setting="PARLEY_X_MODEL")


def test_a_model_of_another_source_is_told_with_its_own_command() -> None:
    assert fetch_commands(Path("models"))["turn"] == "python scripts/fetch_turn_models.py"


def test_a_model_that_lacks_a_file_is_told_by_that_file(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    with pytest.raises(InvalidInput, match=r"no model\.bin in it"):
        locate_model(tmp_path, "half", ["model.bin"], setting="PARLEY_X_MODEL")


def test_an_empty_name_asks_for_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="PARLEY_X_MODEL is empty"):
        locate_model(tmp_path, "", [], setting="PARLEY_X_MODEL")
