"""`parley models` against a server that answers as the hub does."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from huggingface_hub import constants

from parley import cli
from parley.errors import ModelError
from parley.models import catalogue
from parley.models.catalogue import PinnedFile, Source
from parley.models.folder import RECORD, State, state_of
from parley.models.hub import Hub
from parley.models.pull import pull
from parley.models.verify import faults
from tests.integration.parley.model_hub import COMMIT, REPOSITORY, HubServer, model, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

FILES = {"model.bin": random.Random(1).randbytes(400_000), "config.json": b'{"a": 1}\n'}
PINS = {"model.bin": sha256(FILES["model.bin"]).hexdigest()}


class Told:
    """What a watcher heard."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.counts: list[tuple[str, int, int]] = []

    def begin(self, what: str, total_bytes: int) -> None:
        self.counts.append((what, total_bytes, 0))

    def advance(self, count: int) -> None:
        what, total, done = self.counts[-1]
        self.counts[-1] = (what, total, done + count)

    def say(self, text: str, style: str = "") -> None:
        self.said.append(text)


@pytest.fixture
def server() -> Iterator[HubServer]:
    with serving(dict(FILES)) as serves:
        yield serves


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def test_a_model_is_fetched_whole_checked_and_recorded(server: HubServer, tmp_path: Path) -> None:
    told = Told()
    record = pull(model(FILES, pins=PINS), tmp_path, Hub(server.endpoint), told)
    folder = tmp_path / "tiny"
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != RECORD} == FILES
    assert json.loads((folder / RECORD).read_text()) == {
        "name": "tiny",
        "repository": REPOSITORY,
        "revision": COMMIT,
        "files": [
            {"path": name, "bytes": len(data), "sha256": sha256(data).hexdigest()} for name, data in FILES.items()
        ],
    }
    assert record.revision == COMMIT
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert all(done == total for _, total, done in told.counts)
    assert faults(model(FILES, pins=PINS), folder) == []


def test_what_is_in_place_is_not_fetched_again(server: HubServer, tmp_path: Path) -> None:
    pull(model(FILES), tmp_path, Hub(server.endpoint), Told())
    server.asked.clear()
    told = Told()
    pull(model(FILES), tmp_path, Hub(server.endpoint), told)
    assert server.asked == []
    assert told.said == [f"tiny: in place (commit {COMMIT[:12]})"]


def test_a_broken_download_goes_on_where_it_stopped(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 65536)  # 10 MB otherwise, and as much is lost
    server.cut_after = 150_000
    with pytest.raises(ModelError, match="503"):
        pull(model(FILES), tmp_path, Hub(server.endpoint), Told())
    assert state_of(model(FILES), tmp_path) is State.PARTIAL
    assert not (tmp_path / "tiny").exists()
    kept = (tmp_path / "tiny.partial" / "model.bin").stat().st_size
    assert kept == 2 * 65536

    server.cut_after, server.is_down = None, False
    server.asked.clear()
    told = Told()
    pull(model(FILES, pins=PINS), tmp_path, Hub(server.endpoint), told)
    assert server.asked == [("model.bin", f"bytes={kept}-"), ("config.json", "")]
    assert (tmp_path / "tiny" / "model.bin").read_bytes() == FILES["model.bin"]
    assert all(done == total for _, total, done in told.counts)


def test_a_server_without_ranges_begins_anew(server: HubServer, tmp_path: Path) -> None:
    (tmp_path / "tiny.partial").mkdir()
    (tmp_path / "tiny.partial" / "model.bin").write_bytes(FILES["model.bin"][:1000])
    server.ignores_ranges = True
    told = Told()
    pull(model(FILES), tmp_path, Hub(server.endpoint), told)
    assert (tmp_path / "tiny" / "model.bin").read_bytes() == FILES["model.bin"]
    assert all(done == total for _, total, done in told.counts)


def test_bytes_that_differ_from_the_hubs_own_digest_are_thrown_away(server: HubServer, tmp_path: Path) -> None:
    server.flips = True
    with pytest.raises(ModelError, match=r"model\.bin .*the hub states for that commit: thrown away"):
        pull(model(FILES), tmp_path, Hub(server.endpoint), Told())
    assert not (tmp_path / "tiny").exists()
    assert not (tmp_path / "tiny.partial" / "model.bin").exists()


def test_a_small_file_is_checked_by_its_git_name(server: HubServer, tmp_path: Path) -> None:
    small = {"config.json": FILES["config.json"]}
    server.flips = True
    with pytest.raises(ModelError, match=r"config\.json .*thrown away"):
        pull(model(small), tmp_path, Hub(server.endpoint), Told())


