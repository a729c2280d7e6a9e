"""What every Index promises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowplug.index.items import FaissIndex, Index, item_hash
from glowplug.index.retrieve import top_k
from glowplug.vectors import Half
from tests.support.plain_index import PlainIndex

DIM = 6
MAKERS: list[Callable[[int], Index]] = [FaissIndex, PlainIndex]


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def index(request: pytest.FixtureRequest) -> Index:
    made: Index = request.param(DIM)
    return made


def vector(seed: int) -> Half:
    return np.random.default_rng(seed).uniform(-1, 1, DIM).astype(np.float16)


def test_an_item_is_found_at_once_after_it_was_put_in(index: Index) -> None:
    index.upsert("a", vector(1))
    index.upsert("b", -vector(1))
    assert top_k(index, vector(1), 1)[0].item_id == "a"


def test_a_replaced_vector_is_searched_instead_of_the_old_one(index: Index) -> None:
    index.upsert("a", vector(1))
    index.upsert("b", np.zeros(DIM, np.float16))
    index.upsert("a", -vector(1))
    assert [hit.item_id for hit in top_k(index, vector(1), 2)] == ["b", "a"]


def test_a_removed_item_is_never_found_again_and_the_others_still_are(index: Index) -> None:
    for name in "abcd":
        index.upsert(name, vector(ord(name)))
    index.remove("b")
    index.remove("b")
    assert len(index) == 3
    assert "b" not in index
    assert {hit.item_id for hit in top_k(index, vector(ord("b")), 4)} == {"a", "c", "d"}
    for name in "acd":
        row = index.row_of(name)
        assert row is not None
        assert np.array_equal(index.rows([row])[0], vector(ord(name)))


def test_columns_are_written_for_all_rows_at_once(index: Index) -> None:
    for name in "abc":
        index.upsert(name, vector(ord(name)))
    values = np.array([[0.125, 0.25], [0.5, 1], [-1, 0]], np.float16)
    index.write_columns(slice(2, 4), values)
    assert np.array_equal(index.rows([0, 1, 2])[:, 2:4], values)
    assert np.array_equal(index.rows([1])[0, :2], vector(ord("b"))[:2])


def test_an_empty_index_answers_with_an_empty_list(index: Index) -> None:
    assert top_k(index, vector(1), 5) == ()
    index.upsert("a", vector(1))
    index.remove("a")
    assert top_k(index, vector(1), 5) == ()


def test_seen_and_blocked_items_make_room_for_the_next_best(index: Index) -> None:
    for step, name in enumerate("abcde"):
        index.upsert(name, np.full(DIM, 1 - step / 10, np.float16))
    found = top_k(index, np.ones(DIM, np.float16), 2, seen={item_hash("a")}, blocked={"c"}, excluded=2)
    assert [hit.item_id for hit in found] == ["b", "d"]


def test_equal_scores_are_ordered_by_the_bytes_of_the_id(index: Index) -> None:
    for name in ("b", "ä", "a", "B", "中"):
        index.upsert(name, np.ones(DIM, np.float16))
    found = [hit.item_id for hit in top_k(index, np.ones(DIM, np.float16), 5)]
    assert found == sorted(("b", "ä", "a", "B", "中"), key=str.encode)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.none() | st.integers(0, 5)),
        max_size=40,
    ),
    st.integers(1, 8),
)
def test_after_any_upserts_and_removes_faiss_agrees_with_the_plain_index(
    operations: list[tuple[str, int | None]], k: int
) -> None:
    faiss_index, plain = FaissIndex(DIM), PlainIndex(DIM)
    for name, seed in operations:
        for index in (faiss_index, plain):
            if seed is None:
                index.remove(name)
            else:
                index.upsert(name, vector(seed))
    assert top_k(faiss_index, vector(99), k) == top_k(plain, vector(99), k)
