"""The popularity of the day, as the recommender's priors would have it at a moment of the data."""

from __future__ import annotations

import numpy as np

from glowplug.ranking.priors import DAY_S
from glowplug.settings import RankingSettings
from glowplug.training.arrays import Wide
from glowplug.training.dataset import Dataset


class Popularity:
    """By the formulas of ranking.priors, of one moment after the other. A yes counts 1 and the rest nothing, where
    the recommender counts each action by its weight; and there is no epoch to wait for."""

    def __init__(self, data: Dataset, ranking: RankingSettings) -> None:
        self._data, self._full = data, np.log1p(ranking.popularity_full)
        self._half_life_s = ranking.popularity_days * DAY_S
        self._counts = np.zeros(len(data.items))
        self._read, self._now = 0, float(data.time[0])

    def until(self, row: int) -> Wide:
        """float64 (items,), in [0, 1]: at the time of `row`, after all before it; rows come in ascending order."""
        return self.at(float(self._data.time[row]), row)

    def last(self) -> Wide:
        """After all of them."""
        return self.at(float(self._data.time[-1]), len(self._data.time))

    def at(self, now: float, row: int) -> Wide:
        """Likewise, at the time `now` in seconds."""
        self._counts *= self._fading(now - self._now)
        new = self._read + np.flatnonzero(self._data.positive[self._read : row])
        np.add.at(self._counts, self._data.item[new], self._fading(now - self._data.time[new]))
        self._read, self._now = row, now
        found: Wide = np.minimum(1.0, np.log1p(self._counts) / self._full)
        return found

    def _fading(self, seconds: Wide | float) -> Wide:
        found: Wide = np.exp2(-np.asarray(seconds) / self._half_life_s)
        return found
