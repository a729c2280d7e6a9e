"""The schemas and the models accept the same input, and every output is what its schema says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from glowplug.contract.headers import DeadLetterHeaders
from glowplug.contract.schemas import DIALECT, of_event, schemas
from glowplug.events import INPUTS, OUTPUTS, Event, event_type
from tests.support.documents import anything, documents, validator

SCHEMAS = {event_type(model): of_event(model) for model in (*INPUTS, *OUTPUTS)}
by_type = pytest.mark.parametrize("model", [*INPUTS, *OUTPUTS], ids=event_type)
inputs = pytest.mark.parametrize("model", INPUTS, ids=event_type)
outputs = pytest.mark.parametrize("model", OUTPUTS, ids=event_type)
# Drawing a large document and throwing away what the whole schema refuses takes longer than Hypothesis likes.
thorough = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def accepted(model: type[Event], document: Any) -> bool:
    """Whether the model takes the document as it comes over the wire; without `type` it goes nowhere."""
    if not isinstance(document, dict) or "type" not in document:
        return False
    try:
        TypeAdapter(model).validate_json(json.dumps(document))
    except ValidationError:
        return False
    return True


def sample(model: type[Event], **changes: Any) -> dict[str, Any]:
    everything: dict[str, Any] = {
        "type": event_type(model),
        "event_id": "e-1",
        "event_time": "2026-11-24T12:00:00Z",
        "item_id": "i-1",
        "user_id": "u-1",
        "action": "click",
    }
    return everything | changes


@by_type
def test_every_schema_stands_alone_and_says_what_it_is(model: type[Event]) -> None:
    schema = SCHEMAS[event_type(model)]
    validator(schema)
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == f"urn:glowplug:{event_type(model)}:1"
    assert schema["title"] == event_type(model)
    assert schema["description"]
    assert schema["required"][0] == "type"
    assert all(reference.startswith("#/$defs/") for reference in references(schema))


@by_type
def test_no_schema_refuses_fields_that_it_does_not_know(model: type[Event]) -> None:
    assert "false" not in json.dumps(
        [part.get("additionalProperties") for part in parts(SCHEMAS[event_type(model)])]
    )


@inputs
@given(data=st.data())
@thorough
def test_what_the_schema_allows_the_model_accepts(model: type[Event], data: st.DataObject) -> None:
    document = data.draw(documents(SCHEMAS[event_type(model)]))
    TypeAdapter(model).validate_json(json.dumps(document))


@inputs
@given(data=st.data())
@thorough
def test_schema_and_model_agree_on_documents_with_one_odd_field(model: type[Event], data: st.DataObject) -> None:
    schema = SCHEMAS[event_type(model)]
    document = data.draw(documents(schema))
    name = data.draw(st.sampled_from(sorted(schema["properties"])))
    document[name] = data.draw(anything())
    assert validator(schema).is_valid(document) == accepted(model, document), document[name]


@outputs
@given(data=st.data())
@thorough
def test_what_we_write_is_what_the_schema_says(model: type[Event], data: st.DataObject) -> None:
    schema = SCHEMAS[event_type(model)]
    read = TypeAdapter(model).validate_json(json.dumps(data.draw(documents(schema))))
    written = json.loads(read.model_dump_json())
    validator(schema).validate(written)
    assert written.keys() <= schema["properties"].keys()


MOMENTS = {
    "2026-11-24T12:00:00Z": True,
    "2026-11-24T12:00:00.123456789+05:30": True,
    "2026-11-24t12:00:00z": True,
    "2026-11-24T12:00:00": False,  # naive: whose noon?
    "2026-11-24": False,
    "2026-11-24 12:00:00Z": False,
    "2026-11-24T12:00Z": False,
    "2026-11-24T12:00:00+0100": False,
    "2026-02-30T12:00:00Z": False,
    "2026-11-24T12:00:60Z": False,
    "9999-12-31T23:59:59-23:59": False,  # in UTC beyond the end of Python's calendar
    "1732449600": False,
    "yesterday": False,
    "": False,
}


@pytest.mark.parametrize(("moment", "valid"), MOMENTS.items())
def test_a_time_is_rfc_3339_with_an_offset_and_nothing_else(moment: str, valid: bool) -> None:
    for model in INPUTS:
        document = sample(model, event_time=moment)
        assert validator(SCHEMAS[event_type(model)]).is_valid(document) is valid
        assert accepted(model, document) is valid


FIELDS: list[tuple[str, str, Any, bool]] = [
    ("interaction", "event_time", 1732449600, False),
    ("interaction", "user_id", "", False),
    ("interaction", "user_id", "名前-ünïcödé 😀", True),
    ("interaction", "user_id", "a\n", False),
    ("interaction", "user_id", "a\x7f", False),
    ("interaction", "user_id", "x" * 256, True),
    ("interaction", "user_id", "x" * 257, False),
    ("interaction", "user_id", 7, False),
    ("interaction", "version", 3, True),
    ("interaction", "version", 3.0, True),
    ("interaction", "version", 3.5, False),
    ("interaction", "version", -1, False),
    ("interaction", "version", True, False),
    ("interaction", "version", "3", False),
    ("interaction", "version", 2**53, True),
    ("interaction", "version", 2**53 + 1, False),
    ("interaction", "action", "LIKE", False),
    ("interaction", "value", None, True),
    ("interaction", "value", 0.5, False),  # a click has no value
    ("item.created", "title", "", True),
    ("item.created", "title", None, False),
    ("item.created", "available", 1, False),
    ("item.created", "available", "true", False),
    ("item.created", "listed_at", None, True),
    ("item.created", "attributes", {"year": 1999, "rating": 4.5, "genre": "noir", "cast": ["a", "b"]}, True),
    ("item.created", "attributes", {"n": 0, "list": []}, True),
    ("item.created", "attributes", {"n": 1e38}, True),
    ("item.created", "attributes", {"n": 1e39}, False),
    ("item.created", "attributes", {"n": 10**400}, False),
    ("item.created", "attributes", {"n": True}, False),
    ("item.created", "attributes", {"n": None}, False),
    ("item.created", "attributes", {"n": ""}, False),
    ("item.created", "attributes", {"n": [1]}, False),
    ("item.created", "attributes", {"n": {"deep": 1}}, False),
    ("item.created", "attributes", {"": 1}, False),
    ("item.created", "attributes", {"a\x00": 1}, False),
    ("item.created", "attributes", {str(n): n for n in range(257)}, False),
    ("user.created", "interests", ["jazz"], True),
    ("user.created", "interests", "jazz", False),
    ("user.created", "interests", [""], False),
    ("user.created", "blocked_items", ["i-1"], True),
    ("user.created", "text", "x" * 20_000, True),
    ("user.created", "text", "x" * 20_001, False),
    ("user.created", "x-unknown", {"kept": "out"}, True),
]


@pytest.mark.parametrize(("kind", "field", "value", "valid"), FIELDS)
def test_schema_and_model_agree_field_by_field(kind: str, field: str, value: Any, valid: bool) -> None:
    model = next(model for model in INPUTS if event_type(model) == kind)
    document = sample(model, **{field: value})
    assert validator(SCHEMAS[event_type(model)]).is_valid(document) is valid
    assert accepted(model, document) is valid


@pytest.mark.parametrize(
    ("action", "fields", "valid"),
    [
        ("rating", {"value": 0}, True),
        ("rating", {"value": 1.0}, True),
        ("rating", {"value": 1.1}, False),
        ("rating", {"value": True}, False),
        ("rating", {"value": None}, False),
        ("rating", {}, False),
        ("like", {}, True),
        ("like", {"value": None}, True),
        ("like", {"value": 1}, False),
    ],
)
def test_a_rating_and_only_a_rating_has_a_value(action: str, fields: dict[str, Any], valid: bool) -> None:
    model = next(model for model in INPUTS if event_type(model) == "interaction")
    document = sample(model, action=action, **fields)
    assert validator(SCHEMAS[event_type(model)]).is_valid(document) is valid
    assert accepted(model, document) is valid


def test_dead_letter_headers_are_described_as_they_stand_on_the_record() -> None:
    schema = schemas()["dead-letter.headers.v1"]
    headers = DeadLetterHeaders.model_validate({
        "glowplug-cause": "missing_key", "glowplug-message": "items: the key is missing", "glowplug-topic": "items",
        "glowplug-partition": "3", "glowplug-offset": "17", "glowplug-timestamp": "1764000000000",
        "glowplug-consumer": "item_embedder", "glowplug-version": "0.1.0",
    })  # fmt: skip
    validator(schema).validate(headers.model_dump(by_alias=True))
    assert not validator(schema).is_valid({"glowplug-cause": "missing_key"})


def parts(schema: Any) -> list[dict[str, Any]]:
    """Every subschema, the schema itself first."""
    if isinstance(schema, list):
        return [part for one in schema for part in parts(one)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(part for one in schema.values() for part in parts(one))]


def references(schema: Any) -> list[str]:
    return [part["$ref"] for part in parts(schema) if isinstance(part.get("$ref"), str)]
