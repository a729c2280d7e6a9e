"""Exact means exact: no order of summation, no shape of the product changes a bit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glowplug.index.exact import exact_scores, nomination_error
from glowplug.index.shard import Shard, pair_scores
from glowplug.vectors import Half


def unit_rows(rng: np.random.Generator, n: int, dim: int) -> Half:
    rows = rng.standard_normal((n, dim))
    halves: Half = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    return halves


@given(st.integers(0, 10_000))
def test_scores_are_the_same_bits_alone_and_in_a_matrix_and_equal_rational_arithmetic(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, items = unit_rows(rng, 4, 388), unit_rows(rng, 5, 388)
    together = exact_scores(users, items)
    for u, user in enumerate(users):
        for i, item in enumerate(items):
            true = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(user, item, strict=True))
            assert Fraction(float(together[u, i])) == true
            assert exact_scores(user[None], item[None])[0, 0] == together[u, i]
            assert pair_scores(user[None], item[None])[0] == together[u, i]


@given(st.integers(0, 10_000))
def test_float32_scores_stay_within_the_stated_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, items = unit_rows(rng, 8, 388), unit_rows(rng, 8, 388)
    singles = users.astype(np.float32) @ items.astype(np.float32).T
    assert np.abs(singles - exact_scores(users, items)).max() <= nomination_error(388, 1.01)


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_an_audience_is_the_best_users_of_its_partition_and_of_no_other(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    users, item = unit_rows(rng, 10, 8), unit_rows(rng, 1, 8)[0]
    shard = Shard(8)
    for at, vector in enumerate(users):
        shard.put(f"u{at}", at % 2, vector, floor=0.0)
    shard.remove("u4")
    scores = exact_scores(users, item[None])[:, 0]
    expected = sorted((-scores[at], f"u{at}") for at in (0, 2, 6, 8))
    assert shard.audience(item, 0, n) == [(user_id, -score) for score, user_id in expected[:n]]
    assert shard.users_in(0) == 4


def test_a_user_exactly_at_the_floor_is_reported_so_that_ids_can_decide() -> None:
    shard = Shard(2)
    shard.put("at", 0, np.array([1, 0], np.float16), floor=0.5)
    shard.put("above", 0, np.array([1, 0], np.float16), floor=np.nextafter(0.5, 1))
    entries = shard.entering(np.array([[0.5, 0]], np.float16))
    assert [(entry.user_id, entry.score) for entry in entries] == [("at", 0.5)]
