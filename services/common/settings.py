"""Settings that every service has. Each service's `settings.py` subclasses this with its own prefix."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_WORDS = frozenset({"key", "token", "secret", "password"})
"""Whole words of a setting's name: `api_key` is a secret, `max_tokens` is none. Nor is a number: `max_key_terms`."""
URL_CREDENTIALS = re.compile(r"//[^/@\s]+@")


class ServiceSettings(BaseSettings):
    """What every server reads from its environment, once, at start. Frozen."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(0, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    reuse_port: bool = Field(False, description="Share the port with other processes; the kernel spreads connections.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe level logged.")
    log_format: Literal["json", "text"] = Field("json", description="json for machines, text for people.")
    max_message_bytes: int = Field(1 << 20, gt=0, description="Largest gRPC message accepted.")
    max_streams: int = Field(200, gt=0, description="Streams served at once; one more is RESOURCE_EXHAUSTED.")
    drain_grace_ms: int = Field(10_000, ge=0, description="After SIGTERM, how long open streams may still run.")
    otlp_endpoint: str = Field("", description="OTLP/gRPC endpoint for traces and metrics; empty: neither is sent.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of Prometheus metrics, on `host`; 0: none.")

    def redacted(self) -> dict[str, object]:
        """Return the settings for the log, with whatever may be a secret hidden: by name, and passwords in URLs."""
        return {name: _redacted(name, value) for name, value in self.model_dump(mode="json").items()}


def _redacted(name: str, value: object) -> object:
    if value and not isinstance(value, int | float) and not SECRET_WORDS.isdisjoint(name.split("_")):
        return "***"
    return URL_CREDENTIALS.sub("//***@", value) if isinstance(value, str) else value
