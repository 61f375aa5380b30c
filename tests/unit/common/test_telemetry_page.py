"""docs/telemetry.md names every span, budget line and attribute of the registry, in its words, and every setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes

from parley.report import CLIENT_HOP
from services.common import spans
from services.common.settings import ServiceSettings
from services.orchestrator.settings import OrchestratorSettings

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()
ROWS = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in PAGE.splitlines() if line[:1] == "|"]


def test_every_line_of_the_budget_is_there_in_order_and_in_the_registry_s_words() -> None:
    told = [row for row in ROWS if row[0].strip("`") in spans.LINE_NAMES]
    assert told == [(f"`{line.name}`", line.ends, line.stage or "-") for line in spans.LINES]
    assert f"`{CLIENT_HOP}`" in PAGE


def test_every_span_is_there_with_its_parent_and_its_service() -> None:
    others = [kind for kind in spans.SPANS if kind.name not in spans.LINE_NAMES]
    expected = [
        (f"`{kind.name}`", f"`{kind.parent}`" if kind.parent else "the caller's, if any", kind.service, kind.covers)
        for kind in others
    ]
    assert [row for row in ROWS if row[0].strip("`") in {kind.name for kind in others}] == expected


def test_every_attribute_is_there() -> None:
    told = [row for row in ROWS if row[0].strip("`") in spans.ATTRIBUTES]
    assert told == [(f"`{name}`", says) for name, says in spans.ATTRIBUTES.items()]


def test_the_names_of_the_registry_are_one_each() -> None:
    names = [kind.name for kind in spans.SPANS]
    assert len(names) == len(set(names))
    assert {kind.parent for kind in spans.SPANS} <= {*names, ""}
    constants = {value for name, value in vars(spans).items() if name.isupper() and isinstance(value, str)}
    attributes = {name for name in constants if re.fullmatch(r"(parley|gen_ai|session|error)\.[a-z_.]+", name)}
    assert attributes == set(spans.ATTRIBUTES)


def test_names_of_the_conventions_are_theirs() -> None:
    conventions = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    assert {name for name in spans.ATTRIBUTES if name.startswith("gen_ai.")} <= conventions
    assert spans.ERROR_TYPE == error_attributes.ERROR_TYPE
    operations = {kind.value for kind in gen_ai_attributes.GenAiOperationNameValues}
    assert {spans.OPERATION_CHAT, spans.OPERATION_EXECUTE_TOOL} <= operations


def test_the_settings_exist() -> None:
    named = {name.lower() for name in re.findall(r"PARLEY_<SERVICE>_([A-Z_]+[A-Z])", PAGE)}
    assert named == {"log_level", "log_format", "otlp_endpoint", "metrics_port", "host"}
    assert named <= set(ServiceSettings.model_fields)
    of_orchestrator = {name.lower() for name in re.findall(r"PARLEY_ORCHESTRATOR_([A-Z_]+[A-Z])", PAGE)}
    assert "trace_transcripts" in of_orchestrator
    assert of_orchestrator <= set(OrchestratorSettings.model_fields)
