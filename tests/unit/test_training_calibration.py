"""Where users turn out to be corrects where the fold puts them: by the line of least squares, and no further."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowplug.training.calibration import PSEUDO_USERS, Seen, calibrated, none, together
from glowplug.training.tasks import SUPPORTS

MANY = 4_000


def seen(users: int, *, shift: float = 0.0, slope: float = 1.0, noise: float = 0.0) -> Seen:
    """Two directions; of the first the later likes lie on a line, of the second where the fold says."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(users, 2))
    later = places + noise * rng.normal(size=places.shape)
    later[:, 0] = shift + slope * later[:, 0]
    return Seen(tuple(places for _ in SUPPORTS), later)


def test_a_place_becomes_what_the_line_says_and_other_directions_stay() -> None:
    found = calibrated(seen(MANY, shift=-2.0, slope=0.5), 3, trust=1.0)
    places = np.array([[1.0, 1.0, 1.0], [-4.0, 2.0, 3.0]])
    expected = np.array([[-1.5, 1.0, 1.0], [-4.0, 2.0, 3.0]])
    assert found.placed(places, [0, 3]) == pytest.approx(expected, abs=0.02)


def test_each_number_of_likes_has_its_own_line_and_the_last_is_for_all_above() -> None:
    later = seen(MANY).later
    apart = Seen(tuple(later - np.array([float(count), 0.0]) for count in SUPPORTS), later)
    found = calibrated(apart, 2, trust=1.0)
    at = found.placed(np.zeros((6, 2)), [0, 1, 2, 4, 5, 40])
    assert at[:, 0] == pytest.approx([0, 1, 2, 4, 5, 5], abs=0.05)


def test_trust_is_the_share_of_the_way_to_the_measured_slope() -> None:
    slopes = [calibrated(seen(MANY, slope=0.5), 2, trust).slope[2, 0] for trust in (0.0, 0.5, 1.0)]
    assert slopes == pytest.approx([1.0, 0.75, 0.5], abs=1e-6)


def test_few_users_move_the_others_little() -> None:
    shifts = [calibrated(seen(users, shift=1.0), 2, trust=0.0).shift[0, 0] for users in (1, 20, MANY)]
    assert shifts == pytest.approx([1 / (1 + PSEUDO_USERS), 0.5, 1.0], abs=0.01)


def test_what_is_luck_along_many_directions_moves_hardly_anybody() -> None:
    rng = np.random.default_rng(1)
    places = 0.1 * rng.normal(size=(400, 100))  # as of attributes that tell nothing
    later = 2.0 * rng.normal(size=places.shape)
    found = calibrated(Seen(tuple(places for _ in SUPPORTS), later), 100, trust=1.0)
    by_line = [np.polyfit(places[:, at], later[:, at], 1) for at in range(100)]
    luck = np.linalg.norm([line[1] for line in by_line])
    assert np.linalg.norm(found.shift[0]) < luck / 2
    assert found.slope[0].std() < np.std([line[0] for line in by_line]) / 2


def test_attributes_alone_are_believed_as_far_as_the_line_says_whatever_is_trusted() -> None:
    assert calibrated(seen(MANY, slope=0.5), 2, trust=0.0).slope[0, 0] == pytest.approx(0.5, abs=1e-6)


def test_a_direction_along_which_nobody_differs_keeps_its_slope() -> None:
    users = np.zeros((50, 1))
    found = calibrated(Seen(tuple(users for _ in SUPPORTS), users + 1), 1, trust=1.0)
    assert (found.slope == 1).all()
    assert np.isfinite(found.shift).all()


def test_parts_together_are_as_one() -> None:
    whole = seen(60, shift=1.0, noise=0.3)
    halves = [
        Seen(tuple(places[at] for places in whole.places), whole.later[at]) for at in (slice(25), slice(25, 60))
    ]
    one, other = calibrated(whole, 2, 0.5), calibrated(together(halves), 2, 0.5)
    assert one.shift.tolist() == other.shift.tolist()
    assert one.slope.tolist() == other.slope.tolist()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5), st.integers(0, 60))
def test_without_anything_seen_every_place_stays(place: list[float], likes: int) -> None:
    assert none(len(place)).placed(np.array([place]), [likes]).tolist() == [place]
