"""A folder of RecBole atomic files as arrays: who liked what, when, and what is known of items and users."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sparse

from glowplug.data.atomic import AtomicFile, Row, open_atomic
from glowplug.data.conversion import Conversion
from glowplug.errors import BadInputFile, shown
from glowplug.settings import DomainSettings
from glowplug.training.arrays import Floats, Indices, Mask, Sparse, Wide
from glowplug.training.fields import Declared, Field, as_attributes, as_events, typed

# A rating is a yes from here on, as a share of the scale found: four stars of five, eight points of ten.
POSITIVE_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Side:
    """ids: in byte order, so that a tie by position is a tie by id. fields: one value an id each."""

    ids: tuple[str, ...]
    fields: tuple[Field, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Users and items with at least one interaction, and the last interaction of each pair, in order of time.

    user, item: int64 (n,), positions in the sides. positive: bool (n,). time: float64 (n,), seconds, or the
    place in the file where no time is known (`is_timed` is False). threshold: the least rating that is a yes; None:
    all are.
    """

    name: str
    users: Side
    items: Side
    user: Indices
    item: Indices
    positive: Mask
    time: Wide
    threshold: float | None
    is_timed: bool = True
    again: Mask | None = None  # bool (n,), whether the file has the pair earlier, too; None: no pair
    least_value: float | None = None  # the threshold as a share of the scale, as ratings have it in events
    domain: DomainSettings = field(default_factory=DomainSettings)  # whose template makes texts of items

    def matrix(self, rows: Mask, weak: float = 0.0) -> Sparse:
        """float32 csr (users, items) of the interactions in `rows` (bool (n,)): 1 for a yes, else `weak`."""
        keep = rows & (self.positive if weak == 0 else np.ones_like(rows))
        values: Floats = np.where(self.positive[keep], 1.0, weak).astype(np.float32)
        shape = (len(self.users), len(self.items))
        return sparse.csr_array((values, (self.user[keep], self.item[keep])), shape=shape)


def read_folder(folder: Path, domain: DomainSettings, threshold: float | None = None) -> Dataset:
    """One *.inter, at most one *.item and one *.user. Raises BadInputFile."""
    how = Conversion(name=folder.name)
    inter = open_atomic(_only(folder, ".inter"))
    users, items, value, time, is_timed = _interactions(inter, how)
    user_ids, user = np.unique(users, return_inverse=True)
    item_ids, item = np.unique(items, return_inverse=True)
    if np.isnan(value).all():
        threshold, positive = None, np.ones(len(value), dtype=bool)
        least_value = None
    else:
        worst, best = float(np.nanmin(value)), float(np.nanmax(value))
        if threshold is None:
            threshold = worst + POSITIVE_SHARE * (best - worst)
        positive = value >= threshold
        least_value = (threshold - worst) / (best - worst) if best > worst else 0.0
    keep, again = _last_of_each_pair(user, item, time, len(item_ids))
    item_types = {name: one.type for name, one in domain.item_attributes.items()}
    user_types = {name: one.type for name, one in domain.user_attributes.items()}
    return Dataset(
        name=inter.path.stem,
        users=_side(folder, ".user", how.user_id, tuple(map(str, user_ids)), user_types),
        items=_side(folder, ".item", how.item_id, tuple(map(str, item_ids)), item_types),
        user=user[keep].astype(np.int64),
        item=item[keep].astype(np.int64),
        positive=positive[keep],
        time=time[keep],
        threshold=threshold,
        is_timed=is_timed,
        again=again,
        least_value=least_value,
        domain=domain,
    )


def _interactions(file: AtomicFile, how: Conversion) -> tuple[list[str], list[str], Wide, Wide, bool]:
    """Row by row; ids are interned, so that a million rows hold each id once."""
    users: list[str] = []
    items: list[str] = []
    value, time = array("d"), array("d")
    known: dict[str, str] = {}
    is_timed = False
    rating = next((column.name for column in file.columns if column.name in (how.rating, "label")), how.rating)
    for number, row in file.rows():
        for name, ids in ((how.user_id, users), (how.item_id, items)):
            found = row.get(name)
            if not isinstance(found, str):
                raise BadInputFile(
                    f"{file.path.name} line {number} has no {name}: each row names one user and item"
                )
            ids.append(known.setdefault(found, found))
        score, at = row.get(rating), row.get(how.timestamp)
        value.append(score if isinstance(score, float) else np.nan)
        time.append(at if isinstance(at, float) else float(number))
        is_timed |= isinstance(at, float)
    if not users:
        raise BadInputFile(f"{file.path.name} holds no interactions: there is nothing to learn from")
    return users, items, np.array(value), np.array(time), is_timed


def _last_of_each_pair(user: Indices, item: Indices, time: Wide, width: int) -> tuple[Indices, Mask]:
    """Positions in order of time, ties in the file's order; of a repeated pair only the latest. And which are of
    one."""
    order = np.argsort(time, kind="stable")
    pair = (user.astype(np.int64) * width + item)[order]
    _, last, times = np.unique(pair[::-1], return_index=True, return_counts=True)
    by_time = np.argsort(-last)
    return order[len(pair) - 1 - last[by_time]], times[by_time] > 1


def _side(folder: Path, suffix: str, key: str, ids: tuple[str, ...], declared: Declared) -> Side:
    if not any(folder.glob(f"*{suffix}")):
        return Side(ids, ())
    file = open_atomic(_only(folder, suffix))
    place = {one: at for at, one in enumerate(ids)}
    rows: list[Row | None] = [None] * len(ids)
    raw = frozenset(column.name for column in file.columns if column.type.endswith("_seq"))
    for _, row in file.rows(whole=raw):
        at = place.get(str(row.get(key, "")))
        if at is not None:
            rows[at] = row
    fields = typed(file, rows, key, declared)
    return Side(ids, as_events(fields) if suffix == ".item" else as_attributes(fields))


def _only(folder: Path, suffix: str) -> Path:
    found = sorted(folder.glob(f"*{suffix}"))
    if len(found) != 1:
        raise BadInputFile(
            f"{shown(str(folder))} holds {len(found)} files named *{suffix} and must hold one: "
            "name a folder of RecBole atomic files"
        )
    return found[0]
