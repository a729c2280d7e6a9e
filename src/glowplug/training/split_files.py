"""Splits on disk: train, valid and test as atomic files of user and item, and the same three read from others'."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from glowplug.errors import BadInputFile, shown
from glowplug.training.arrays import Indices, Mask
from glowplug.training.dataset import Dataset
from glowplug.training.splits import published
from glowplug.training.tasks import Split, Task
from glowplug.training.whole import whole

PARTS = ("train", "valid", "test")
SUFFIXES = (".inter", ".tsv", ".csv", ".txt")
HEADER = "user_id:token\titem_id:token\n"
SEPARATOR = re.compile(r"[\t,; ]+")


def write_split(folder: Path, data: Dataset, split: Split) -> None:
    """train.inter, valid.inter and test.inter into `folder`, and support.inter where users are new: their first
    positives by time."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "train.inter", data, data.user[split.train], data.item[split.train])
    for name, tasks in (("valid", split.validation), ("test", split.test)):
        _write(folder / f"{name}.inter", data, *_asked(tasks[0]))
    if len(split.test) > 1:
        longest = split.test[-1]
        rows = np.repeat(longest.users, np.diff(longest.known.indptr))
        _write(folder / "support.inter", data, rows, longest.known.indices)


def read_split(folder: Path, data: Dataset) -> Split:
    """Three files named train, valid and test; of each line the first two words are user and item.

    Raises BadInputFile for a missing file, and for a pair that is no interaction of the data set.
    """
    users = {one: at for at, one in enumerate(data.users.ids)}
    items = {one: at for at, one in enumerate(data.items.ids)}
    place = {pair: at for at, pair in enumerate(zip(data.user.tolist(), data.item.tolist(), strict=True))}
    parts: dict[str, Mask] = {}
    for name in PARTS:
        path = next((path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()), None)
        if path is None:
            raise BadInputFile(
                f"{shown(str(folder))} has no file {name} ({', '.join(SUFFIXES)}): a published split is "
                "three files, train, valid and test, with a user and an item on each line"
            )
        parts[name] = np.zeros(len(data.user), bool)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            words = SEPARATOR.split(line.strip())
            if number == 1 and words[0].partition(":")[0].lower() in ("user_id", "user", "userid", "uid"):
                continue
            if len(words) < 2:
                continue
            at = place.get((users.get(words[0], -1), items.get(words[1], -1)))
            if at is None:
                raise BadInputFile(
                    f"{path.name} line {number}: {shown(line)} is no interaction of {data.name}: "
                    "give the atomic files that the split was made of"
                )
            parts[name][at] = True
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        if (parts[one] & parts[other]).any():
            raise BadInputFile(f"{shown(str(folder))}: {one} and {other} share interactions: a split is disjoint")
    return published(data, folder.name, parts)


def _asked(task: Task) -> tuple[Indices, Indices]:
    rows = np.repeat(task.users, np.diff(task.relevant.indptr))
    return rows, task.items[task.relevant.indices]


def _write(path: Path, data: Dataset, users: Indices, items: Indices) -> None:
    with whole(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(HEADER)
        for user, item in zip(users, items, strict=True):
            stream.write(f"{data.users.ids[user]}\t{data.items.ids[item]}\n")
