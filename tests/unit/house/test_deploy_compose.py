"""The compose files say what they should, and name only settings, images and volumes that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict

from services.common.server import CLOSE_TIMEOUT_S
from tests.unit.house.tree import ROOT, SERVICES, settings_class

pytestmark = pytest.mark.unit

DEPLOY = ROOT / "deploy"
FILES = ("compose.yaml", "compose.cpu.yaml")
BESIDE = "compose.observability.yaml"
"""Given beside one of them; tests/unit/house/test_observability.py looks into it."""
GPU_STAGES = ("asr", "llm", "tts")
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")


def seconds(text: str) -> float:
    """Read a duration of compose."""
    found = re.fullmatch(r"(\d+)s", text)
    assert found, text
    return float(found[1])


Seconds = Annotated[float, BeforeValidator(seconds)]


class Part(BaseModel):
    """A mapping of a compose file; anything not named here is refused."""

    model_config = ConfigDict(extra="forbid")


class Build(Part):
    context: Literal[".."]
    dockerfile: str
    args: dict[Literal["VARIANT"], Literal["cpu", "gpu"]] = {}


class Healthcheck(Part):
    test: list[str]
    interval: Seconds
    timeout: Seconds
    start_period: Seconds
    retries: int


class Device(Part):
    driver: Literal["nvidia"]
    capabilities: list[Literal["gpu"]]
    device_ids: list[str]


class Reservations(Part):
    devices: list[Device]


class Resources(Part):
    reservations: Reservations


class Deploy(Part):
    resources: Resources


class ComposeService(Part):
    image: str
    build: Build | None = None
    command: list[str] = []
    environment: dict[str, str | None] = {}
    ports: list[str] = []
    volumes: list[str] = []
    networks: list[str]
    healthcheck: Healthcheck | None = None
    deploy: Deploy | None = None
    profiles: list[str] = []
    user: str | None = None
    shm_size: str | None = None
    init: Literal[True]
    restart: Literal["unless-stopped", "no"]
    stop_grace_period: Seconds
    read_only: Literal[True]
    tmpfs: list[str] = []
    cap_drop: list[Literal["ALL"]]
    security_opt: list[Literal["no-new-privileges:true"]]
    logging: dict[str, Any]


class Network(Part):
    internal: bool = False


class Compose(Part):
    name: Literal["parley"]
    services: dict[str, ComposeService]
    networks: dict[str, Network]
    volumes: dict[str, dict[str, str]]


def compose(file: str) -> Compose:
    document = yaml.safe_load((DEPLOY / file).read_text())
    return Compose.model_validate({key: value for key, value in document.items() if not key.startswith("x-")})


def resolved(value: str) -> str:
    """Return a value as compose reads it where nothing is set."""
    return VARIABLE.sub(lambda found: found[2] or "", value)


CASES = [(file, service) for file in FILES for service in SERVICES]


@pytest.mark.parametrize("file", FILES)
def test_there_are_five_services_redis_and_what_fetches_models(file: str) -> None:
    document = compose(file)
    assert set(document.services) == {*SERVICES, "redis", "models"}
    used = {network for service in document.services.values() for network in service.networks}
    assert used == set(document.networks)
    named = {volume.split(":")[0] for service in document.services.values() for volume in service.volumes}
    assert {name for name in named if not name.startswith("$")} == set(document.volumes)


@pytest.mark.parametrize(("file", "name"), CASES)
def test_every_image_can_be_built_from_what_is_in_the_tree(file: str, name: str) -> None:
    service = compose(file).services[name]
    assert service.build is not None
    assert service.build.dockerfile == f"services/{name}/Dockerfile"
    variant = service.build.args.get("VARIANT", "cpu")
    assert service.image == f"parley-{name}" + ("-gpu" if variant == "gpu" else "")
    lock = "orchestrator" if name == "orchestrator" else f"{name}-{variant}"
    assert (ROOT / "requirements" / "images" / f"{lock}.lock").is_file()


@pytest.mark.parametrize(("file", "name"), CASES)
def test_every_variable_is_a_setting_and_every_default_is_accepted(
    file: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = compose(file).services[name]
    prefix = f"PARLEY_{name.upper()}_"
    own = {key for key in service.environment if key.startswith(prefix)}
    others = set(service.environment) - own
    agents = "".join(path.read_text() for path in (ROOT / "agents").glob("*.yaml"))
    assert all(f"${{{variable}" in agents for variable in others), "neither a setting nor used by an agent"
    fields = settings_class(name).model_fields
    assert not {key for key in own if key.removeprefix(prefix).lower() not in fields}
    for key, value in service.environment.items():
        if value is not None:
            monkeypatch.setenv(key, resolved(value))
    settings_class(name)()


@pytest.mark.parametrize(("file", "name"), CASES)
def test_health_is_asked_for_where_the_service_listens(file: str, name: str) -> None:
    health = compose(file).services[name].healthcheck
    assert health is not None
    assert health.test == ["CMD", "python", "-m", "services.common.probe", f"127.0.0.1:{SERVICES[name]}"]
    assert health.timeout > 2, "the probe's own deadline comes first, with its reason"


@pytest.mark.parametrize(("file", "name"), CASES)
def test_a_service_may_finish_its_streams_before_it_is_killed(file: str, name: str) -> None:
    service = compose(file).services[name]
    assert service.restart == "unless-stopped"
    assert service.stop_grace_period > settings_class(name)().drain_grace_ms / 1000 + CLOSE_TIMEOUT_S


@pytest.mark.parametrize("file", FILES)
def test_only_the_orchestrator_is_reached_from_outside_and_only_from_this_machine_unless_told(file: str) -> None:
    document = compose(file)
    published = {name: service.ports for name, service in document.services.items() if service.ports}
    assert published == {"orchestrator": ["${PARLEY_PUBLISH:-127.0.0.1:50050}:50050"]}
    for name in document.services["redis"].networks:
        members = {service for service, part in document.services.items() if name in part.networks}
        assert document.networks[name].internal
        assert members == {"orchestrator", "redis"}


@pytest.mark.parametrize("file", FILES)
def test_models_are_written_by_what_fetches_them_alone(file: str) -> None:
    for name, service in compose(file).services.items():
        mounts = {volume.removesuffix(":ro").rpartition(":")[2]: volume for volume in service.volumes}
        wants_models = name in ("asr", "llm", "tts", "models")
        assert ("/models" in mounts) is wants_models, name
        if wants_models:
            assert mounts["/models"] == ("models:/models" if name == "models" else "models:/models:ro")
        assert all(volume.endswith(":ro") for target, volume in mounts.items() if target == "/app/agents")


@pytest.mark.parametrize("file", FILES)
def test_the_orchestrator_finds_every_stage_in_a_network_that_both_are_in(file: str) -> None:
    services = compose(file).services
    for stage in set(SERVICES) - {"orchestrator"}:
        target = services["orchestrator"].environment[f"PARLEY_ORCHESTRATOR_{stage.upper()}_TARGET"]
        assert target == f"dns:///{stage}:{SERVICES[stage]}"
        assert set(services[stage].networks) & set(services["orchestrator"].networks) - {"outside"}
    assert services["orchestrator"].environment["PARLEY_ORCHESTRATOR_REDIS_URL"] == "redis://redis:6379/0"


def test_redis_keeps_what_it_is_told() -> None:
    for file in FILES:
        redis = compose(file).services["redis"]
        assert "redis:/data" in redis.volumes
        options = dict(zip(redis.command[1::2], redis.command[2::2], strict=True))
        assert options["--appendonly"] == "yes"
        assert options["--dir"] == "/data"
        assert options["--protected-mode"] == "no", "it would refuse the orchestrator, which has no password"


def test_gpus_are_reserved_for_the_gpu_images_alone() -> None:
    for name, service in compose("compose.yaml").services.items():
        is_gpu = service.build is not None and service.build.args.get("VARIANT") == "gpu"
        assert is_gpu is (name in GPU_STAGES)
        devices = service.deploy.resources.reservations.devices if service.deploy else []
        wanted = [Device(driver="nvidia", capabilities=["gpu"], device_ids=[f"${{PARLEY_{name.upper()}_GPU:-0}}"])]
        assert devices == (wanted if is_gpu else [])
    cpu = compose("compose.cpu.yaml").services.values()
    assert not [service for service in cpu if service.deploy or (service.build and service.build.args)]


def test_the_language_model_leaves_room_on_the_gpu() -> None:
    services = compose("compose.yaml").services
    share = services["llm"].environment["PARLEY_LLM_VLLM_GPU_MEMORY_UTILIZATION"]
    assert share
    assert float(resolved(share)) <= 0.8, "of 40 GB, 8 are left: recognition and synthesis take about 6"


def variables(file: str) -> dict[str, str | None]:
    """Return what a compose file reads from .env, each with its default; None where the service has it."""
    text = (DEPLOY / file).read_text()
    found: dict[str, str | None] = dict(VARIABLE.findall(text))
    if file == BESIDE:
        return found
    for service in compose(file).services.values():
        found |= {name: None for name, value in service.environment.items() if value is None}
    return found


def described() -> dict[str, str]:
    """Return the variables of .env.example with the value that stands there."""
    text = (DEPLOY / ".env.example").read_text()
    return dict(re.findall(r"^#?([A-Z][A-Z_0-9]+)=(.*)$", text, re.MULTILINE))


def test_the_example_names_every_variable_and_no_other() -> None:
    used = {name for file in (*FILES, BESIDE) for name in variables(file)}
    assert set(described()) == used


@pytest.mark.parametrize(("name", "value"), described().items())
def test_the_example_shows_the_defaults(name: str, value: str) -> None:
    defaults = [default for file in (*FILES, BESIDE) if (default := variables(file).get(name)) is not None]
    stage = next((service for service in SERVICES if name.startswith(f"PARLEY_{service.upper()}_")), None)
    if name.endswith("_ALIASES"):
        assert json.loads(f"{{{value.strip(chr(39))}}}")["*"] == ""
    elif defaults:
        assert value in defaults
    elif stage and "example" not in value:
        field = settings_class(stage).model_fields[name.removeprefix(f"PARLEY_{stage.upper()}_").lower()]
        default = field.default.get_secret_value() if hasattr(field.default, "get_secret_value") else field.default
        assert value == (json.dumps(default) if isinstance(default, list | tuple | dict) else str(default))


def test_files_of_the_tree_that_are_mounted_exist() -> None:
    for file in FILES:
        for service in compose(file).services.values():
            for volume in service.volumes:
                source = resolved(volume).split(":")[0]
                assert not source.startswith(".") or (DEPLOY / source).resolve() == Path(ROOT / "agents")
