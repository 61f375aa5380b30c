"""Images are small, locked and harmless: no service carries another's packages, none runs as root."""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.unit.house.test_locks import ENTRY
from tests.unit.house.tree import ROOT, SERVICES, STAGES, engines, settings_class

pytestmark = pytest.mark.unit

IMAGES = ROOT / "requirements" / "images"
LOCKS = sorted(IMAGES.glob("*.lock"))
DOCKERFILES = [*(ROOT / "services" / name / "Dockerfile" for name in SERVICES), ROOT / "deploy" / "models.Dockerfile"]
OWNERS = {
    "pocketsphinx": {"asr-cpu"},
    "faster-whisper": {"asr-cpu", "asr-gpu"},
    "ctranslate2": {"asr-cpu", "asr-gpu", "llm-cpu"},
    "nvidia-cublas-cu12": {"asr-gpu"},
    "onnxruntime": {"asr-cpu", "asr-gpu", "turn-cpu", "tts-cpu"},
    "onnxruntime-gpu": {"turn-gpu", "tts-gpu"},
    "nvidia-cudnn-cu13": {"turn-gpu", "tts-gpu", "llm-gpu"},
    "espeakng-loader": {"tts-cpu", "tts-gpu"},
    "piper-tts": {"tts-cpu", "tts-gpu"},  # GPL-3.0-or-later: in the images of synthesis alone
    "vllm": {"llm-gpu"},
    "torch": {"llm-gpu"},
    "redis": {"orchestrator"},
    "httpx": {"orchestrator", "llm-cpu", "llm-gpu"},
    "jsonschema": {"orchestrator", "llm-cpu", "llm-gpu"},
    "rich": {"models", "llm-gpu"},
    "jax": set(),
    "pytest": set(),
    "mypy": set(),
    "silero-vad": set(),  # its ONNX file is taken out of the wheel
}
"""Which locks hold a package that not every image needs."""


def packages(lock: str) -> dict[str, set[str]]:
    """Return what a lock pins: each package's versions."""
    found: dict[str, set[str]] = {}
    for name, version, _, _ in ENTRY.findall((IMAGES / f"{lock}.lock").read_text()):
        found.setdefault(name, set()).add(version)
    return found


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, each as its word and the rest, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    lines = [line for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def dockerfile_id(dockerfile: Path) -> str:
    return str(dockerfile.relative_to(ROOT))


def environment(dockerfile: Path) -> dict[str, str]:
    return dict(pair.split("=", 1) for word, rest in instructions(dockerfile) if word == "ENV" for pair in rest.split())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_line_of_a_lock_is_a_pinned_package_its_hashes_or_a_comment(lock: Path) -> None:
    text = lock.read_text()
    assert ENTRY.search(text)
    assert not re.sub(r"^\s*#.*\n", "", ENTRY.sub("", text), flags=re.MULTILINE).strip()
    assert "://" not in text


@pytest.mark.parametrize(("package", "owners"), OWNERS.items())
def test_no_image_carries_what_another_needs(package: str, owners: set[str]) -> None:
    assert {lock.stem for lock in LOCKS if package in packages(lock.stem)} == owners


@pytest.mark.parametrize("lock", [lock.stem for lock in LOCKS if not lock.stem.endswith("-gpu")])
def test_cpu_images_hold_what_the_tests_run_on(lock: str) -> None:
    tested: dict[str, set[str]] = {}
    for name, version, _, _ in ENTRY.findall((ROOT / "requirements" / "dev.lock").read_text()):
        tested.setdefault(name, set()).add(version)
    assert not {name for name, versions in packages(lock).items() if not versions <= tested.get(name, set())}


@pytest.mark.parametrize("stage", STAGES)
def test_every_engine_is_in_an_image(stage: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    held = [packages(f"{stage}-{variant}").keys() for variant in ("cpu", "gpu")]
    for engine in set(engines(stage)) - {"fake"}:
        needed = {re.split(r"[\[<>=; ]", line)[0].lower() for line in extras[f"{stage}-{engine}"]}
        assert any(needed <= image for image in held), f"no image of {stage} holds all of {engine}"


def test_a_lock_with_onnxruntime_for_cuda_has_no_other() -> None:
    for lock in LOCKS:
        names = packages(lock.stem).keys()
        assert not {"onnxruntime", "onnxruntime-gpu"} <= names


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=dockerfile_id)
def test_the_base_is_pinned_and_can_be_chosen(dockerfile: Path) -> None:
    told = instructions(dockerfile)
    assert ("ARG", "PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm") in told
    assert [rest for word, rest in told if word == "FROM"] == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=dockerfile_id)
