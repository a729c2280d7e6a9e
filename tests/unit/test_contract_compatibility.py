"""A change that breaks who relies on a released schema is named; a harmless one passes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glowplug.contract.compatibility import breaks
from glowplug.contract.schemas import schemas
from tests.support.documents import Schema, documents, validator

Edit = Callable[[Schema], object]
ID = {"type": "string", "minLength": 1, "maxLength": 8, "not": {"pattern": "[\\x00-\\x1f]"}}
RELEASED: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["type", "id", "part"],
    "properties": {
        "type": {"type": "string", "const": "thing"},
        "id": ID,
        "kind": {"type": "string", "enum": ["a", "b", "c"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 10, "default": 1},
        "score": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}], "default": None},
        "code": {"type": "string", "pattern": "^[a-z]+$"},
        "at": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 5}},
        "table": {"type": "object", "maxProperties": 3, "propertyNames": {"maxLength": 4},
                  "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "string", "maxLength": 5}]}},
        "notes": {"type": "object"},
        "part": {"$ref": "#/$defs/Part"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
    },
    "if": {"properties": {"kind": {"const": "a"}}, "required": ["kind"]},
    "then": {"required": ["count"]},
    "$defs": {"Part": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
}  # fmt: skip


def at(*path: str, **new: Any) -> Edit:
    """Puts `new` into the subschema at `path`."""
    return lambda schema: _at(schema, path).update(new)


def without(*path: str) -> Edit:
    return lambda schema: _at(schema, path[:-1]).pop(path[-1])


def requiring(*path: str, names: list[str]) -> Edit:
    return lambda schema: _at(schema, path).update(required=names)


def _at(schema: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        schema = schema[int(name)] if isinstance(schema, list) else schema[name]
    return schema


def edited(edit: Edit) -> Schema:
    schema = copy.deepcopy(RELEASED)
    edit(schema)
    return schema


FIELD = ("properties",)
# Each edit makes the schema allow less. Beside it a document that shows it: valid before, invalid after.
NARROWING: dict[str, tuple[Edit, dict[str, Any]]] = {
    "a new required field": (requiring(names=["type", "id", "part", "kind"]), {}),
    "a type narrows": (at(*FIELD, "score", anyOf=[{"type": "integer"}, {"type": "null"}]), {"score": 0.5}),
    "a type is another": (at(*FIELD, "count", type="string"), {"count": 1}),
    "null is gone": (at(*FIELD, "score", anyOf=[{"type": "number", "minimum": 0}]), {"score": None}),
    "an enum loses a value": (at(*FIELD, "kind", enum=["a", "b"]), {"kind": "c"}),
    "free text becomes an enum": (at(*FIELD, "code", enum=["a"]), {"code": "b"}),
    "a constant changes": (at(*FIELD, "type", const="other"), {}),
    "the minimum rises": (at(*FIELD, "count", minimum=1), {"count": 0}),
    "the maximum falls": (at(*FIELD, "count", maximum=9), {"count": 10}),
    "an alternative narrows": (at(*FIELD, "score", "anyOf", "0", minimum=1), {"score": 0}),
    "a new maximum": (at(*FIELD, "score", "anyOf", "0", maximum=1), {"score": 2}),
    "a text must be longer": (at(*FIELD, "id", minLength=2), {"id": "x"}),
    "a text must be shorter": (at(*FIELD, "id", maxLength=7), {"id": "x" * 8}),
    "a new pattern": (at(*FIELD, "id", pattern="^x"), {"id": "y"}),
    "another pattern": (at(*FIELD, "code", pattern="^[a-y]+$"), {"code": "z"}),
    "a new format": (at(*FIELD, "code", format="date-time"), {"code": "x"}),
    "more characters are banned": (at(*FIELD, "id", **{"not": {"pattern": "[\\x00-\\x20]"}}), {"id": " "}),
    "a list must be shorter": (at(*FIELD, "tags", maxItems=2), {"tags": ["", "", ""]}),
    "a list must not be empty": (at(*FIELD, "tags", minItems=1), {"tags": []}),
    "a list must not repeat": (at(*FIELD, "tags", uniqueItems=True), {"tags": ["", ""]}),
    "list entries narrow": (at(*FIELD, "tags", "items", maxLength=4), {"tags": ["abcde"]}),
    "a table has fewer entries": (at(*FIELD, "table", maxProperties=2), {"table": {"a": 1, "b": 1, "c": 1}}),
    "a table's names narrow": (at(*FIELD, "table", "propertyNames", maxLength=3), {"table": {"abcd": 1}}),
    "a table's values narrow": (at(*FIELD, "table", additionalProperties={"type": "number"}), {"table": {"a": ""}}),
    "an open map gets a rule": (at(*FIELD, "notes", additionalProperties={"type": "number"}), {"notes": {"a": ""}}),
    "an open map gets a field": (at(*FIELD, "notes", properties={"a": {"type": "null"}}), {"notes": {"a": 1}}),
    "a table gets a named field": (at(*FIELD, "table", properties={"a": {"type": "null"}}), {"table": {"a": 1}}),
    "an inner field is required": (requiring("$defs", "Part", names=["name", "size"]), {}),
    "an inner type changes": (at("$defs", "Part", "properties", "name", type="integer"), {}),
    "a condition is new": (at(**{"else": {"required": ["tags"]}}), {"kind": "b"}),
    "a condition changes": (at(then={"required": ["tags"]}), {"kind": "a", "count": 1}),
    "unknown fields are refused": (
        lambda schema: (at(additionalProperties=False)(schema), without(*FIELD, "code")(schema)), {"code": "x"},
    ),
}  # fmt: skip
# Each edit leaves every document valid that was valid before.
WIDENING: dict[str, Edit] = {
    "nothing changes": lambda _schema: None,
    "descriptions change": at(*FIELD, "id", title="Id", description="new words", examples=["x"]),
    "a new optional field": at(*FIELD, fresh={"type": "string"}),
    "a field is no longer required": requiring(names=["type", "part"]),
    "an optional field is no longer read": without(*FIELD, "code"),
    "an enum gains a value": at(*FIELD, "kind", enum=["a", "b", "c", "d"]),
    "an enum becomes free text": without(*FIELD, "kind", "enum"),
    "a constant becomes one of several": lambda schema: (
        without(*FIELD, "type", "const")(schema), at(*FIELD, "type", enum=["thing", "other"])(schema),
    ),
    "an integer becomes a number": at(*FIELD, "count", type="number"),
    "null becomes possible": at(*FIELD, id={"anyOf": [ID, {"type": "null"}]}),
    "alternatives change places": at(*FIELD, "score", anyOf=[{"type": "null"}, {"type": "number", "minimum": 0}]),
    "limits widen": at(*FIELD, "count", minimum=-1, maximum=11),
    "a limit of a number goes": without(*FIELD, "count", "minimum"),
    "a limit of a text goes": without(*FIELD, "id", "maxLength"),
    "a pattern goes": without(*FIELD, "code", "pattern"),
    "a format goes": without(*FIELD, "at", "format"),
    "banned characters are allowed": without(*FIELD, "id", "not"),
    "a list may be longer": at(*FIELD, "tags", maxItems=4),
    "list entries widen": without(*FIELD, "tags", "items", "maxLength"),
    "a table's values widen": at(*FIELD, "table", additionalProperties=True),
    "a table's names widen": without(*FIELD, "table", "propertyNames"),
    "a condition goes": lambda schema: (without("then")(schema), without("if")(schema)),
    "a definition is written out": at(*FIELD, part=RELEASED["$defs"]["Part"]),
    "an inner optional field": at("$defs", "Part", "properties", size={"type": "integer"}),
}  # fmt: skip
MINIMAL = {"type": "thing", "id": "x", "part": {"name": "p"}}


@pytest.mark.parametrize("name", NARROWING)
def test_an_input_that_allows_less_breaks_its_writers(name: str) -> None:
    edit, witness = NARROWING[name]
    narrower = edited(edit)
    document = MINIMAL | witness
    assert validator(RELEASED).is_valid(document)
    assert not validator(narrower).is_valid(document)
    assert breaks(RELEASED, narrower, "input")


@pytest.mark.parametrize("name", NARROWING)
def test_an_output_that_promises_less_breaks_its_readers(name: str) -> None:
    edit, _ = NARROWING[name]
    assert breaks(edited(edit), RELEASED, "output")


@pytest.mark.parametrize("name", WIDENING)
@given(data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_input_that_allows_more_is_harmless(name: str, data: st.DataObject) -> None:
    wider = edited(WIDENING[name])
    assert breaks(RELEASED, wider, "input") == []
    validator(wider).validate(data.draw(documents(RELEASED)))


@pytest.mark.parametrize("name", WIDENING)
def test_an_output_that_promises_more_is_harmless(name: str) -> None:
    assert breaks(edited(WIDENING[name]), RELEASED, "output") == []


def test_an_output_may_gain_a_field_and_lose_an_optional_one() -> None:
    changed = edited(lambda schema: (at(*FIELD, fresh={"type": "string"})(schema), without(*FIELD, "code")(schema)))
    assert breaks(RELEASED, changed, "output") == []


def test_another_default_is_reported_because_a_field_left_out_would_mean_something_else() -> None:
    changed = edited(at(*FIELD, "count", default=2))
    for kind in ("input", "output"):
        assert "left out" in breaks(RELEASED, changed, kind)[0]


def test_what_cannot_be_compared_is_reported() -> None:
    for strange in ({"oneOf": [{"type": "string"}]}, {"type": "integer", "multipleOf": 1}, {"not": {"$ref": "#"}}):
        reader = edited(at(*FIELD, count=strange))
        assert breaks(RELEASED, reader, "input")


def test_the_reason_names_the_field_and_both_sides() -> None:
    narrower = edited(at("$defs", "Part", "properties", "name", maxLength=3))
    assert breaks(RELEASED, narrower, "input") == [
        "part.name: maxLength must be 3, it is open",
        "parts[].name: maxLength must be 3, it is open",
    ]


def test_a_definition_that_holds_itself_is_compared_once() -> None:
    def tree(**leaf: Any) -> Schema:
        fields = {"leaf": {"type": "string", **leaf}, "child": {"$ref": "#/$defs/Node"}}
        return {"$ref": "#/$defs/Node", "$defs": {"Node": {"type": "object", "properties": fields}}}

    assert breaks(tree(), tree(), "input") == []
    assert breaks(tree(), tree(maxLength=1), "input") == ["leaf: maxLength must be 1, it is open"]


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_schema_fits_itself(name: str) -> None:
    schema = schemas()[name]
    assert breaks(schema, schema, "input") == breaks(schema, schema, "output") == []


def mutations(schema: Any) -> list[Schema]:
    """The schema with one keyword or one required name taken out or made stricter, at every place."""
    found: list[Schema] = []

    def visit(part: Any, path: tuple[str, ...]) -> None:
        if isinstance(part, list):
            for number, one in enumerate(part):
                visit(one, (*path, str(number)))
        if not isinstance(part, dict):
            return
        for word in part:
            changed = copy.deepcopy(schema)
            value = part[word]
            if isinstance(value, bool) or word.startswith("$") or word == "description":
                continue
            if isinstance(value, int | float):
                _at(changed, path)[word] = value + 1
            elif isinstance(value, list) and len(value) > 1:
                _at(changed, path)[word] = value[1:]
            else:
                del _at(changed, path)[word]
            found.append(changed)
            visit(value, (*path, word))

    visit(schema, ())
    return found


RELEASED_SCHEMAS = schemas()
MUTATED = [(name, changed) for name in ("interaction.v1", "item.created.v1", "user.vector.v1")
           for changed in mutations(RELEASED_SCHEMAS[name])]  # fmt: skip


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_called_compatible_holds_for_documents_that_pydantic_never_saw(data: st.DataObject) -> None:
    name, changed = data.draw(st.sampled_from(MUTATED))
    released = RELEASED_SCHEMAS[name]
    for writer, reader in ((released, changed), (changed, released)):
        if breaks(writer, reader, "input"):
            continue
        # A writer sends what its schema names: names that only the reader knows are left out of the comparison.
        document = data.draw(documents(writer))
        validator(reader).validate(_without_strangers(document, writer))


def _without_strangers(document: Any, schema: Schema) -> Any:
    named = {*schema.get("required", ()), *schema.get("properties", {})}
    return {name: value for name, value in document.items() if name in named}


def test_mutations_of_real_schemas_are_judged_one_way_or_the_other() -> None:
    verdicts = {bool(breaks(RELEASED_SCHEMAS[name], changed, "input")) for name, changed in MUTATED}
    assert verdicts == {True, False}
