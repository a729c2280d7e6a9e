"""One JSON Schema (2020-12) per event version, from the pydantic models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from glowplug.contract.headers import DeadLetterHeaders
from glowplug.events import INPUTS, OUTPUTS, Event, event_type

DIALECT = "https://json-schema.org/draft/2020-12/schema"
HEADERS = "dead-letter.headers"
HEADERS_VERSION = 1
Schema = dict[str, Any]
Direction = Literal["input", "output"]

# What a reader sees first; everything else follows by name.
FIRST = (
    "$schema", "$id", "title", "description", "type", "const", "enum", "required", "properties",
    "if", "then", "else",
)  # fmt: skip


def schemas() -> dict[str, Schema]:
    """Every schema of the contract by its `name.vN`, each complete in itself."""
    found = {f"{event_type(model)}.v{model.schema_version}": of_event(model) for model in (*INPUTS, *OUTPUTS)}
    found[f"{HEADERS}.v{HEADERS_VERSION}"] = _published(DeadLetterHeaders, HEADERS, HEADERS_VERSION, "output")
    return found


def of_event(model: type[Event]) -> Schema:
    """The schema of one event: of what we accept, or of what we write."""
    direction: Direction = "input" if model in INPUTS else "output"
    schema = _published(model, event_type(model), model.schema_version, direction)
    # Readers tell events apart by `type`, so it is required on the wire although constructors fill it in.
    schema["properties"]["type"].pop("default")
    schema["required"] = ["type", *(name for name in schema["required"] if name != "type")]
    return _ordered(schema)


def directions() -> dict[str, Direction]:
    """Who writes each event type: the product ("input") or Glowplug ("output")."""
    named: dict[str, Direction] = {event_type(model): "input" for model in INPUTS}
    return named | {event_type(model): "output" for model in OUTPUTS} | {HEADERS: "output"}


class _Untitled(GenerateJsonSchema):
    """Without titles made of field names: they say nothing that the name does not say."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  named by pydantic
        return False


def _published(model: type[BaseModel], name: str, version: int, direction: Direction) -> Schema:
    schema = model.model_json_schema(
        mode="validation" if direction == "input" else "serialization", schema_generator=_Untitled
    )
    for part in schema.get("$defs", {}).values():
        part.pop("title", None)
    return _ordered({**schema, "$schema": DIALECT, "$id": f"urn:glowplug:{name}:{version}", "title": name})


def _ordered(schema: Schema, names_are_fields: bool = False) -> Schema:
    """The same schema in one order: keywords as in FIRST, fields as the model declares them."""

    def ordered(part: Any, names_are_fields: bool = False) -> Any:
        if isinstance(part, list):
            return [ordered(one) for one in part]
        return _ordered(part, names_are_fields) if isinstance(part, dict) else part

    names = list(schema)
    if not names_are_fields:
        names.sort(key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    return {name: ordered(schema[name], name in ("properties", "$defs")) for name in names}
