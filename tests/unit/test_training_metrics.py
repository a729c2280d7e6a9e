"""Metrics against trec_eval, and lists, intervals and gaps against what can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from glowplug.training.arrays import Wide
from glowplug.training.fields import Field
from glowplug.training.intervals import interval
from glowplug.training.lists import gap, shape_of
from glowplug.training.metrics import best
from glowplug.training.ranked import Ranked, Scorer, rank
from glowplug.training.tasks import Task

TREC = {
    "recall": "recall_{k}",
    "ndcg": "ndcg_cut_{k}",
    "precision": "P_{k}",
    "hit": "success_{k}",
}


def task_of(relevant: np.ndarray, hidden: np.ndarray) -> Task:
    users, items = np.arange(len(relevant)), np.arange(relevant.shape[1])
    csr = sparse.csr_array
    known = csr(relevant.shape, dtype=np.float32)
    return Task("drawn", users, items, known, csr(hidden.astype(np.float32)), csr(relevant.astype(np.float32)))


def fixed(scores: list[list[float]]) -> Scorer:
    whole = np.array(scores)

    def scorer(_task: Task, rows: slice) -> Wide:
        return whole[rows]

    return scorer


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 5, 10]))
def test_values_are_those_of_trec_eval(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(8 * 30).reshape(8, 30).astype(np.float64)
    relevant = rng.random((8, 30)) < 0.2
    relevant[:, 0] = True
    hidden = (rng.random((8, 30)) < 0.2) & ~relevant
    found = rank(task_of(relevant, hidden), fixed(scores.tolist()), k)

    truth = {str(row): {str(item): 1 for item in np.flatnonzero(relevant[row])} for row in range(8)}
    run = {
        str(row): {str(item): float(scores[row, item]) for item in np.flatnonzero(~hidden[row])} for row in range(8)
    }
    names = {ours: theirs.format(k=k) for ours, theirs in TREC.items()}
    theirs = pytrec_eval.RelevanceEvaluator(truth, {*names.values(), "recip_rank"}).evaluate(run)
    for ours, name in names.items():
        assert found.values[ours] == pytest.approx([theirs[str(row)][name] for row in range(8)])
    # trec_eval looks past the cut-off for the first right answer; a list ends there.
    first = np.array([theirs[str(row)]["recip_rank"] for row in range(8)])
    assert found.values["mrr"] == pytest.approx(np.where(first >= 1 / k - 1e-9, first, 0.0))


def test_accuracy_counts_right_decisions_over_all_that_could_be_listed() -> None:
    relevant = np.array([[True, True, False, False, False]])
    hidden = np.array([[False, False, False, False, True]])
    found = rank(task_of(relevant, hidden), fixed([[4.0, 1, 3, 2, 9]]), 2)
    # Listed: 0 (right) and 2 (wrong). Not listed: 1 (wrong) and 3 (right). 4 is hidden.
    assert found.values["accuracy"].tolist() == [0.5]


def test_hidden_items_are_never_listed_where_others_are_left() -> None:
    hidden = np.array([[True, False, False]])
    found = rank(task_of(~hidden, hidden), fixed([[9.0, 1, 2]]), 2)
    assert found.listed.tolist() == [[2, 1]]


@given(st.lists(st.lists(st.integers(0, 3), min_size=7, max_size=7), min_size=1, max_size=5), st.integers(1, 9))
def test_ties_go_to_the_smaller_column(rows: list[list[int]], k: int) -> None:
    scores = np.array(rows, dtype=np.float32)
    expected = [[at for _, at in sorted((-score, at) for at, score in enumerate(row))][:k] for row in rows]
    assert best(scores, k).tolist() == expected


def test_blocks_of_users_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    scores, relevant = rng.random((9, 12)), np.eye(9, 12, dtype=bool)
    task = task_of(relevant, np.zeros_like(relevant))

    def ranked() -> Ranked:
        return rank(task, fixed(scores.tolist()), 4)

    whole = ranked()
    monkeypatch.setattr("glowplug.training.ranked.BLOCK_SCORES", 30)
    assert ranked().listed.tolist() == whole.listed.tolist()
    assert {name: value.tolist() for name, value in ranked().values.items()} == {
        name: value.tolist() for name, value in whole.values.items()
    }


def test_the_shape_of_lists_can_be_counted_by_hand() -> None:
    likes = np.array([7.0, 1, 0, 0], dtype=np.float32)
    shape = shape_of(np.array([[0], [0], [1]]), 4, likes)
    assert shape["coverage"] == 0.5
    assert shape["popularity_bias"] == pytest.approx((7 + 7 + 1) / 3 / 2)
    assert shape["novelty"] == pytest.approx(-(2 * np.log2(8 / 12) + np.log2(2 / 12)) / 3)


def test_a_gap_is_between_the_means_of_groups_that_are_large_enough() -> None:
    field = Field("city", "category", ("a",) * 10 + ("b",) * 10 + ("c",) * 2)
    values = np.r_[np.full(10, 0.5), np.full(10, 0.2), np.full(2, 0.9)]
    assert gap(values, np.arange(22), field) == pytest.approx(0.3)


def test_an_interval_holds_the_mean_and_narrows_with_more_users() -> None:
    rng = np.random.default_rng(0)
    few, many = interval([rng.random(50)], pooled=True), interval([rng.random(5_000)], pooled=True)
    assert few.low < few.mean < few.high
    # The standard error of a uniform mean is .2887 / sqrt(n), and the interval 2 x 1.96 of it wide.
    assert many.high - many.low == pytest.approx(3.92 * 0.2887 / np.sqrt(5_000), rel=0.15)


def test_draws_that_differ_widen_the_interval_and_folds_do_not() -> None:
    rng = np.random.default_rng(0)
    draws = [level + rng.normal(0, 0.01, 400) for level in (0.1, 0.3, 0.5)]
    apart = interval(draws, pooled=False)
    same = interval([np.concatenate(draws)], pooled=True)
    assert apart.high - apart.low > 3 * (same.high - same.low)
    assert interval(draws, pooled=True).mean == pytest.approx(same.mean)
