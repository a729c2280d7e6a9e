"""No split lets a model see what it is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glowplug.errors import BadInputFile, BadSettings
from glowplug.settings import DomainSettings
from glowplug.training.dataset import Dataset, Side, read_folder
from glowplug.training.split_files import read_split, write_split
from glowplug.training.splits import PROTOCOLS, cold_item, cold_user, inner_cold_items, inner_cold_users, split
from glowplug.training.tasks import FIRST_TESTED, SUPPORTS, Split, Task, reduced
from tests.support.shelf import write_shelf


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    users, items = draw(st.integers(10, 40)), draw(st.integers(20, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    chosen = np.sort(rng.permutation(users * items)[: users * items // 2])
    time = np.sort(rng.integers(0, draw(st.sampled_from([5, 1_000])), len(chosen))).astype(np.float64)
    rng.shuffle(chosen)
    return Dataset(
        name="drawn",
        users=Side(tuple(f"u{at:02}" for at in range(users)), ()),
        items=Side(tuple(f"i{at:02}" for at in range(items)), ()),
        user=chosen // items,
        item=chosen % items,
        positive=rng.random(len(chosen)) < 0.7,
        time=time,
        threshold=None,
    )


def asked(task: Task) -> set[tuple[int, int]]:
    rows, columns = task.relevant.nonzero()
    return set(zip(task.users[rows].tolist(), task.items[columns].tolist(), strict=True))


def trained(data: Dataset, one: Split) -> set[tuple[int, int]]:
    return set(zip(data.user[one.train].tolist(), data.item[one.train].tolist(), strict=True))


def positives(data: Dataset) -> set[tuple[int, int]]:
    return set(zip(data.user[data.positive].tolist(), data.item[data.positive].tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(datasets(), st.sampled_from(PROTOCOLS), st.integers(0, 9))
def test_nothing_that_is_asked_trains_is_known_or_is_hidden(data: Dataset, protocol: str, seed: int) -> None:
    one = split(data, protocol, seed)
    seen = trained(data, one)
    for task in (*one.validation, *one.test):
        assert not asked(task) & seen
        assert asked(task) <= positives(data)
        assert task.relevant.multiply(task.hidden).nnz == 0
        assert task.relevant.multiply(task.known[:, task.items]).nnz == 0
        assert (np.diff(task.relevant.indptr) > 0).all()
    for one_task, other in zip(one.validation, one.test, strict=True):
        assert not asked(one_task) & asked(other)


@settings(max_examples=20, deadline=None)
@given(datasets(), st.integers(0, 9))
def test_no_cold_item_trains_and_all_cold_items_are_ranked(data: Dataset, seed: int) -> None:
    one = cold_item(data, seed)
    (task,), (validation,) = one.test, one.validation
    assert not set(task.items.tolist()) & set(data.item[one.train].tolist())
    assert len(task.items) == round(0.2 * len(data.items))
    assert task.items.tolist() == validation.items.tolist()
    cold = {pair for pair in positives(data) if pair[1] in set(task.items.tolist())}
    assert asked(task) | asked(validation) == cold


@settings(max_examples=20, deadline=None)
@given(datasets(), st.integers(0, 9))
def test_no_cold_user_trains_and_support_is_earlier_than_what_is_asked(data: Dataset, seed: int) -> None:
    one = cold_user(data, seed)
    place = {pair: at for at, pair in enumerate(zip(data.user.tolist(), data.item.tolist(), strict=True))}
    for k, task in zip(SUPPORTS, one.test, strict=True):
        assert not set(task.users.tolist()) & set(data.user[one.train].tolist())
        for row, user in enumerate(task.users.tolist()):
            known = [place[user, item] for item in task.known[[row]].indices.tolist()]
            right = [place[user, item] for item in task.items[task.relevant[[row]].indices].tolist()]
            assert len(known) == k <= FIRST_TESTED
            assert max(known, default=-1) < min(right)


@settings(max_examples=10, deadline=None)
@given(datasets())
def test_five_seeds_hold_every_user_out_once(data: Dataset) -> None:
    held = [set(range(len(data.users))) - set(data.user[cold_user(data, seed).train].tolist()) for seed in range(5)]
    tested = [set(cold_user(data, seed).test[0].users.tolist()) for seed in range(5)]
    assert sum(map(len, tested)) == len(set().union(*tested))
    assert set().union(*held) == set(range(len(data.users)))


@settings(max_examples=20, deadline=None)
@given(datasets())
def test_by_time_everything_asked_is_later_than_everything_trained(data: Dataset) -> None:
    one = split(data, "by-time", 0)
    place = {pair: at for at, pair in enumerate(zip(data.user.tolist(), data.item.tolist(), strict=True))}
    last = data.time[one.train].max(initial=-1)
    assert all(data.time[place[pair]] > last for task in one.test for pair in asked(task))


@settings(max_examples=15, deadline=None)
@given(datasets(), st.integers(0, 4))
def test_inner_validation_stays_within_the_training_part(data: Dataset, seed: int) -> None:
    outer = cold_item(data, seed)
    for train, task in inner_cold_items(data, outer, 2):
        assert not (train & ~outer.train).any()
        assert not set(data.item[train].tolist()) & set(task.items.tolist())
        assert asked(task) <= trained(data, outer)
    outer = cold_user(data, seed)
    for train, tasks in inner_cold_users(data, outer.train, seed, 3):
        assert not (train & ~outer.train).any()
        assert not set(data.user[train].tolist()) & set(tasks[0].users.tolist())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_seed_gives_the_same_split_every_time(protocol: str, tmp_path: Path) -> None:
    data = read_folder(write_shelf(tmp_path), DomainSettings())
    first, second = split(data, protocol, 3), split(data, protocol, 3)
    assert (first.train == second.train).all()
    assert [asked(task) for task in first.test] == [asked(task) for task in second.test]


def test_another_seed_gives_other_cold_items(tmp_path: Path) -> None:
    data = read_folder(write_shelf(tmp_path), DomainSettings())
    assert cold_item(data, 0).test[0].items.tolist() != cold_item(data, 1).test[0].items.tolist()


def test_a_split_that_was_written_is_read_back(tmp_path: Path) -> None:
    data = read_folder(write_shelf(tmp_path / "data"), DomainSettings())
    one = split(data, "cold-item", 1)
    write_split(tmp_path / "split", data, one)
    again = read_split(tmp_path / "split", data)
    assert (again.train == one.train).all()
    assert [asked(task) for task in (*again.validation, *again.test)] == [
        asked(task) for task in (*one.validation, *one.test)
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("valid.csv", "", "has no file test"),
        ("test.csv", "u0,b999\n", "test.csv line 1: u0,b999 is no interaction"),
    ],
)
def test_a_split_that_does_not_fit_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    data = read_folder(write_shelf(tmp_path / "data"), DomainSettings())
    for part in ("train.csv", "valid.csv", name):
        (tmp_path / part).write_text(text if part == name else "user,item\n", encoding="utf-8")
    with pytest.raises(BadInputFile, match=said):
        read_split(tmp_path, data)


def test_parts_that_share_an_interaction_are_refused(tmp_path: Path) -> None:
    data = read_folder(write_shelf(tmp_path / "data"), DomainSettings())
    pair = f"{data.users.ids[data.user[0]]} {data.items.ids[data.item[0]]}\n"
    for part, text in (("train", pair), ("valid", ""), ("test", pair)):
        (tmp_path / f"{part}.txt").write_text(text, encoding="utf-8")
    with pytest.raises(BadInputFile, match="train and test share"):
        read_split(tmp_path, data)


def test_an_unknown_protocol_is_refused(tmp_path: Path) -> None:
    data = read_folder(write_shelf(tmp_path), DomainSettings())
    with pytest.raises(BadSettings, match="cold-fish"):
        split(data, "cold-fish", 0)


def test_a_reduced_task_asks_a_part_of_the_same_questions(tmp_path: Path) -> None:
    data = read_folder(write_shelf(tmp_path), DomainSettings())
    (task,) = cold_item(data, 0).test
    part = reduced(task, users=20, items=10, seed=0)
    assert (len(part.users), len(part.items)) == (20, 10)
    assert asked(part) <= asked(task)
