"""Engines by name."""

from __future__ import annotations

import pytest

from services.common.errors import InvalidInput
from services.common.registry import load_engine

pytestmark = pytest.mark.unit

TABLE = {
    "pace": "services.common.limits:AudioPace",
    "typo": "services.common.no_such_module:Engine",
}


def test_a_name_is_imported_when_it_is_chosen() -> None:
    assert load_engine(TABLE, "pace", setting="X").__name__ == "AudioPace"


def test_an_unknown_name_is_told_the_setting_and_the_choices() -> None:
    with pytest.raises(InvalidInput, match=r"PARLEY_ASR_ENGINE='nope'.*pace, typo"):
        load_engine(TABLE, "nope", setting="PARLEY_ASR_ENGINE")


def test_a_package_that_is_not_installed_is_told_with_its_extra() -> None:
    table = {"big": "no_such_package_anywhere.asr:Engine"}
    with pytest.raises(
        InvalidInput, match=r"X='big' needs the package 'no_such_package_anywhere'.*pip install -e '\.\[asr-big\]'"
    ):
        load_engine(table, "big", setting="X")


def test_a_module_of_ours_that_is_missing_is_a_fault_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load_engine(TABLE, "typo", setting="X")