def test_a_mirror_that_offers_other_bytes_than_are_pinned_is_refused(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the catalogue pins 000000000000\.\.\.: not fetched"):
        pull(model(FILES, pins={"model.bin": "0" * 64}), tmp_path, Hub(server.endpoint), Told())
    assert server.asked == []


def test_a_pinned_small_file_with_another_digest_is_refused(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json .*the catalogue pins: thrown away"):
        pull(model(FILES, pins={"config.json": "0" * 64}), tmp_path, Hub(server.endpoint), Told())


def test_without_a_pinned_commit_the_newest_is_taken_and_recorded(server: HubServer, tmp_path: Path) -> None:
    told = Told()
    record = pull(model(FILES, revision=""), tmp_path, Hub(server.endpoint), told)
    assert record.revision == COMMIT
    assert "pins no commit" in told.said[0]


def test_a_hub_that_answers_with_another_commit_is_refused(server: HubServer, tmp_path: Path) -> None:
    wanted = "f" * 40
    with pytest.raises(ModelError, match=f"has no commit {wanted}"):
        pull(model(FILES, revision=wanted), tmp_path, Hub(server.endpoint), Told())


def test_files_outside_the_folder_are_refused(server: HubServer, tmp_path: Path) -> None:
    server.files["../../astray.json"] = b"{}"
    anything = replace(model(FILES), patterns=("*.json",))
    with pytest.raises(ModelError, match="outside the model's folder"):
        pull(anything, tmp_path, Hub(server.endpoint), Told())


def test_what_another_repository_has_is_fetched_too(server: HubServer, tmp_path: Path) -> None:
    server.files["other/template.json"] = b"{}"
    other = Source(REPOSITORY, COMMIT, (PinnedFile("template.json"),), under="other")
    record = pull(replace(model(FILES), also=(other,)), tmp_path, Hub(server.endpoint), Told())
    assert (tmp_path / "tiny" / "template.json").read_bytes() == b"{}"
    assert [file.path for file in record.files] == [*FILES, "template.json"]


def test_a_full_disk_is_told_before_anything_is_fetched(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ModelError, match=r"tiny needs 0\.27 GB more .* has 0\.00 GB free: make room"):
        pull(model(FILES), tmp_path, Hub(server.endpoint), Told())
    assert server.asked == []


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path) -> None:
    with serving({}) as gone:
        endpoint = gone.endpoint
    with pytest.raises(ModelError, match=r"cannot be reached .*--endpoint or HF_ENDPOINT"):
        pull(model(FILES), tmp_path, Hub(endpoint), Told())


def test_only_a_token_of_the_environment_is_sent(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    pull(model(FILES), tmp_path, Hub(), Told())
    assert set(server.tokens) == {None}
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pull(model(FILES), tmp_path, Hub(), Told(), repair=True)
    assert server.tokens[-1] == "Bearer hf_secret"


def test_a_flipped_byte_is_found_and_mended_alone(server: HubServer, tmp_path: Path) -> None:
    entry = model(FILES, pins=PINS)
    pull(entry, tmp_path, Hub(server.endpoint), Told())
    damaged = tmp_path / "tiny" / "model.bin"
    damaged.write_bytes(b"x" + FILES["model.bin"][1:])
    found = faults(entry, tmp_path / "tiny")
    assert len(found) == 1
    assert "model.bin has SHA-256" in found[0]
    server.asked.clear()
    pull(entry, tmp_path, Hub(server.endpoint), Told(), repair=True)
    assert server.asked == [("model.bin", "")]
    assert faults(entry, tmp_path / "tiny") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


def test_what_others_put_there_is_left_alone(server: HubServer, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "own.txt").write_text("mine")
    with pytest.raises(ModelError, match="did not put there"):
        pull(model(FILES), tmp_path, Hub(server.endpoint), Told())
    assert (tmp_path / "tiny" / "own.txt").read_text() == "mine"


def test_the_command_pulls_lists_and_verifies(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "load", lambda: {"tiny": model(FILES, pins=PINS)})
    place = ["--dir", str(tmp_path)]
    assert cli.main(["models", "verify", "tiny", *place]) == 1
    assert f"mend it with: parley models pull tiny --repair --dir {tmp_path}" in capsys.readouterr().out
    assert cli.main(["models", "pull", "tiny", "--endpoint", server.endpoint, *place]) == 0
    capsys.readouterr()
    assert cli.main(["models", "list", "--json", *place]) == 0
    assert [entry["state"] for entry in json.loads(capsys.readouterr().out)] == ["present"]
    assert cli.main(["models", "verify", *place]) == 0
    (tmp_path / "tiny" / "config.json").write_text("{}")
    capsys.readouterr()
    assert cli.main(["models", "verify", *place]) == 1
    assert "config.json has 2 bytes instead of 9" in capsys.readouterr().out


def test_the_real_command_knows_the_catalogue(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "parley.cli", "models", "list", "--json", "--dir", str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=40,
    )  # fmt: skip
    listed = {entry["name"]: entry for entry in json.loads(ran.stdout)}
    assert listed["Qwen3-8B"]["state"] == "absent"
    assert listed["faster-whisper-large-v3-turbo"]["size_bytes"] > 1.6e9


def test_a_missing_library_is_told_with_its_extra(tmp_path: Path) -> None:
    blocked = (
        "import sys; sys.modules['huggingface_hub'] = None; from parley.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", blocked, "models", "pull", "en_GB-cori-high", "--dir", str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=40,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "pip install -e '.[models]'" in ran.stderr
