"""The topics of the contract: schemas/topics.toml as values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Literal

from glowplug.settings import Settings

PACKAGED = Path(__file__).parent / "schemas"  # in a wheel
CHECKOUT = Path(__file__).parents[2] / "schemas"


@dataclass(frozen=True, slots=True)
class Topic:
    """name: logical name. retention_ms: None where compaction alone decides.
    only_with: the setting without which the topic is not used; None: it always is."""

    name: str
    key: str
    partitions: int
    cleanup: Literal["compact", "delete"]
    retention_ms: int | None
    writer: str
    holds: str
    only_with: str | None = None


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
            only_with=row.get("only_with"),
        )
        for name, row in table.items()
    }


USER_KEYED = (
    "users",
    "interactions",
    "interactions_rekeyed",
    "user_vectors",
    "user_profiles",
    "user_states",
    "recommendations",
)


def in_use(settings: Settings) -> dict[str, Topic]:
    """Those of `declared` that these settings read or write."""
    return {
        name: topic
        for name, topic in declared().items()
        if topic.only_with is None or attrgetter(topic.only_with)(settings)
    }


def meeting(settings: Settings) -> tuple[str, ...]:
    """The user-keyed topics whose partitions have to match: of interactions and its re-keyed copy the one that is
    read beside the others."""
    apart = "interactions" if settings.kafka.rekey_interactions else "interactions_rekeyed"
    return tuple(name for name in USER_KEYED if name != apart)
