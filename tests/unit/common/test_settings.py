"""What of the settings reaches the log."""

from __future__ import annotations

import pytest
from pydantic import Field

from services.common.settings import ServiceSettings

pytestmark = pytest.mark.unit


class Example(ServiceSettings):
    api_key: str = Field("", description="A secret.")
    max_tokens: int = Field(256, description="No secret, whatever it sounds like.")
    max_key_terms: int = Field(500, description="Nor is this.")
    first_token_ms: int = Field(5_000, description="Nor this.")
    redis_url: str = Field("", description="Holds a password.")


def test_secrets_are_hidden_and_nothing_else() -> None:
    shown = Example(api_key="k-123", redis_url="redis://user:pw@cache:6379/0").redacted()
    assert shown["api_key"] == "***"
    assert shown["redis_url"] == "redis://***@cache:6379/0"
    assert shown["max_tokens"] == 256
    assert shown["max_key_terms"] == 500
    assert shown["first_token_ms"] == 5_000
    assert shown["host"] == "127.0.0.1"


def test_an_unset_secret_is_seen_to_be_unset() -> None:
    assert Example().redacted()["api_key"] == ""
