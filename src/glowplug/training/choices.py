"""Hyperparameters of the learned block in a file: what `search` writes and `train` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from glowplug.errors import BadInputFile, shown
from glowplug.training.tuning import Choice
from glowplug.training.whole import whole

CHOICES = "choices.json"


class _Choices(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    items: dict[str, float]
    users: dict[str, float]


def write_choices(path: Path, items: Choice, users: Choice) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as draft:
        draft.write_bytes(orjson.dumps({"items": items, "users": users}, option=orjson.OPT_INDENT_2))


def read_choices(path: Path) -> Mapping[str, Choice]:
    """By `items` and `users`. Raises BadInputFile."""
    try:
        found = _Choices.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        problem = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
        raise BadInputFile(
            f"{shown(str(path))} holds no hyperparameters ({problem}): write them with `glowplug search`"
        ) from error
    return {"items": found.items, "users": found.users}
