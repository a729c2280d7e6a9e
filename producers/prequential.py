"""Test-then-train over a stream: was what the user likes next on the list that they had? Pure, times passed in.

Dawid's prequential evaluation: every event is first a test of what was published, then something to learn from.
https://doi.org/10.2307/2981683; for recommenders https://doi.org/10.1145/2645710.2645737.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import quantiles

import numpy as np

from glowplug.ratio import ratio
from producers.timeline import Moment

# How much was known of the user: cold, nearly cold, warm, and more than a list's worth.
KNOWN = ((0, "0"), (1, "1 to 4"), (5, "5 to 19"), (20, "20 and more"))
DAY_S = 86_400.0
MOST_HALVINGS = 500.0  # float64 ends at 2 to the 1,023rd
BASELINES = ("popularity", "recent_popularity")  # of all time, and decayed as the recommender's own


class Popularity:
    """The list of the most liked so far, without what its reader has met; ties go to the smaller id by bytes."""

    def __init__(self, item_ids: Iterable[str], half_life_days: float | None = None) -> None:
        """item_ids: every item that the stream will ever list. half_life_days: of a like; None: none fades."""
        ordered = sorted(set(item_ids), key=str.encode)
        self._row = {item_id: row for row, item_id in enumerate(ordered)}
        self._half_life_s = None if half_life_days is None else half_life_days * DAY_S
        self._since: datetime | None = None
        self._likes = np.zeros(len(ordered), np.float64)
        self._listed = np.zeros(len(ordered), np.bool_)
        self._rows = np.arange(len(ordered))

    def offer(self, item_id: str, *, is_gone: bool = False) -> None:
        self._listed[self._row[item_id]] = not is_gone

    def add(self, item_id: str, at: datetime) -> None:
        """One like. Of an item that the stream never lists: nothing."""
        if item_id in self._row:
            self._likes[self._row[item_id]] += self._weight(at)

    def _weight(self, at: datetime) -> float:
        """Later likes grow where earlier ones should fade: the order is the same, and no count is touched."""
        if self._half_life_s is None:
            return 1.0
        self._since = self._since or at
        halvings = (at - self._since).total_seconds() / self._half_life_s
        if halvings > MOST_HALVINGS:
            self._likes *= 2.0**-halvings
            self._since, halvings = at, 0.0
        return float(2.0**halvings)

    def holds(self, item_id: str, met: Collection[str], k: int) -> bool:
        """Whether the item is among the k of a user who has met the items `met`, and this one not."""
        row = self._row.get(item_id)
        if row is None or not self._listed[row]:
            return False
        likes = self._likes[row]
        ahead = self._listed & ((self._likes > likes) | ((self._likes == likes) & (self._rows < row)))
        hidden = sum(1 for other in met if other in self._row and ahead[self._row[other]])
        return int(np.count_nonzero(ahead)) - hidden < k


@dataclass(slots=True)
class Score:
    """Of `tests` likes, how many were on the published list, and how many on each baseline's."""

    tests: int = 0
    hits: int = 0
    others: Counter[str] = field(default_factory=Counter)

    def add(self, hit: bool, others: Mapping[str, bool]) -> None:
        self.tests += 1
        self.hits += hit
        self.others.update({name: int(held) for name, held in others.items()})

    def figures(self) -> dict[str, float | int]:
        n = max(self.tests, 1)
        rates = {f"{name}_hit_rate": round(self.others[name] / n, 4) for name in BASELINES}
        return {"tests": self.tests, "hit_rate": round(self.hits / n, 4), **rates}


