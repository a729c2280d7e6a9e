"""Recall by the age of items: bands, ages, and what a hand count says."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from glowplug.training.ages import DAY, HOUR, Ages, bands, recall_by_band
from glowplug.training.dataset import Dataset, Side
from glowplug.training.ranked import rank
from glowplug.training.tasks import Task


def test_bands_are_spans_that_people_name_and_none_is_nearly_empty() -> None:
    found = bands(np.array([0.0] * 10 + [2 * DAY] * 10 + [200 * DAY] * 10))
    assert found.labels == ("up to 1 hour", "1 hour to 1 week", "over 1 week")
    few = bands(np.array([0.0] * 100 + [10 * DAY]))
    assert len(few.labels) == 1


def test_what_training_did_not_meet_is_a_band_of_its_own() -> None:
    cuts = bands(np.array([0.0] * 10 + [2 * DAY] * 10))
    assert cuts.of(np.array([0.0, 2 * DAY, 0.0]), np.array([True, True, False])).tolist() == [1, 2, 0]


def test_the_age_is_from_the_items_first_interaction_to_the_like() -> None:
    data = Dataset(
        name="x",
        users=Side(("a", "b"), ()),
        items=Side(("i", "j"), ()),
        user=np.array([0, 1, 1]),
        item=np.array([0, 1, 0]),
        positive=np.ones(3, bool),
        time=np.array([100.0, 150.0, 100.0 + HOUR]),
        threshold=None,
    )
    relevant = sparse.csr_array(np.array([[1.0, 1.0]], dtype=np.float32))
    nothing = sparse.csr_array((1, 2), dtype=np.float32)
    task = Task("x", np.array([1]), np.array([0, 1]), nothing, nothing, relevant)
    rows, columns, ages = Ages(data).asked(task)
    assert (rows.tolist(), columns.tolist(), ages.tolist()) == ([0, 0], [0, 1], [HOUR, 0.0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_bands_together_are_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    relevant = rng.random((6, 20)) < 0.3
    relevant[:, 0] = True
    csr = sparse.csr_array(relevant.astype(np.float32))
    nothing = sparse.csr_array(relevant.shape, dtype=np.float32)
    scores = rng.random(relevant.shape)
    task = Task("x", np.arange(6), np.arange(20), nothing, nothing, csr)
    ranked = rank(task, lambda _, rows: scores[rows], 5)
    asked = csr.tocoo()
    band = rng.integers(3, size=len(asked.row))
    parts = recall_by_band(ranked, asked.row, asked.col, band, 3)
    right = 0.0
    for one, recall in enumerate(parts):
        count = np.bincount(asked.row[band == one], minlength=6)
        assert len(recall) == (count > 0).sum()
        right += float((recall * count[count > 0]).sum())
    assert right == pytest.approx((ranked.values["recall"] * relevant.sum(axis=1)).sum())
