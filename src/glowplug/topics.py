"""The topics of the contract: schemas/topics.toml as values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

PACKAGED = Path(__file__).parent / "schemas"  # in a wheel
CHECKOUT = Path(__file__).parents[2] / "schemas"


@dataclass(frozen=True, slots=True)
class Topic:
    """name: logical name. retention_ms: None where compaction alone decides."""

    name: str
    key: str
    partitions: int
    cleanup: Literal["compact", "delete"]
    retention_ms: int | None
    writer: str
    holds: str


def schema_folder() -> Path:
    return PACKAGED if PACKAGED.is_dir() else CHECKOUT


@cache
def declared() -> dict[str, Topic]:
    """All topics by logical name, in the order of topics.toml."""
    table = tomllib.loads((schema_folder() / "topics.toml").read_text("utf-8"))
    return {
        name: Topic(
            name=name,
            key=row["key"],
            partitions=row["partitions"],
            cleanup=row["cleanup"],
            retention_ms=row.get("retention_ms"),
            writer=row["writer"],
            holds=row["holds"],
        )
        for name, row in table.items()
    }


USER_KEYED = ("users", "interactions", "user_vectors", "user_profiles", "user_states", "recommendations")
