"""Whether a changed schema still fits the released one: a structural proof, or the reasons why there is none.

Of the libraries for this question, jsonsubschema stops at draft 4, and jsoncompat needs Python 3.12 and says of
itself that it misses incompatible changes. What pydantic generates is a small part of JSON Schema, and for that
part a proof fits on two pages. It is conservative: a keyword outside the part counts as a break unless both
schemas say the same with it.

"Fits" means: every document of the writer's schema is valid for the reader's. A writer sends only fields that
its schema names, so a field that only the reader names takes part when it is optional. A schema that names none
is of a map, with anything under any name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import Any, Literal

Schema = Mapping[str, Any]
Kind = Literal["input", "output"]

ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "title", "description", "examples", "default", "discriminator"})
BY_TYPE: dict[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties", "propertyNames",
                         "minProperties", "maxProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "boolean": frozenset(),
    "null": frozenset(),
}  # fmt: skip
# Not compared by meaning: like every keyword not in BY_TYPE, the reader may use one only as the writer does.
OPAQUE = frozenset({"pattern", "format"})
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "boolean": (bool,), "null": (type(None),), "integer": (int,), "number": (int, float),
    "object": (dict,), "array": (list,),
}  # fmt: skip


def breaks(released: Schema, current: Schema, kind: Kind) -> list[str]:
    """One line for each reason why `current` may break who relies on `released`; empty when it cannot.

    Of an input, everything that the released schema allows must stay allowed, and mean the same when a field is
    left out. Of an output, everything that is written now must be allowed by the released schema.
    """
    reader, writer = (current, released) if kind == "input" else (released, current)
    proof = _Proof(writer, reader)
    return [f"{path or 'the document'}: {reason}" for path, reason in proof.misfits(writer, reader, "")]


Misfit = tuple[str, str]  # where, why
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


class _Proof:
    """`assumed`: pairs of definitions being compared; met again inside themselves, they are taken to fit."""

    def __init__(self, writer: Schema, reader: Schema) -> None:
        self.writer_root = writer
        self.reader_root = reader
        self.assumed: set[tuple[str, str]] = set()

    def misfits(self, writer: Any, reader: Any, path: str) -> list[Misfit]:
        """Reasons why a document of `writer` might not be one of `reader`."""
        names = (_reference(writer), _reference(reader))
        if all(names):
            if names in self.assumed:
                return []
            self.assumed.add(names)
        try:
            return self._misfits_of_resolved(
                _resolved(writer, self.writer_root), _resolved(reader, self.reader_root), path
            )
        finally:
            self.assumed.discard(names)

    def _misfits_of_resolved(self, writer: Any, reader: Any, path: str) -> list[Misfit]:
        found = _changed_default(writer, reader, path)
        if writer is False or reader is True or (reader is not False and not set(reader) - ANNOTATIONS):
            return found
        if writer is True or reader is False:
            return [*found, (path, f"the writer allows {_said(writer)}, the reader {_said(reader)}")]
        writers, readers = _branches(writer), _branches(reader)
        if writers == [writer] and readers == [reader]:
            return found + self._misfits_of_one(writer, reader, path)
        for branch in writers:
            attempts = [self.misfits(branch, candidate, path) for candidate in readers]
            # A branch fits when one of the reader's takes all of it; else the nearest one gives the reasons.
            nearest: list[Misfit] = min(attempts, key=lambda reasons: (_far(reasons), len(reasons)))
            found += nearest
        return found

    def _misfits_of_one(self, writer: Schema, reader: Schema, path: str) -> list[Misfit]:
        if "enum" in writer or "const" in writer:
            refused = [value for value in _values(writer) if not _surely_valid(value, reader)]
            return [(path, f"{value!r} is not surely {_said(reader)}") for value in refused]
        if "enum" in reader or "const" in reader:
            return [(path, f"{_said(writer)} is more than {_said(reader)}")]
        kind, wanted = writer.get("type"), reader.get("type")
        if wanted is not None and kind != wanted and (kind, wanted) != ("integer", "number"):
            return [(path, f"{kind or 'any type'} where {wanted} is expected")]
        if kind is None and wanted is None:
            same = all(_same(writer, reader, keyword) for keyword in (set(writer) | set(reader)) - ANNOTATIONS)
            return [] if same else [(path, "neither has a type, so they cannot be compared")]
        compared = BY_TYPE.get(str(wanted or kind), frozenset()) - OPAQUE
        found = [
            (path, f"{keyword} must be {reader[keyword]!r}, it is {writer.get(keyword)!r}")
            for keyword in sorted(set(reader) - ANNOTATIONS - compared - {"type"})
            if not _same(writer, reader, keyword)
        ]
        found += _narrower_limits(writer, reader, path)
        if "items" in compared and "items" in reader:
            found += self.misfits(writer.get("items", True), reader["items"], f"{path}[]")
        if "properties" in compared:
            found += self._misfits_of_fields(writer, reader, path)
        return found

    def _misfits_of_fields(self, writer: Schema, reader: Schema, path: str) -> list[Misfit]:
        sent = dict.fromkeys(writer.get("required", ()), True) | dict(writer.get("properties", {}))
        read = reader.get("properties", {})
        found = [
            (_below(path, name), "is required by the reader, the writer may leave it out")
            for name in reader.get("required", ())
            if name not in writer.get("required", ())
        ]
        rest = reader.get("additionalProperties", True)
        for name, schema in sent.items():
            found += self.misfits(schema, read.get(name, rest), _below(path, name))
        if "additionalProperties" in writer or "properties" not in writer:
            others = writer.get("additionalProperties", True)
            found += self.misfits(others, rest, _below(path, "*"))
            for name in read.keys() - sent.keys():
                found += self.misfits(others, read[name], _below(path, name))
        if "propertyNames" in reader:
            names = {"type": "string"}
            found += self.misfits(
                {**names, **writer.get("propertyNames", {})},
                {**names, **reader["propertyNames"]},
                f"{path} (names)",
            )
        return found


def _reference(schema: Any) -> str:
    return str(schema.get("$ref", "")) if isinstance(schema, Mapping) else ""


def _resolved(schema: Any, root: Schema) -> Any:
    """`schema` with its $ref followed; keywords beside the $ref are kept."""
    while isinstance(schema, Mapping) and "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        schema = {**root["$defs"][name], **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _branches(schema: Schema) -> list[Any]:
    """The alternatives of `schema`, each with the conditions that stand beside them.

    oneOf is taken only with a discriminator, which keeps its alternatives apart; else it cannot be compared.
    """
    for keyword in ("anyOf", "oneOf"):
        beside = set(schema) - ANNOTATIONS - {keyword}
        if keyword in schema and not beside and (keyword == "anyOf" or "discriminator" in schema):
            return list(schema[keyword])
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": kind} for kind in schema["type"]]
    return [schema]


def _changed_default(writer: Any, reader: Any, path: str) -> list[Misfit]:
    """A field left out means its default, so a new default gives old documents a new meaning."""
    if not isinstance(writer, Mapping) or not isinstance(reader, Mapping) or "default" not in writer:
        return []
    if "default" in reader and reader["default"] == writer["default"]:
        return []
    if not set(reader) - {"description"}:
        return []  # the reader does not know the field
    return [(path, f"left out, it meant {writer['default']!r} and would mean {reader.get('default')!r}")]


def _narrower_limits(writer: Schema, reader: Schema, path: str) -> list[Misfit]:
    too_low = [name for name in LOWER if writer.get(name, -inf) < reader.get(name, -inf)]
    too_high = [name for name in UPPER if writer.get(name, inf) > reader.get(name, inf)]
    return [
        (path, f"{name} must be {reader[name]}, it is {writer.get(name, 'open')}") for name in (*too_low, *too_high)
    ]


def _same(writer: Schema, reader: Schema, keyword: str) -> bool:
    """Both say the same with `keyword`. A $ref inside is not followed, so it proves nothing."""
    if keyword not in writer or keyword not in reader:
        return False
    return bool(writer[keyword] == reader[keyword]) and "$ref" not in json.dumps(reader[keyword])


def _values(schema: Schema) -> list[Any]:
    return list(schema["enum"]) if "enum" in schema else [schema["const"]]


def _surely_valid(value: Any, reader: Schema) -> bool:
    rest = set(reader) - ANNOTATIONS - {"type"}
    if rest in ({"enum"}, {"const"}):
        return any(value == allowed and type(value) is type(allowed) for allowed in _values(reader))
    types = PYTHON_TYPES.get(str(reader.get("type")), ())
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return False
    if isinstance(value, str):
        in_limits = reader.get("minLength", 0) <= len(value) <= reader.get("maxLength", inf)
        return in_limits and rest <= {"minLength", "maxLength"}
    return not rest


def _far(reasons: list[Misfit]) -> int:
    """Alternatives of another type are the least telling reasons."""
    return sum(" where " in reason for _, reason in reasons)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _said(schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return "anything" if schema else "nothing"
    if "enum" in schema or "const" in schema:
        return f"one of {_values(schema)}"
    return f"any {schema['type']}" if "type" in schema else "any value"
