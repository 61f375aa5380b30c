"""Rules for every test: it says what kind it is."""

from __future__ import annotations

import pytest

import services.common.grpc_io  # noqa: F401 - before gRPC, as in a service
from tests.support.redis import redis_server as redis_server

KINDS = ("unit", "contract", "integration", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test without a marker: `make test` runs by kind, and what has none would never run.

    Cheap kinds run first, so that a plain fault shows before whole calls are held.
    """
    unmarked = [item.nodeid for item in items if not any(item.get_closest_marker(kind) for kind in KINDS)]
    if unmarked:
        raise pytest.UsageError(f"mark each test with one of {KINDS}; these have none: {', '.join(unmarked[:5])}")
    items.sort(key=lambda item: next(place for place, kind in enumerate(KINDS) if item.get_closest_marker(kind)))
