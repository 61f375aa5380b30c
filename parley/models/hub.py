"""The Hugging Face Hub, or a mirror of it: what a commit holds, and its bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from parley.errors import ModelError
from parley.models.catalogue import MAIN, Model, Source

DEFAULT_ENDPOINT = "https://huggingface.co"
LISTING_TIMEOUT_S = 30.0
"""A list of 2,000 files takes the hub a second or two."""
EXTRA = "huggingface_hub is not installed: pip install -e '.[models]' in the checkout"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a commit."""

    path: str
    """In the model's folder."""
    repository: str
    revision: str
    path_in_repository: str
    bytes: int
    sha256: str
    """Of large files (LFS); empty for others, which git names by `blob_id`."""
    blob_id: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What of a commit belongs to a model."""

    revision: str
    """The commit."""
    files: tuple[HubFile, ...]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)


class Hub:
    """Asks the hub at `endpoint`. A token comes from HF_TOKEN alone; one stored by another program is not sent."""

    def __init__(self, endpoint: str = "", token: str = "") -> None:
        self.endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        self._token: str | bool = token or os.environ.get("HF_TOKEN") or False
        _library()

    def listing(self, model: Model) -> Listing:
        """Return the commit of `model` and its files, those of further repositories too. Raises ModelError."""
        files: dict[str, HubFile] = {}
        commits = []
        for source in model.sources:
            commit, found = self._of(source)
            commits.append(commit)
            files |= {file.path: file for file in found}
        return Listing(commits[0], tuple(files.values()))

    def _of(self, source: Source) -> tuple[str, list[HubFile]]:
        with self._explained(source.repository, source.revision):
            api = _library().HfApi(endpoint=self.endpoint, token=self._token)
            info: Any = api.model_info(
                source.repository, revision=source.revision or MAIN, files_metadata=True, timeout=LISTING_TIMEOUT_S
            )
        if source.revision and info.sha != source.revision:
            raise ModelError(f"{self.endpoint} answers with commit {info.sha} where {source.revision} was asked for")
        prefix = f"{source.under}/" if source.under else ""
        files = [
            _file(entry, prefix, source.repository, info.sha)
            for entry in info.siblings or ()
            if entry.rfilename.startswith(prefix) and source.wants(entry.rfilename.removeprefix(prefix))
        ]
        paths = {file.path for file in files}
        if astray := [path for path in paths if path.startswith("/") or ".." in path.split("/")]:
            raise ModelError(f"{self.endpoint} names files outside the model's folder ({astray[0]}): not fetched")
        if missing := [file.path for file in source.files if file.path not in paths]:
            raise ModelError(f"{source.repository} has no {', '.join(missing)} at commit {info.sha}")
        return info.sha, files

    def download(self, file: HubFile, destination: Path, advance: Callable[[int], None]) -> None:
        """Fetch a file, going on from what `destination` has of it. Raises ModelError; what came until then is kept.

        `advance` hears of bytes as they come; of fewer than none where the server makes us begin anew.
        """
        library = _library()
        have = destination.stat().st_size if destination.is_file() else 0
        with self._explained(file.repository, file.revision), destination.open("r+b" if have else "wb") as opened:
            opened.seek(have)
            library.file_download.http_get(
                library.hf_hub_url(
                    file.repository, file.path_in_repository, revision=file.revision, endpoint=self.endpoint
                ),
                _Counted(opened, advance),
                resume_size=have,
                headers=library.utils.build_hf_headers(token=self._token),
                expected_size=file.bytes,
                displayed_filename=file.path,
            )

    @contextmanager
    def _explained(self, repository: str, revision: str) -> Iterator[None]:
        """Turn what goes wrong into a sentence that says what to do."""
        errors = _library().errors
        where = f"{repository} at {self.endpoint}"
        try:
            yield
        except errors.GatedRepoError as error:
            raise ModelError(
                f"{where} wants you to accept its terms: do so on its page, and set HF_TOKEN to a token of that account"
            ) from error
        except errors.RepositoryNotFoundError as error:
            raise ModelError(f"{where}: no such repository, or one that needs a token in HF_TOKEN") from error
        except errors.RevisionNotFoundError as error:
            raise ModelError(f"{where} has no commit {revision or MAIN}: is it a whole mirror?") from error
        except errors.HfHubHTTPError as error:
            raise ModelError(f"{where} answered: {_first_line(error)}") from error
        # Whichever HTTP library the hub's client is built on (requests, httpx, httpx2): the base of its errors is one
        # of HfHubHTTPError.
        except (OSError, *errors.HfHubHTTPError.__bases__) as error:
            raise ModelError(
                f"{where} cannot be reached ({_first_line(error)}): check the network and the proxy, or name a mirror "
                "with --endpoint or HF_ENDPOINT. What was fetched is kept; the same command goes on from there"
            ) from error


class _Counted:
    """A file that says how it grows."""

    def __init__(self, file: BinaryIO, advance: Callable[[int], None]) -> None:
        self._file = file
        self._advance = advance

    def write(self, data: bytes) -> int:
        self._advance(len(data))
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def truncate(self) -> int:
        before = self._file.seek(0, os.SEEK_END)
        after = self._file.truncate(0)  # the server sends everything again, and we hold one file only
        self._file.seek(0)
        self._advance(after - before)
        return after


def _library() -> Any:
    """Return huggingface_hub. It is asked for when it is needed: nothing but this command does."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.file_download
        import huggingface_hub.utils
    except ImportError as error:
        raise ModelError(EXTRA) from error
    library: Any = huggingface_hub
    library.utils.disable_progress_bars()  # ours is one bar a model
    return library


def _file(entry: Any, prefix: str, repository: str, revision: str) -> HubFile:
    sha256 = entry.lfs.sha256 if entry.lfs is not None else ""
    return HubFile(
        entry.rfilename.removeprefix(prefix),
        repository,
        revision,
        entry.rfilename,
        entry.size or 0,
        sha256,
        entry.blob_id or "",
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
