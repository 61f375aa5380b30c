"""Which of several errors is told, and as what."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.message import DecodeError

from services.common import errors
from services.common.interceptors import first_cause, status_of

pytestmark = pytest.mark.unit


def test_every_error_of_the_hierarchy_has_the_status_its_docstring_gives() -> None:
    documented = dict(
        line.replace("|", " ")
        .replace("+--", " ")
        .split()[:: len(line.replace("|", " ").replace("+--", " ").split()) - 1]
        for line in (errors.__doc__ or "").splitlines()
        if "+--" in line
    )
    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.ParleyError) and kind is not errors.ParleyError
    }
    assert documented.keys() == kinds.keys()
    for name, kind in kinds.items():
        assert status_of(kind("x")).name == documented[name]


def test_an_error_of_no_kind_is_internal() -> None:
    assert status_of(ValueError("x")) is grpc.StatusCode.INTERNAL


def test_a_dead_engine_outranks_what_else_failed_however_deep_it_lies() -> None:
    dead = errors.EngineDead("gone")
    group = ExceptionGroup(
        "tasks", [ValueError("x"), errors.InvalidInput("y"), ExceptionGroup("inner", [KeyError("z"), dead])]
    )
    assert first_cause(group) is dead


def test_an_error_of_ours_in_a_nested_group_outranks_a_foreign_one() -> None:
    ours = errors.InvalidInput("y")
    assert first_cause(ExceptionGroup("tasks", [ValueError("x"), ExceptionGroup("inner", [ours])])) is ours


def test_bytes_that_cannot_be_parsed_are_the_clients_fault() -> None:
    assert isinstance(first_cause(DecodeError("corrupt")), errors.InvalidInput)
