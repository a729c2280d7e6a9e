"""What a head was worth, user by user, and whether another one is worth more than chance explains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow
from pyarrow import parquet

from glowplug.errors import BadInputFile, shown
from glowplug.training.arrays import Wide
from glowplug.training.artifact import MISSHAPEN
from glowplug.training.intervals import Interval, over_parts
from glowplug.training.learned import OURS
from glowplug.training.train import FIGURES, PER_USER

METRIC = "ndcg"
# What stands in for lists without a head: the better of the two in each part, though lists mix both.
WITHOUT = ("popularity", "raw embedding")
PARTS = ("cold items", "cold users")  # tasks begin so; those of one part are about the same users, and are averaged
Values = Mapping[tuple[str, int, str], float]  # by task, seed and user


@dataclass(frozen=True, slots=True)
class Standing:
    """A trained head's card, and NDCG of each user by model. until: of the latest interaction that it learned from,
    in seconds; None where the data has no times."""

    folder: Path
    fingerprint: str
    encoder: str
    data: str
    until: float | None
    split: Mapping[str, Any]
    values: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Verdict:
    """gain: of NDCG@k over `other`, mean of the parts. parts: of each. is_gain: it lies above 0 with all its
    interval, and no part lies below with all of its."""

    head: str
    other: str
    k: int
    users: int
    gain: Interval
    parts: Mapping[str, Interval]

    @property
    def losing(self) -> str:
        return next((name for name, part in self.parts.items() if part.high < 0), "")

    @property
    def is_gain(self) -> bool:
        return self.gain.low > 0 and not self.losing

    def told(self) -> str:
        """In one sentence."""
        parts = ", ".join(f"{name} {_told(part)}" for name, part in self.parts.items())
        return (
            f"NDCG@{self.k} of {self.head} over {self.other}: {_told(self.gain)} "
            f"(95% over {self.users:,} users; {parts})"
        )


def read_standing(folder: Path) -> Standing:
    """Raises BadInputFile."""
    try:
        card = orjson.loads((folder / FIGURES).read_bytes())
        table = parquet.read_table(folder / PER_USER, columns=["task", "model", "seed", "user", METRIC])
        values: defaultdict[str, dict[tuple[str, int, str], float]] = defaultdict(dict)
        for row in table.to_pylist():
            values[row["model"]][row["task"], row["seed"], row["user"]] = row[METRIC]
        data = card["data"]
        return Standing(
            folder, card["head"], card["encoder"], data["sha256"], data.get("until"), card["split"], values
        )
    except (OSError, orjson.JSONDecodeError, pyarrow.ArrowException, *MISSHAPEN) as error:
        raise BadInputFile(
            f"{shown(str(folder))} does not tell what its head is worth ({error}): train it with `glowplug train`"
        ) from error


def over_nothing(new: Standing) -> Verdict:
    """Against lists without a head."""
    best: dict[tuple[str, int, str], float] = {}
    named = []
    for part in PARTS:
        rivals = {name: _of_part(new.values.get(name, {}), part) for name in WITHOUT}
        name = max(rivals, key=lambda one: float(np.mean(list(rivals[one].values()) or [0.0])))
        best |= rivals[name]
        named.append(name)
    return _verdict(new, best, " and ".join(dict.fromkeys(named)))


def over(new: Standing, serving: Standing) -> Verdict:
    """Against another head that was judged on the same draws of the same data. Raises BadInputFile."""
    if (new.data, new.split) != (serving.data, serving.split):
        raise BadInputFile(
            f"{new.fingerprint} and {serving.fingerprint}, which serves, were judged on different data or splits: "
            "give data that is later than both with --on FOLDER, or train both on the same"
        )
    return _verdict(new, serving.values.get(OURS, {}), serving.fingerprint)


def compared(head: str, other: str, k: int, ours: Mapping[str, Values], theirs: Mapping[str, Values]) -> Verdict:
    """By part, values of the same users."""
    differences: dict[str, Wide] = {}
    users: set[str] = set()
    for part, found in ours.items():
        keys = sorted(found.keys() & theirs[part].keys())
        by_user: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
        for task, seed, user in keys:
            by_user[seed, user].append(found[task, seed, user] - theirs[part][task, seed, user])
        if by_user:
            differences[part] = np.array([float(np.mean(one)) for one in by_user.values()])
            users |= {user for _, user in by_user}
    if not differences:
        raise BadInputFile(f"{head} and {other} have no users in common that they were judged by: train them anew")
    parts = {name: over_parts([values]) for name, values in differences.items()}
    return Verdict(head, other, k, len(users), over_parts(list(differences.values())), parts)


def _verdict(new: Standing, theirs: Values, other: str) -> Verdict:
    ours = new.values.get(OURS, {})
    return compared(
        new.fingerprint,
        other,
        int(new.split["k"]),
        {part: _of_part(ours, part) for part in PARTS},
        {part: _of_part(theirs, part) for part in PARTS},
    )


def _of_part(values: Values, part: str) -> Values:
    return {key: value for key, value in values.items() if key[0].startswith(part)}


def _told(found: Interval) -> str:
    return f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
