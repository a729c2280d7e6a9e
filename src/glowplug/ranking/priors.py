"""What holds for all users, by epoch: items' popularity and freshness, and the frame of the catalogue.

An epoch is a record in the log, so every reader has the same.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from glowplug.events import Epoch, ItemPrior
from glowplug.ranking.frame import FEWEST, Frame, unpacked
from glowplug.settings import RankingSettings

DAY_S = 86_400.0
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
FRESHNESS_STEPS = 14  # of one freshness_days: each step lowers freshness by 7%
TOLERANCE = 0.01  # a smaller change of popularity moves no list, and is not worth a record


@dataclass(frozen=True, slots=True)
class Table:
    """The priors of one epoch. popularity: in [0, 1], by item; absent: 0. interactions, items: counted by then."""

    epoch: int = 0
    as_of: datetime = BEGINNING
    interactions: float = 0.0
    items: int = 0
    popularity: dict[str, float] = field(default_factory=dict)  # never changed once the epoch is in force
    frame: Frame | None = None


class Priors:
    """The epoch in force, the one before it while lists move over, and those read but not yet in force."""

    def __init__(self, settings: RankingSettings) -> None:
        self._settings = settings
        self._staged: dict[str, float] = {}  # by records of an epoch whose own record has not been read yet
        self._waiting: deque[Table] = deque()
        self.current = Table()
        self.previous: Table | None = None

    @property
    def in_force(self) -> tuple[int, ...]:
        return (self.current.epoch,) if self.previous is None else (self.previous.epoch, self.current.epoch)

    @property
    def newest(self) -> Table:
        """The latest epoch read, whether or not lists can move to it yet."""
        return self._waiting[-1] if self._waiting else self.current

    def of(self, item_id: str, listed_at: datetime, epoch: int) -> tuple[float, float]:
        """Popularity and freshness exp(-age / freshness_days), 1 for what was listed after the epoch."""
        table = self.previous if self.previous is not None and self.previous.epoch == epoch else self.current
        age_s = (table.as_of - listed_at).total_seconds()
        fresh = math.exp(-max(0.0, age_s) / (self._settings.freshness_days * DAY_S))
        return table.popularity.get(item_id, 0.0), fresh

    def read(self, record: ItemPrior | Epoch) -> None:
        """Fold a record; those of one epoch come in order, its own record last."""
        if isinstance(record, ItemPrior):
            self._staged[record.item_id] = record.popularity
        elif record.epoch > self.newest.epoch:
            popularity = {**self.newest.popularity, **self._staged}
            frame = unpacked(record.encoder, record.centre, record.axes)
            self._waiting.append(
                Table(record.epoch, record.as_of, record.interactions, record.items, popularity, frame)
            )
            self._staged = {}

    @property
    def can_advance(self) -> bool:
        """A newer epoch was read, and no list is left in the one before the current."""
        return bool(self._waiting) and self.previous is None

    def advance(self) -> int:
        """Put the next epoch in force beside the current one, and return it."""
        self.previous, self.current = self.current, self._waiting.popleft()
        if self.previous.epoch % 2 == self.current.epoch % 2:
            # Compaction removed the epoch between them: both want the same columns, so every list moves at once.
            self.previous = None
        return self.current.epoch

    def skip(self) -> None:
        """Go to the newest epoch at once: right only where no list exists yet."""
        self.previous, self.current = None, self.newest
        self._waiting.clear()

    def settle(self) -> None:
        """Every list has moved: the earlier epoch is no longer needed."""
        self.previous = None


def popularity(count: float, settings: RankingSettings) -> float:
    """log(1 + count) / log(1 + full), at most 1: the hundredth click says less than the first."""
    return min(1.0, math.log1p(count) / math.log1p(settings.popularity_full))


def decayed(count: float, since: datetime, until: datetime, settings: RankingSettings) -> float:
    """`count` as of `since`, halved for every popularity_days up to `until`; unchanged if that lies before."""
    days = max(0.0, (until - since).total_seconds()) / DAY_S
    return float(count * 2.0 ** (-days / settings.popularity_days))


def is_due(read: Table, interactions: float, items: int, watermark: datetime, settings: RankingSettings) -> bool:
    """Whether a new epoch would show: interactions or items grew enough, or enough time passed for freshness."""
    grown = interactions - read.interactions
    if grown >= settings.epoch_minimum and grown >= settings.epoch_growth * read.interactions:
        return True
    if items - read.items >= max(FEWEST, settings.epoch_growth * read.items):
        return True
    return (watermark - read.as_of).total_seconds() >= settings.freshness_days * DAY_S / FRESHNESS_STEPS
