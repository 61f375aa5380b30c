"""Every service has the same shape, and every engine in a table is one."""

from __future__ import annotations

import inspect
import sys
import tomllib
from subprocess import run

import pytest

from tests.integration.llm import vllm_stand_in
from tests.unit.house.tree import ROOT, SERVICES, STAGES, engines, module, settings_class

pytestmark = pytest.mark.unit

ENGINES = [(stage, name) for stage in STAGES for name in engines(stage)]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_its_rooms(service: str) -> None:
    files = ["__init__.py", "__main__.py", "settings.py", "servicer.py", "README.md"]
    files += ["engine.py", "engines/__init__.py", "engines/fake.py"] if service in STAGES else ["state.py"]
    missing = [name for name in files if not (ROOT / "services" / service / name).is_file()]
    assert not missing, f"services/{service} lacks {missing}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_can_be_faked(stage: str) -> None:
    assert "fake" in engines(stage)


@pytest.mark.parametrize(("stage", "name"), ENGINES)
def test_an_engine_offers_all_that_its_interface_asks(stage: str, name: str) -> None:
    if name == "vllm":
        vllm_stand_in.install()  # it has no build for the machines that run these tests
    interface = getattr(module(f"services.{stage}.engine"), f"{stage.capitalize()}Engine")
    module_name, _, class_name = engines(stage)[name].partition(":")
    assert module_name.startswith(f"services.{stage}.engines.")
    engine_class = getattr(module(module_name), class_name)
    members = {key: value for key, value in vars(interface).items() if not key.startswith("_")}
    assert members
    for key, asked in members.items():
        if isinstance(asked, property):
            continue
        given = getattr(engine_class, key, None)
        assert given is not None, f"{class_name} lacks {key}"
        assert inspect.iscoroutinefunction(given) == inspect.iscoroutinefunction(asked), f"{class_name}.{key}"
        assert list(inspect.signature(given).parameters) == list(inspect.signature(asked).parameters), key
    engine = engine_class(settings_class(stage)())
    for key, asked in members.items():
        if isinstance(asked, property):
            assert key in vars(engine) or hasattr(engine_class, key), f"{class_name} lacks {key}"


@pytest.mark.parametrize(("stage", "name"), ENGINES)
def test_an_engine_has_the_extra_that_its_error_names(stage: str, name: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert name == "fake" or f"{stage}-{name}" in extras


@pytest.mark.parametrize("stage", STAGES)
def test_the_default_engine_is_in_the_table_and_in_the_embedded_set(stage: str) -> None:
    field = settings_class(stage).model_fields["engine"]
    assert field.annotation is str, "a Literal here would make a new engine two lines instead of one"
    assert field.default in engines(stage)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert f"{stage}-{field.default}" in extras["cpu"][0]


@pytest.mark.parametrize("stage", STAGES)
def test_every_engine_is_in_the_stages_contract_suite(stage: str) -> None:
    files = [path for path in (ROOT / "tests" / "contract").rglob("*.py") if stage in str(path.relative_to(ROOT))]
    suite = "".join(path.read_text() for path in files)
    missing = [name for name in engines(stage) if f'"{name}"' not in suite and "ENGINES" not in suite]
    assert suite
    assert not missing, f"the contract suite of {stage} does not run {missing}"


@pytest.mark.parametrize("stage", STAGES)
def test_no_engine_is_imported_before_it_is_chosen(stage: str) -> None:
    probe = (
        f"import sys, services.{stage}.__main__\n"
        f"print([name for name in sys.modules if name.startswith('services.{stage}.engines.')])"
    )
    seen = run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert seen.stdout.strip() == "[]"
