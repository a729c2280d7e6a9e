"""A head of a made-up data set, and the data set's events as the consumers' input, all with the fake encoder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from consumers.item_embedder import ItemEmbedder
from consumers.user_embedder import UserEmbedder
from glowplug.data.ml100k import convert
from glowplug.heads.folder import Pointer, keep, read_pointer, step, write_pointer
from glowplug.settings import DomainSettings, Settings, load
from glowplug.training.arrays import Mask
from glowplug.training.artifact import write_artifact
from glowplug.training.dataset import Dataset, read_folder
from glowplug.training.features import Features, features
from glowplug.training.fitting import fitted
from glowplug.training.learned import NEW_USERS, learned
from glowplug.training.ranked import Ranked, rank
from glowplug.training.splits import split
from glowplug.training.tasks import Split, Task
from glowplug.training.trending import Trending
from glowplug.training.tuning import Choice, Problem
from tests.support.drive import Driver
from tests.support.shelf import write_shelf

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def fake_encoder(folder: Path, **ranking: Any) -> Settings:
    return load(encoder={"model": "fake", "cache_dir": folder / "cache"}, ranking=ranking)


class Shelf:
    """The shelf, read as training reads it and as events."""

    def __init__(self, folder: Path, **sizes: int) -> None:
        self.folder = folder
        source = write_shelf(folder / "shelf", **sizes)
        self.data: Dataset = read_folder(source, DomainSettings())
        self.read: Features = features(self.data, fake_encoder(folder).encoder, lambda _: None)
        converted = convert(source, folder / "events")
        self.items, self.users, self.interactions = (_by_key(path) for path in converted.files)

    def judged(self, protocol: str, k: int, seed: int = 0) -> Judged:
        return Judged(self, split(self.data, protocol, seed), k)

    def head(
        self, name: str, rows: Mask, of_items: Choice, of_users: Choice, day: Trending | None = None
    ) -> tuple[Path, str]:
        """The folder of a head fitted on these interactions, and its fingerprint. day: beside it, by default
        nothing."""
        place = self.folder / name
        found = fitted(self.data, rows, self.read, of_items, of_users)
        return place, write_artifact(place, replace(found, trending=day or Trending()))

    def plain_head(
        self, name: str = "plain", rows: Mask | None = None, day: Trending | None = None, **of_items: float
    ) -> tuple[Path, str]:
        """Of everything, or of `rows`, with the hyperparameters that a search starts from, or these."""
        starts = starting_points(self)
        everything = np.ones(len(self.data.user), bool)
        return self.head(name, everything if rows is None else rows, {**starts[0], **of_items}, starts[1], day)


@cache
def starting_points(shelf: Shelf) -> tuple[Choice, Choice]:
    """Of items and of users; the profile beside the items' factors, so that it is tested as well."""
    found: dict[str, Choice] = {}

    def take(name: str, problem: Problem) -> Choice:
        found[f"{protocol}, {name}"] = problem.start
        return problem.start

    for protocol in ("cold-item", "cold-user"):
        list(learned(shelf.data, split(shelf.data, protocol, 0), shelf.read, 5, take))
    return {**found["cold-item, learned"], "profile": 1.0}, found["cold-user, learned"]


class Judged:
    """What the evaluation says of one split, by its own code."""

    def __init__(self, shelf: Shelf, one: Split, k: int) -> None:
        of_items, of_users = starting_points(shelf)
        self.choices = of_items, of_users
        self.split = one

        def choose(name: str, _problem: Problem) -> Choice:
            return of_users if name == NEW_USERS or one.protocol == "cold-user" else of_items

        self._scorer = list(learned(shelf.data, one, shelf.read, k, choose))[-1].scorer
        self._shelf, self._k = shelf, k

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.split.test

    @property
    def trained(self) -> Mask:
        """What the judged model was fitted on: validation users train too, once they have chosen."""
        if self.split.protocol != "cold-user":
            return self.split.train
        return self.split.train | np.isin(self._shelf.data.user, self.split.validation[0].users)

    def lists(self, task: Task) -> dict[str, list[str]]:
        """By user, the ids that the evaluation lists, best first, without what must not be ranked."""
        data, ranked = self._shelf.data, rank(task, self._scorer, self._k)
        found: dict[str, list[str]] = {}
        for row, user in enumerate(task.users):
            hidden = set(task.hidden[[row]].indices)
            found[data.users.ids[user]] = [
                data.items.ids[task.items[at]] for at in _listed(ranked, row) if at not in hidden
            ]
        return found

    def blocked(self, task: Task) -> dict[str, list[str]]:
        """By user, what must not be ranked for them."""
        data = self._shelf.data
        return {
            data.users.ids[user]: [data.items.ids[task.items[at]] for at in task.hidden[[row]].indices]
            for row, user in enumerate(task.users)
        }


def promote(heads: Path, head: Path | None, fingerprint: str | None) -> None:
    """Without asking whether it gains."""
    if head is not None and fingerprint is not None:
        keep(heads, head, fingerprint)
    before: Pointer = read_pointer(heads)
    write_pointer(heads, before.then(step("promote", fingerprint, NOON)))


# ---- events to what the recommender reads ------------------------------------------------------------------


def item_vectors(shelf: Shelf, only: Iterable[str] | None = None, **changed: Any) -> dict[str, dict[str, Any]]:
    """item-vectors by id, as the item embedder makes them. only: of these the others are not available."""
    shown = None if only is None else set(only)
    events = {
        key: {**event, "available": shown is None or key in shown, **changed} for key, event in shelf.items.items()
    }
    return _embedded(ItemEmbedder(fake_encoder(shelf.folder), _encoder(shelf)), "items", "item_vectors", events)


def user_vectors(
    shelf: Shelf, users: Iterable[str], blocked: Mapping[str, Sequence[str]] | None = None
) -> dict[str, dict[str, Any]]:
    events = {key: {**shelf.users[key], "blocked_items": list((blocked or {}).get(key, ()))} for key in users}
    return _embedded(UserEmbedder(fake_encoder(shelf.folder), _encoder(shelf)), "users", "user_vectors", events)


def interactions(shelf: Shelf, rows: Mask) -> list[dict[str, Any]]:
    """The events of these interactions, in order of time."""
    data = shelf.data
    wanted = {
        (data.users.ids[user], data.items.ids[item])
        for user, item in zip(data.user[rows], data.item[rows], strict=True)
    }
    return [event for event in shelf.interactions.values() if (event["user_id"], event["item_id"]) in wanted]


def _embedded(
    embedder: ItemEmbedder | UserEmbedder, reads: str, writes: str, events: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    driver = Driver(embedder)
    driver.feed(*(driver.record(reads, key, event) for key, event in events.items()))
    assert not driver.dead
    return driver.latest(writes)


def _encoder(shelf: Shelf) -> Any:
    from glowplug.inference.encoder import load as load_encoder

    return load_encoder(fake_encoder(shelf.folder).encoder)


def _by_key(path: Path) -> dict[str, dict[str, Any]]:
    """Events by item, by user, or by themselves."""
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    is_deed = any(event["type"] == "interaction" for event in events)
    return {
        event["event_id"] if is_deed else event.get("item_id", event.get("user_id", "")): event for event in events
    }


def _listed(ranked: Ranked, row: int) -> list[int]:
    return [int(at) for at in ranked.listed[row]]
