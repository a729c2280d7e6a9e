"""A small catalogue of invented items and users in nine languages, and what they did: events to send."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.resources import files

import orjson

FILES = ("items.jsonl", "users.jsonl", "interactions.jsonl")
TIMES = ("event_time", "listed_at")
MARGIN = timedelta(minutes=1)  # the catalogue ends this long before it is sent: everything live is later


def read(name: str) -> list[bytes]:
    """The lines of one of FILES."""
    return (files(__name__) / name).read_bytes().splitlines(keepends=True)


def ends() -> datetime:
    """Event time of the latest event."""
    return max(datetime.fromisoformat(orjson.loads(read(name)[-1])["event_time"]) for name in FILES)


def moved_to(now: datetime, name: str) -> Iterator[bytes]:
    """The lines of a file, all times moved so that the catalogue ends just before `now`.

    So popularity and freshness are those of a catalogue in use, whenever the demo runs.
    """
    shift = now - MARGIN - ends()
    for line in read(name):
        event = orjson.loads(line)
        for field in TIMES:
            if field in event:
                event[field] = (datetime.fromisoformat(event[field]) + shift).isoformat()
        yield orjson.dumps(event)