@dataclass(slots=True)
class Account:
    """What was published, what was tested, and what is still awaited.

    baselines: by the names in BASELINES.
    k:       the first k of a list count.
    stale:   tests of a list made before the user's last event, because the one after it had not arrived yet.
    repeats: likes of items that the user had met; no list can hold those, so they test nothing.
    absent:  likes of users who had no list at all: they are tests, and missed.
    delays:  seconds from sending a user's event to the list that covers it.
    awaited: by user, their last event and when it was sent, until a list covers it.
    """

    baselines: Mapping[str, Popularity]
    k: int
    total: Score = field(default_factory=Score)
    by_known: dict[str, Score] = field(default_factory=lambda: {name: Score() for _, name in KNOWN})
    stale: int = 0
    repeats: int = 0
    absent: int = 0
    unanswered: int = 0
    delays: list[float] = field(default_factory=list)
    awaited: dict[str, tuple[str, float]] = field(default_factory=dict)
    _lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _met: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _users: set[str] = field(default_factory=set)
    _by_user: defaultdict[str, Score] = field(default_factory=lambda: defaultdict(Score))

    def test(self, moment: Moment) -> None:
        """Before it is sent."""
        if not moment.is_like:
            return
        user_id, met = moment.user_id, self._met[moment.user_id]
        if moment.item_id in met:
            self.repeats += 1
            return
        listed = self._lists.get(user_id)
        hit = listed is not None and moment.item_id in listed[: self.k]
        others = {name: baseline.holds(moment.item_id, met, self.k) for name, baseline in self.baselines.items()}
        self.stale += user_id in self.awaited
        self.absent += listed is None
        known = next(name for least, name in reversed(KNOWN) if len(met) >= least)
        for score in (self.total, self.by_known[known], self._by_user[user_id]):
            score.add(hit, others)

    def learn(self, moment: Moment, now: float) -> bool:
        """As it is sent. Whether a list is to be expected for it."""
        if moment.topic == "items":
            for baseline in self.baselines.values():
                baseline.offer(moment.item_id, is_gone=moment.is_gone)
            return False
        if moment.topic == "interactions":
            self._met[moment.user_id].add(moment.item_id)
            if moment.is_like:
                for baseline in self.baselines.values():
                    baseline.add(moment.item_id, moment.at)
        elif moment.is_gone:
            self._users.discard(moment.user_id)
            self._lists.pop(moment.user_id, None)
            self.awaited.pop(moment.user_id, None)
        else:
            self._users.add(moment.user_id)
        if moment.user_id not in self._users:
            return False  # gone, or never signed up: nobody publishes for them
        self.awaited[moment.user_id] = moment.event_id, now
        return True

    def hear(self, user_id: str, listed: Sequence[str], covers: Collection[str], now: float) -> bool:
        """A list has arrived. Whether it answers the user's last event."""
        self._lists[user_id] = tuple(listed)
        event_id, sent_at = self.awaited.get(user_id, ("", 0.0))
        if event_id not in covers:
            return False
        del self.awaited[user_id]
        self.delays.append(now - sent_at)
        return True

    def forget_delays(self) -> None:
        """Of an import: they say how long a queue was."""
        self.delays.clear()

    def figures(self) -> dict[str, object]:
        """Rates are shares of `tests`; delays are milliseconds; `margin_95` is the half-width of a 95% interval."""
        cuts = quantiles(self.delays, n=100, method="inclusive") if len(self.delays) > 1 else [0.0] * 99
        return {
            "k": self.k,
            **self.total.figures(),
            "lead_over": {name: self._lead(name) for name in BASELINES},
            "by_interactions_known": {name: score.figures() for name, score in self.by_known.items()},
            "stale_tests": self.stale,
            "tests_without_a_list": self.absent,
            "repeats_left_out": self.repeats,
            "unanswered": self.unanswered,
            "list_after_ms": {"p50": round(1e3 * cuts[49], 1), "p99": round(1e3 * cuts[98], 1)},
        }

    def lead_over(self, other: Account) -> dict[str, float]:
        """Over the lists of another replay of the same stream."""
        users = self._by_user.keys() & other._by_user.keys()
        return _lead(
            (self._by_user[user].tests, self._by_user[user].hits - other._by_user[user].hits) for user in users
        )

    def _lead(self, name: str) -> dict[str, float]:
        return _lead((one.tests, one.hits - one.others[name]) for one in self._by_user.values())


def _lead(users: Iterable[tuple[int, int]]) -> dict[str, float]:
    """users: of each, tests and by how many hits one is ahead."""
    found = np.array(list(users), np.int64).reshape(-1, 2)
    mean, margin = ratio(found[:, 0], found[:, 1].astype(np.float64))
    return {"mean": round(float(mean), 4), "margin_95": round(float(margin), 4)}