def test_packages_come_from_the_lock_by_hash_and_from_no_address_of_ours(dockerfile: Path) -> None:
    installs = [rest for word, rest in instructions(dockerfile) if word == "RUN" and " install " in rest]
    (pip,) = (rest for rest in installs if "pip" in rest)
    for option in ("--require-hashes", "--no-deps", "--only-binary :all:", "-r requirements.lock"):
        assert option in pip
    assert "://" not in dockerfile.read_text()
    (lock,) = re.findall(r"requirements/images/(\S+)\.lock", dockerfile.read_text())
    assert [path.stem for path in LOCKS if fnmatch(path.stem, lock.replace("${VARIANT}", "[cg]pu"))]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=dockerfile_id)
def test_it_does_not_run_as_root_nor_in_a_shell(dockerfile: Path) -> None:
    told = instructions(dockerfile)
    words = [word for word, _ in told]
    assert ("USER", "10001:10001") in told
    assert words.count("USER") == 1
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])
    assert "ADD" not in words
    (entrypoint,) = (json.loads(rest) for word, rest in told if word == "ENTRYPOINT")
    assert entrypoint[:2] == ["python", "-m"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_probed_and_reached_where_it_listens(name: str) -> None:
    dockerfile = ROOT / "services" / name / "Dockerfile"
    told = instructions(dockerfile)
    (health,) = (rest for word, rest in told if word == "HEALTHCHECK")
    probe = ["python", "-m", "services.common.probe", f"127.0.0.1:{SERVICES[name]}"]
    assert json.loads(health.partition("CMD ")[2]) == probe
    assert ("EXPOSE", str(SERVICES[name])) in told
    assert ("ENTRYPOINT", f'["python", "-m", "services.{name}"]') in told
    prefix = f"PARLEY_{name.upper()}_"
    own = {key.removeprefix(prefix).lower(): value for key, value in environment(dockerfile).items() if prefix in key}
    fields = settings_class(name).model_fields
    assert set(own) <= set(fields)
    assert own["host"] == "0.0.0.0"
    assert own["port"] == str(SERVICES[name])
    assert own["log_format"] == "json"
    assert ("models_dir" in fields) is ("models_dir" in own), "the volume of models is mounted at /models"


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=dockerfile_id)
def test_only_what_it_needs_of_the_tree_goes_in(dockerfile: Path) -> None:
    sources = [
        source
        for word, rest in instructions(dockerfile)
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]
    name = dockerfile.parent.name
    for source in sources:
        path = source.replace("${VARIANT}", "cpu")
        assert (ROOT / path).exists(), source
        if path.startswith("services/"):
            assert path in ("services/__init__.py", "services/common", f"services/{name}")
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert not [source for source in sources if not any(f"{source}/".startswith(f"{path}/") for path in allowed)]


def test_code_of_one_service_imports_only_what_its_image_holds() -> None:
    for name in SERVICES:
        copied = (ROOT / "services" / name / "Dockerfile").read_text()
        text = "".join(path.read_text() for path in (ROOT / "services" / name).rglob("*.py"))
        assert not re.search(r"^\s*(from|import) (parley|scripts|bench|tests)\b", text, re.MULTILINE)
        assert f"COPY services/{name} services/{name}" in copied
