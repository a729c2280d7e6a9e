"""What held-out training users teach of the fold: how far a user's place lies from where they turn out to be.

The likes that a fold knows are the first of a user and all of them likes, no random sample of what the user met. So
it takes everybody for somebody who likes a great deal, and some directions for surer than they are. Both show on
users of the training part that were left out when it was fitted: by the number of likes known and by direction, a
line of least squares leads from the place of the fold to that of the likes that came later (Wolpert 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glowplug.training.arrays import Wide
from glowplug.training.tasks import FIRST_TESTED, SUPPORTS

COUNTS = range(FIRST_TESTED + 1)  # likes known, those between two of SUPPORTS as between their lines
PSEUDO_USERS = 20.0  # who are where the fold puts them, so that a few users do not move everybody
# A direction in which held-out users lie off the fold by less than chance alone moves them, squared and times this,
# is not corrected (positive-part James-Stein); at 1 a third of what is luck would be, at 2 a sixth.
SURE_OF = 2.0
LEAST_ERROR = 1e-12  # so that nothing is divided by zero


@dataclass(frozen=True, slots=True)
class Calibration:
    """shift, slope: float64 (counts of likes, e). A place z after so many likes becomes shift + slope z."""

    shift: Wide
    slope: Wide

    def placed(self, places: Wide, likes: Sequence[int] | Wide) -> Wide:
        """float64 (users, e). likes: how many are folded in, of each user."""
        at = np.minimum(np.asarray(likes, np.int64), len(self.shift) - 1)
        found: Wide = self.shift[at] + self.slope[at] * places
        return found


def none(width: int) -> Calibration:
    """Leaves every place where it is."""
    return Calibration(np.zeros((len(COUNTS), width)), np.ones((len(COUNTS), width)))


@dataclass(frozen=True, slots=True)
class Seen:
    """Users who were left out: float64 (users, d) each, where the fold puts them after each of SUPPORTS, and where
    their later likes lie."""

    places: tuple[Wide, ...]
    later: Wide


def together(parts: Sequence[Seen]) -> Seen:
    by_count = zip(*(part.places for part in parts), strict=True)
    return Seen(tuple(map(np.vstack, by_count)), np.vstack([part.later for part in parts]))


def calibrated(seen: Seen, width: int, trust: float) -> Calibration:
    """width: columns of a place; those past what was seen stay as they are. trust: after some likes, the share of
    the way from slope 1 to that of the line, for what is liked first is chosen to be found first. What attributes
    say alone is believed as far as the line says."""
    users, measured = seen.later.shape
    shifts, slopes = np.zeros((len(SUPPORTS), width)), np.ones((len(SUPPORTS), width))
    mean = seen.later.mean(axis=0)
    later = seen.later - mean
    for at, places in enumerate(seen.places):
        centre = places.mean(axis=0)
        around = places - centre
        spread = (around**2).sum(axis=0)
        is_spread = spread > 0
        by = np.where(is_spread, spread, 1)
        steep = (around * later).sum(axis=0) / by
        errors = ((later - steep * around) ** 2).sum(axis=0) / max(users - 2, 1) / by
        steep[is_spread] = _shrunk(steep[is_spread], np.maximum(errors[is_spread], LEAST_ERROR))
        slope = np.where(is_spread, 1 + (trust if SUPPORTS[at] else 1.0) * (steep - 1), 1.0)
        off = mean - centre
        luck = (later - around).var(axis=0) / users
        sure = np.maximum(0, 1 - SURE_OF * luck / np.maximum(off**2, LEAST_ERROR)) * users / (users + PSEUDO_USERS)
        slopes[at, :measured] = slope
        shifts[at, :measured] = centre + sure * off - slope * centre
    return Calibration(_between(shifts), _between(slopes))


def _shrunk(values: Wide, errors: Wide) -> Wide:
    """Each towards the mean of all as far as its squared error exceeds their own spread: random effects
    (DerSimonian & Laird 1986, Controlled Clinical Trials 7:177). Where few users tell of many directions, most
    slopes are luck."""
    if len(values) < 2:
        return values
    weights = 1 / errors
    total = weights.sum()
    mean = (weights * values).sum() / total
    excess = (weights * (values - mean) ** 2).sum() - (len(values) - 1)
    own = max(0.0, excess / max(total - (weights**2).sum() / total, LEAST_ERROR))
    found: Wide = (values * own + mean * errors) / (own + errors)
    return found


def _between(rows: Wide) -> Wide:
    """float64 (counts, e) from (supports, e)."""
    after = np.searchsorted(SUPPORTS, COUNTS)
    before = np.maximum(after - 1, 0)
    known = np.array(SUPPORTS, np.float64)
    share = np.where(
        after > before, (np.array(COUNTS) - known[before]) / np.maximum(known[after] - known[before], 1), 0
    )
    found: Wide = rows[before] + share[:, None] * (rows[after] - rows[before])
    return found
