"""JSON documents drawn from a JSON Schema alone, and a validator that asserts formats: no pydantic in here."""

from __future__ import annotations

import base64
import json
import re
import struct
from datetime import datetime
from functools import cache
from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

Schema = dict[str, Any]
FORMATS = FormatChecker(formats=())
TEXT = st.characters(exclude_categories=["Cs"])  # lone surrogates are no UTF-8, so they cannot be sent
FEW = 4  # entries of drawn lists and tables; the limits themselves are tested by name


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value.upper()).tzinfo is not None


FORMATS.checks("date-time", raises=ValueError)(_is_moment)


def validator(schema: Schema) -> Draft202012Validator:
    return _validator(json.dumps(schema))


@cache
def _validator(schema: str) -> Draft202012Validator:
    Draft202012Validator.check_schema(json.loads(schema))
    return Draft202012Validator(json.loads(schema), format_checker=FORMATS)


def documents(schema: Schema) -> st.SearchStrategy[Any]:
    """Documents that are valid under `schema`, with fields that it does not know."""
    return _documents(json.dumps(schema))


@cache
def _documents(text: str) -> st.SearchStrategy[Any]:
    schema = json.loads(text)
    return _drawn(schema, schema).filter(_validator(text).is_valid)


def _drawn(schema: Any, root: Schema) -> st.SearchStrategy[Any]:
    if schema is True or schema == {}:
        return anything()
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in schema:
        return st.one_of([_drawn(branch, root) for branch in schema["anyOf"]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return {
        "string": _strings,
        "integer": _integers,
        "number": _numbers,
        "boolean": lambda _schema, _root: st.booleans(),
        "null": lambda _schema, _root: st.none(),
        "array": _arrays,
        "object": _objects,
    }[schema["type"]](schema, root)


def anything() -> st.SearchStrategy[Any]:
    """Any JSON value, the awkward ones more often than chance has it."""
    awkward = st.sampled_from(
        [None, True, False, 0, 1, -1, 1.0, 3.0, 0.5, 1.5, -0.0, 2**53, 2**53 + 1, 1e39, 10**400, "", " ", "a\n",
         "\x00", "2026-11-24T12:00:00Z", "2026-11-24T12:00:00", "2026-11-24 12:00:00Z", "2026-11-24", "1732449600",
         "2026-02-30T12:00:00Z", "2026-11-24T12:00:60Z", "2026-11-24T24:00:00Z", "2026-11-24T12:00:00+0100",
         "0001-01-01T00:00:00+23:59", "2026-11-24T12:00:00Z\n", "rating", "view", [], [""], ["a"], [1], {}, {"": 1},
         {"a": True}, {"a": None}, {"a": 1}, {"a\x01": 1}, "x" * 256, "x" * 257, "x" * 1_001, ["a"] * 257]
    )  # fmt: skip
    leaves = awkward | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(TEXT)
    return leaves | st.lists(leaves, max_size=2) | st.dictionaries(st.text(TEXT), leaves, max_size=2)


def _strings(schema: Schema, _root: Schema) -> st.SearchStrategy[str]:
    if schema.get("format") == "date-time":
        return moments()
    texts = st.text(TEXT, min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 30), 30))
    if "pattern" in schema:
        texts = st.from_regex(schema["pattern"].removesuffix("$") + r"\Z", fullmatch=True)
    banned = schema.get("not", {}).get("pattern")
    return texts.filter(lambda text: not re.search(banned, text)) if banned else texts


def moments() -> st.SearchStrategy[str]:
    """RFC 3339 in all its spellings."""
    digits = st.text("0123456789", min_size=1, max_size=12).map(lambda text: f".{text}")
    offsets = st.sampled_from(["Z", "z", "+00:00", "-00:00", "+14:00", "-11:30", "+23:59"])
    days = st.datetimes(datetime(1000, 1, 1), datetime(2999, 12, 31)).map(lambda day: f"{day:%m-%dT%H:%M:%S}")
    years = st.integers(1000, 2999)
    spelled = st.builds("{}-{}{}{}".format, years, days, st.just("") | digits, offsets)
    return (spelled | spelled.map(str.lower)).filter(lambda text: "02-29" not in text)


def _integers(schema: Schema, _root: Schema) -> st.SearchStrategy[int]:
    return st.integers(schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1))


def _numbers(schema: Schema, _root: Schema) -> st.SearchStrategy[int | float]:
    low, high = schema.get("minimum"), schema.get("maximum")
    floats = st.floats(low, high, allow_nan=False, allow_infinity=False)
    return floats | st.integers(None if low is None else int(low), None if high is None else int(high))


def _arrays(schema: Schema, root: Schema) -> st.SearchStrategy[list[Any]]:
    return st.lists(_drawn(schema.get("items", True), root), min_size=schema.get("minItems", 0), max_size=FEW)


def _vectors() -> st.SearchStrategy[dict[str, Any]]:
    """What no schema can say: `data` holds `dim` numbers."""
    numbers = st.lists(st.floats(-1, 1, width=16), min_size=1, max_size=FEW)
    return numbers.map(
        lambda values: {
            "dtype": "float16",
            "dim": len(values),
            "data": base64.b64encode(struct.pack(f"<{len(values)}e", *values)).decode(),
        }
    )


def _objects(schema: Schema, root: Schema) -> st.SearchStrategy[dict[str, Any]]:
    if {"dtype", "dim", "data"} <= schema.get("properties", {}).keys():
        return _vectors()
    fields = {name: _drawn(part, root) for name, part in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    named = st.fixed_dictionaries(
        {name: fields.get(name, anything()) for name in required},
        optional={name: part for name, part in fields.items() if name not in required},
    )
    if "additionalProperties" in schema:
        names = _drawn({"type": "string", **schema.get("propertyNames", {})}, root)
        others = st.dictionaries(names, _drawn(schema["additionalProperties"], root), max_size=FEW)
    else:
        others = st.dictionaries(st.sampled_from(["x-unknown", "Type", "schema"]), anything(), max_size=2)
    return st.builds(lambda first, second: {**second, **first}, named, others)
