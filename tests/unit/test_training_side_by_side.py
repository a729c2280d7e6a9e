"""Independent pieces of work beside each other, each on one core."""

from __future__ import annotations

import threading

import pytest
import torch
from threadpoolctl import threadpool_info

from glowplug.training.side_by_side import one_thread_each, side_by_side

DEADLINE_S = 10.0


def blas_threads() -> set[int]:
    """NumPy's and SciPy's; that of FAISS counts by thread, and nothing here computes with it."""
    return {pool["num_threads"] for pool in threadpool_info() if "scipy" in pool.get("filepath", "")}


def test_what_comes_of_it_is_in_order_whatever_ends_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glowplug.training.side_by_side._cores", lambda: 2)
    second_is_done = threading.Event()

    def work(task: int) -> int:
        if task == 0:
            assert second_is_done.wait(DEADLINE_S), "both are under way at once"
        else:
            second_is_done.set()
        return task * 10

    assert list(side_by_side(work, [0, 1])) == [0, 10]


def test_linear_algebra_takes_one_thread_meanwhile_and_as_many_as_before_afterwards() -> None:
    before = blas_threads(), torch.get_num_threads()
    with one_thread_each():
        inside = list(side_by_side(lambda _: (blas_threads(), torch.get_num_threads()), range(3)))
    assert inside == [({1}, 1)] * 3
    assert (blas_threads(), torch.get_num_threads()) == before


def test_a_failure_is_raised_and_what_has_not_begun_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glowplug.training.side_by_side._cores", lambda: 1)
    begun: list[int] = []
    never = threading.Event()

    def work(task: int) -> None:
        begun.append(task)
        if task == 0:
            raise ValueError(task)
        never.wait(0.01)  # so that all of them would take ten seconds

    with pytest.raises(ValueError, match="0"):
        list(side_by_side(work, range(1_000)))
    assert len(begun) < 1_000
