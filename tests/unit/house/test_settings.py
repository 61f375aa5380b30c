"""Settings are read one way, and every one is told in its service's README."""

from __future__ import annotations

import re

import pytest

from services.common.settings import ServiceSettings
from tests.unit.house.tree import ROOT, SERVICES, settings_class

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("service", "port"), SERVICES.items())
def test_prefix_port_and_frozenness(service: str, port: int) -> None:
    settings = settings_class(service)
    assert settings.model_config.get("env_prefix") == f"PARLEY_{service.upper()}_"
    assert settings.model_config.get("frozen") is True
    assert settings.model_fields["port"].default == port


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_described(service: str) -> None:
    silent = [name for name, field in settings_class(service).model_fields.items() if not field.description]
    assert not silent


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_of_its_own_is_in_the_readme_and_nothing_that_is_none(service: str) -> None:
    prefix = f"PARLEY_{service.upper()}_"
    fields = settings_class(service).model_fields
    text = (ROOT / "services" / service / "README.md").read_text()
    own = [name for name in fields if name not in ServiceSettings.model_fields]
    missing = [name for name in own if name.upper() not in text and f"`{name}`" not in text]
    assert not missing, f"services/{service}/README.md does not tell {missing}"
    named = set(re.findall(rf"\b{prefix}([A-Z0-9_]+[A-Z0-9])\b", text))
    assert not named - {name.upper() for name in fields}, "settings that do not exist"
