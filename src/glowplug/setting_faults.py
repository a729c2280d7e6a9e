"""What is wrong with settings, in one line each: the name, what was probably meant, and never a password."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from glowplug.errors import shown
from glowplug.observe.redact import MASK, SECRET_NAME, redacted, without_secrets

LIST = "`glowplug settings` lists them"


def fault_line(fault: Any, tree: type[BaseModel]) -> str:
    """One of pydantic's errors (a dict of its `errors()`) as a line: name, what is wrong, value."""
    path = [str(part) for part in fault["loc"]]
    name = ".".join(path)
    if fault["type"] == "extra_forbidden":
        meant = _close(path[-1], names_at(tree, path[:-1]))
        hint = f"did you mean {'.'.join([*path[:-1], meant])}?" if meant else LIST
        return f"there is no setting {name}; {hint}"
    value = MASK if SECRET_NAME.search(name) else shown(redacted(str(without_secrets(fault["input"]))))
    return f"{name}: {fault['msg']}, not {value}"


def misnamed_variable(
    variables: Iterable[str], tree: type[BaseModel], prefix: str, exempt: Collection[str]
) -> str | None:
    """A line about the first of `variables` that begins with `prefix` and names nothing in `tree`.

    pydantic-settings ignores variables whose first name it does not know.
    """
    for variable in variables:
        name = variable.upper()
        if not name.startswith(prefix) or name in exempt:
            continue
        path = name.removeprefix(prefix).lower().split("__")
        for depth, part in enumerate(path):
            known = names_at(tree, path[:depth])
            if known and part not in known:
                meant = _close(part, known)
                right = (prefix + "__".join([*path[:depth], meant, *path[depth + 1 :]])).upper()
                hint = f"did you mean {right}?" if meant else LIST
                return f"the environment variable {variable} names no setting; {hint}"
    return None


def names_at(tree: type[BaseModel], path: Sequence[str]) -> tuple[str, ...]:
    """The names of the settings in the section at `path`; none in a table whose names are the user's."""
    model: Any = tree
    for part in path:
        field = model.model_fields.get(part)
        model = field.annotation if field else None
        if not isinstance(model, type) or not issubclass(model, BaseModel):
            return ()
    return tuple(model.model_fields)


def _close(name: str, known: Sequence[str]) -> str:
    return next(iter(difflib.get_close_matches(name, known, n=1)), "")
