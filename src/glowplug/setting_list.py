"""Every setting as one row: for `glowplug settings`, the reference page, and the check of environment names."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from glowplug.observe.redact import without_secrets
from glowplug.settings import PREFIX, AttributeDeclaration, DomainSettings, Settings

LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True, slots=True)
class Setting:
    """name: `section.field`; in a table that you name yourself, NAME stands for your name."""

    name: str
    kind: str
    default: str
    description: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it; empty where only a file can."""
        return "" if "NAME" in self.name else PREFIX + self.name.upper().replace(".", "__")


def setting_list() -> tuple[Setting, ...]:
    """All settings, in the order of the tree."""
    return tuple(_of(Settings, "")) + tuple(
        _of(DomainSettings, "domains.NAME.")
    ) + tuple(_of(AttributeDeclaration, "domains.NAME.item_attributes.NAME."))  # fmt: skip


def value_in_force(settings: Settings, name: str) -> str:
    """The value of `name` as one line, secrets masked; empty for names inside tables."""
    value: Any = without_secrets(settings.model_dump(mode="json"))
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return ""
        value = value[part]
    return _shown(value)


def _of(model: type[BaseModel], prefix: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _of(inner, f"{prefix}{name}.")
        else:
            yield Setting(
                name=prefix + name,
                kind=_kind(field),
                default="" if field.is_required() else _shown(_plain(field.default)),
                description=field.description or _described_elsewhere(model, name),
            )


def _kind(field: FieldInfo) -> str:
    limits = [
        f"{sign} {getattr(condition, word):,}"
        for condition in field.metadata
        for word, sign in LIMITS.items()
        if hasattr(condition, word)
    ]
    return " ".join([_named(field.annotation), *([", ".join(limits)] if limits else [])])


def _named(annotation: Any) -> str:
    """A type in words that need no Python: "one of a, b", "table of text", "number or nothing"."""
    origin = get_origin(annotation)
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    if origin in (types.UnionType, Union):
        return " or ".join(_named(part) for part in get_args(annotation))
    if origin is tuple:
        return f"list of {_named(get_args(annotation)[0])}"
    if origin is dict:
        return f"table of {_named(get_args(annotation)[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "tables"
    words = {
        "str": "text", "int": "integer", "float": "number", "bool": "true or false", "NoneType": "nothing",
        "SecretStr": "secret text",
    }  # fmt: skip
    name = getattr(annotation, "__name__", str(annotation))
    return words.get(name, name.lower())


def _described_elsewhere(model: type[BaseModel], name: str) -> str:
    if model.__name__ == "TopicNames":
        return f"the cluster's name of the topic {name}"
    return ""


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
