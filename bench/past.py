"""What was known before the tail of a replay, as atomic files: all that a head may learn from."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from glowplug.errors import BadInputFile, shown
from producers.timeline import Moment


def write_past(source: Path, target: Path, moments: Sequence[Moment]) -> Path:
    """`source` with the interactions of `moments` alone. moments: made of `source` by data.conversion, whose events
    are named by line. Returns `target`. Raises BadInputFile."""
    lines = {int(moment.event_id.rpartition(":")[2]) for moment in moments if moment.topic == "interactions"}
    target.mkdir(parents=True)
    files = [path for path in source.iterdir() if path.suffix in (".inter", ".item", ".user")]
    if not any(path.suffix == ".inter" for path in files):
        raise BadInputFile(
            f"{shown(str(source))} holds no *.inter: a head is trained on atomic files, give them with --data"
        )
    for path in files:
        if path.suffix != ".inter":
            shutil.copy(path, target / path.name)
            continue
        with path.open(encoding="utf-8") as rows, (target / path.name).open("w", encoding="utf-8") as kept:
            kept.writelines(row for number, row in enumerate(rows, start=1) if number == 1 or number in lines)
    return target
