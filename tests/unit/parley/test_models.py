"""The catalogue of models, and what a folder says about itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from parley.errors import ModelError
from parley.models import catalogue
from parley.models.catalogue import Model, PinnedFile
from parley.models.folder import RECORD, Record, RecordedFile, State, git_blob_id_of, read_record, sha256_of, state_of
from parley.models.verify import faults
from services.asr.engines.whisper import model as whisper
from services.asr.settings import AsrSettings
from services.common.models import CATALOGUE
from services.llm.engines.chat import prompts
from services.llm.settings import LlmSettings
from services.tts.settings import TtsSettings
from tests.unit.house.tree import ROOT

pytestmark = pytest.mark.unit

MODELS = catalogue.load()
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_entry_is_whole(model: Model) -> None:
    assert model.stage in catalogue.STAGES
    assert model.licence
    assert model.what
    assert bool(model.repository) != bool(model.command)
    assert re.fullmatch(r"[0-9a-f]{40}|", model.revision)
    assert model.files
    assert model.size_bytes > 0
    for file in model.files:
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.bytes is None or file.bytes > 0


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_its_engine_has_an_extra(model: Model) -> None:
    assert f"{model.stage}-{model.engine}" in EXTRAS


@pytest.mark.parametrize(
    "model", [model for model in MODELS.values() if model.repository], ids=lambda model: model.name
)
def test_it_has_the_files_that_its_engine_needs(model: Model) -> None:
    voice = (f"{model.name}.onnx", f"{model.name}.onnx.json")
    needs = {
        "faster-whisper": whisper.NEEDS,
        "vllm": ("config.json", *prompts.NEEDS),
        "ctranslate2": ("config.json", "model.bin", *prompts.NEEDS),
        "piper": voice,
    }
    assert all(any(source.wants(path) for source in model.sources) for path in needs[model.engine])


def test_what_services_load_by_default_can_be_fetched() -> None:
    asr, llm, tts = AsrSettings(), LlmSettings(), TtsSettings()
    loaded = {asr.faster_whisper_model, llm.vllm_model, llm.ctranslate2_model, *tts.piper_voices}
    assert loaded <= set(MODELS)


def test_names_are_unique() -> None:
    names = re.findall(r'^name = "(.*)"', CATALOGUE.read_text(), re.MULTILINE)
    assert len(names) == len(set(names)) == len(MODELS)


def test_patterns_add_to_the_pinned_files() -> None:
    model = MODELS["Qwen3-30B-A3B-Instruct-2507"]
    (source,) = model.sources
    assert source.wants("model-00001-of-00016.safetensors")
    assert source.wants("config.json")
    assert not source.wants("README.md")
    assert not MODELS["Qwen3-8B"].sources[0].wants("anything.json")


def test_models_are_chosen_by_name_and_by_stage() -> None:
    assert [model.name for model in catalogue.choose(MODELS, ["Qwen3-8B", "Qwen3-8B"], None)] == ["Qwen3-8B"]
    both = catalogue.choose(MODELS, ["en_GB-cori-high"], "asr")
    assert [model.name for model in both][:2] == ["en_GB-cori-high", "faster-whisper-large-v3-turbo"]
    with pytest.raises(ModelError, match=r"Near it: Qwen3-8B"):
        catalogue.choose(MODELS, ["qwen-3-8b"], None)


def test_a_folder_tells_how_far_a_model_is_there(tmp_path: Path) -> None:
    model = tiny()
    assert state_of(model, tmp_path) is State.ABSENT
    (tmp_path / "tiny.partial").mkdir()
    assert state_of(model, tmp_path) is State.PARTIAL
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "a").write_bytes(b"")
    Record("tiny", "acme/tiny", COMMIT, (RecordedFile("a", 0, EMPTY_SHA256),)).write(folder)
    assert state_of(model, tmp_path) is State.PRESENT
    assert state_of(tiny(revision="f" * 40), tmp_path) is State.OTHER_REVISION
    (folder / "a").write_bytes(b"longer")
    assert state_of(model, tmp_path) is State.PARTIAL


def test_a_model_put_there_by_hand_is_there_but_not_proved(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "a").write_bytes(b"")
    assert state_of(tiny(), tmp_path) is State.PRESENT
    assert faults(tiny(), folder) == [f"no {RECORD} in it: not all of its files can be checked"]
    assert faults(tiny(sha256=EMPTY_SHA256), folder) == []


def test_a_record_that_was_changed_with_the_file_does_not_pass(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"other")
    Record("tiny", "acme/tiny", COMMIT, (RecordedFile("a", 5, sha256_of(tmp_path / "a")),)).write(tmp_path)
    assert faults(tiny(sha256=EMPTY_SHA256), tmp_path) == ["a is recorded with another SHA-256 than the catalogue pins"]
    assert faults(tiny(revision="f" * 40), tmp_path) == [
        "it is of commit 0123456789ab, the catalogue pins ffffffffffff"
    ]


def test_a_missing_file_and_a_missing_folder_are_told(tmp_path: Path) -> None:
    assert faults(tiny(), tmp_path / "nowhere") == [f"{tmp_path / 'nowhere'} is not there"]
    assert "a is missing" in faults(tiny(), tmp_path)


def test_a_broken_record_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text("[]")
    with pytest.raises(ModelError, match=r"cannot be read .* pull the model again"):
        read_record(tmp_path)


def test_a_blob_is_named_as_git_names_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello\n")
    assert git_blob_id_of(tmp_path / "a") == "ce013625030ba8dba906f756967f9e9ca394464a"  # `git hash-object` of it


def tiny(revision: str = COMMIT, sha256: str | None = None) -> Model:
    files = (PinnedFile("a", None, sha256),)
    return Model("tiny", "asr", "faster-whisper", "for tests", "MIT", files, repository="acme/tiny", revision=revision)
