"""Columns of an atomic file as typed attributes: numbers, categories, lists, running text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from glowplug.data.atomic import AtomicFile, Row, as_number
from glowplug.data.conversion import Conversion
from glowplug.events import MAX_LIST, MAX_TEXT_CHARS

Kind = Literal["number", "category", "list", "title", "text"]
Declared = Mapping[str, str]  # attribute name to number, category or list, as the domain's settings say
# A token column of numbers is a quantity from this many distinct values on; below, they are names of groups.
QUANTITY = 16
TITLE, DESCRIPTION = "title", "description"  # fields of an item's event; all others are its attributes
PROSE_WORDS = 8.0  # a sequence without commas that is longer than this on average is sentences, not labels


@dataclass(frozen=True, slots=True)
class Field:
    """values: one a row, None where the row has none; float, str, or tuple of str by `kind`."""

    name: str
    kind: Kind
    values: tuple[float | str | tuple[str, ...] | None, ...]


def typed(file: AtomicFile, rows: Sequence[Row | None], key: str, declared: Declared) -> tuple[Field, ...]:
    """The columns of `file` but `key`, in the file's order. rows: with sequences as raw text; None: no such row."""
    how = Conversion(name="")
    found: list[Field] = []
    for column in file.columns:
        if column.name == key or column.name in how.dropped:
            continue
        raw = [None if row is None else row.get(column.name) for row in rows]
        kind = _kind(column.name, column.type, raw, declared, how)
        comma = column.name in file.comma_separated
        found.append(Field(column.name, kind, tuple(_value(value, kind, comma) for value in raw)))
    return tuple(found)


def as_events(fields: Sequence[Field]) -> tuple[Field, ...]:
    """The fields as an item's event carries them (data.conversion): one title, one description, and the others by
    the names of its attributes. What training reads has to be there when the item is served."""
    how = Conversion(name="")
    by_name = {field.name: field for field in fields}
    titles = [by_name[name].values for name in how.titles if name in by_name]
    prose = [by_name[name].values for name in how.descriptions if name in by_name]
    found: list[Field] = []
    if titles:
        found.append(
            Field(
                TITLE, "title", tuple(next((one for one in row if one), None) for row in zip(*titles, strict=True))
            )
        )
    if prose:
        joined = ("\n".join(str(one) for one in row if one) for row in zip(*prose, strict=True))
        found.append(Field(DESCRIPTION, "text", tuple(one[:MAX_TEXT_CHARS] or None for one in joined)))
    return (*found, *as_attributes([one for one in fields if one.name not in (*how.titles, *how.descriptions)]))


def as_attributes(fields: Sequence[Field]) -> tuple[Field, ...]:
    """By the names that attributes have in events: all that a user's event carries."""
    how = Conversion(name="")
    return tuple(replace(field, name=how.renamed.get(field.name, field.name)) for field in fields)


def _kind(name: str, type_: str, raw: Sequence[object], declared: Declared, how: Conversion) -> Kind:
    if name in declared:
        return declared[name]  # type: ignore[return-value]  # the settings allow these three only
    if name in how.titles:
        return "title"
    if name in how.descriptions:
        return "text"
    if type_ == "float":
        return "number"
    texts = [value for value in raw if isinstance(value, str)]
    if type_.endswith("_seq"):
        words = sum(len(text.split()) for text in texts) / max(len(texts), 1)
        prose = words > PROSE_WORDS and sum("," in text for text in texts) < len(texts) / 2
        return "text" if prose else "list"
    distinct = set(texts)
    if texts and all(as_number(text) is not None for text in distinct) and len(distinct) >= QUANTITY:
        return "number"
    return "number" if name in how.numbers else "category"


def _value(value: object, kind: Kind, comma: bool) -> float | str | tuple[str, ...] | None:
    if value is None:
        return None
    if kind == "number":
        return value if isinstance(value, float) else as_number(str(value))
    if kind == "list":
        entries = tuple(entry.strip() for entry in str(value).split("," if comma else None) if entry.strip())
        return entries[:MAX_LIST] or None
    return str(value)
