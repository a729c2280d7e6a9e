"""A folder of events, JSON Lines or RecBole's atomic files, as one stream in the order in which things happened."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from glowplug.data.ml100k import convert
from glowplug.errors import BadInputFile, shown
from producers.lines import BadLine, Line, lines_of, opened, parse

LIKED = 0.75  # four stars of five: (4 - 1) / (5 - 1)
LIKES = frozenset({"like", "purchase"})
ORDER = {"items": 0, "users": 1, "interactions": 2}  # at the same moment: nobody meets what is not there yet


@dataclass(frozen=True, slots=True)
class Moment:
    """One event. `topic` is logical; `item_id` is empty for users' events, `user_id` for items'.

    is_like:   an interaction that says yes: a like, a purchase, a rating of at least LIKED.
    is_gone:   the item or user is deleted, or the item no longer available.
    """

    at: datetime
    topic: str
    key: str
    event_id: str
    value: bytes
    user_id: str = ""
    item_id: str = ""
    is_like: bool = False
    is_gone: bool = False


def read(folder: Path, max_bytes: int, seed: int | None = None) -> list[Moment]:
    """Every event of the folder by time, held at once: about 1 kB each.

    The folder holds *.jsonl, or one each of *.item, *.user and *.inter. At the same time items come before users
    and users before interactions; then the files' order holds, or, given a seed, one drawn from it: many data sets
    know whole seconds or days only, and their files' order within one means nothing. Raises BadInputFile.
    """
    if not folder.is_dir():
        raise BadInputFile(f"{shown(str(folder))} is no folder: name one that holds events or atomic files")
    files = sorted(folder.glob("*.jsonl"))
    if files:
        return in_order([moment for file in files for moment in _moments(file, max_bytes)], seed)
    with tempfile.TemporaryDirectory(prefix="glowplug-") as temporary:
        converted = convert(folder, Path(temporary))
        return in_order([moment for file in converted.files for moment in _moments(file, max_bytes)], seed)


def in_order(moments: Sequence[Moment], seed: int | None = None) -> list[Moment]:
    """By time; ties as `read` says."""
    if seed is None:
        return sorted(moments, key=lambda moment: (moment.at, ORDER[moment.topic]))
    drawn = str(seed).encode()
    return sorted(moments, key=lambda moment: (moment.at, ORDER[moment.topic], _draw(drawn, moment.event_id)))


def cut(moments: Sequence[Moment], tail: int | None) -> int:
    """Where the replay starts: at the tail-th interaction from the end; None: at the first that is no item."""
    if tail is None:
        return next((at for at, moment in enumerate(moments) if moment.topic != "items"), len(moments))
    places = [at for at, moment in enumerate(moments) if moment.topic == "interactions"]
    if tail > len(places):
        raise BadInputFile(f"--tail {tail:,}: there are {len(places):,} interactions: ask for no more than those")
    return places[-tail]


def _moments(file: Path, max_bytes: int) -> list[Moment]:
    with opened(str(file)) as stream:
        found: list[Moment] = []
        for line in parse(lines_of(stream, max_bytes), max_bytes):
            if isinstance(line, BadLine):
                raise BadInputFile(f"{file.name}, {line}")
            found.append(moment_of(line))
        return found


def moment_of(line: Line) -> Moment:
    event = orjson.loads(line.value)
    value = event.get("value")
    return Moment(
        at=datetime.fromisoformat(event["event_time"].upper()),
        topic=line.topic,
        key=line.key,
        event_id=event["event_id"],
        value=line.value,
        user_id="" if line.topic == "items" else line.key,
        item_id=event.get("item_id", ""),
        is_like=event.get("action") in LIKES or (value is not None and value >= LIKED),
        is_gone=event["type"].endswith(".deleted") or event.get("available") is False,
    )


def _draw(seed: bytes, event_id: str) -> bytes:
    return hashlib.blake2b(event_id.encode(), key=seed, digest_size=8).digest()
