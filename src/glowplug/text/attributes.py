"""Typed attributes: checked against what their domain declares, and put into words. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from glowplug.errors import SchemaViolation, shown
from glowplug.settings import AttributeDeclaration
from glowplug.text.clean import clean_line

Value = float | str | tuple[str, ...]
Declarations = Mapping[str, AttributeDeclaration]

TYPES = {float: "number", int: "number", str: "category", tuple: "list"}
EXACT_INTEGERS = 2.0**53  # beyond it not every integer is a float64, and digits would be made up


def check(attributes: Mapping[str, Value], declarations: Declarations) -> None:
    """Raises SchemaViolation where a declared attribute has another type. Undeclared ones may be anything."""
    for name, value in attributes.items():
        declared = declarations.get(name)
        found = TYPES[type(value)]
        if declared is not None and declared.type != found:
            raise SchemaViolation(
                f"attributes.{shown(name)} is {shown(value)}, a {found}, and is declared as a {declared.type}; "
                "send that type or change the declaration of the domain"
            )


def words(value: Value) -> str:
    """One attribute's value in words, on one line; empty where nothing is left of it."""
    if isinstance(value, tuple):
        return ", ".join(word for word in map(clean_line, value) if word)
    if isinstance(value, str):
        return clean_line(value)
    return str(int(value)) if value.is_integer() and abs(value) < EXACT_INTEGERS else repr(value)


def lines(attributes: Mapping[str, Value], declarations: Declarations, most: int | None = None) -> str:
    """All attributes, a line each: `meaning or name: value, value`. Declared ones first, as declared, then the
    shorter: a model reads a text only so far, and a genre says more than the tenth actor. most: of a list,
    so many entries.

    The order does not depend on the event's, so that the same attributes are the same text.
    """
    place = {name: at for at, name in enumerate(declarations)}
    found = {name: text for name, value in attributes.items() if (text := words(_first(value, most)))}
    named = sorted(found, key=lambda name: (place.get(name, len(place)), len(found[name]), name))
    return "\n".join(f"{_label(name, declarations)}: {found[name]}" for name in named)


def _first(value: Value, most: int | None) -> Value:
    return value[:most] if isinstance(value, tuple) else value


def _label(name: str, declarations: Declarations) -> str:
    declared = declarations.get(name)
    return clean_line(declared.meaning if declared and declared.meaning else name)
