"""The same items in other words: what changes, what stays, and how much of a list that leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glowplug.settings import DomainSettings
from glowplug.training.arrays import Wide
from glowplug.training.consistency import Consistency, shared
from glowplug.training.dataset import Dataset, Side, read_folder
from glowplug.training.fields import Field
from glowplug.training.models import Model
from glowplug.training.rewording import (
    cut,
    lines_mixed,
    mistyped,
    mixed,
    relabelled,
    reworded,
    reworded_features,
)
from glowplug.training.splits import cold_item
from glowplug.training.tasks import Task
from tests.support.features import read
from tests.support.shelf import write_shelf


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def film(**values: object) -> Side:
    kinds = {"title": "title", "plot": "text", "year": "number", "genres": "list"}
    return Side(("f1",), tuple(Field(name, kinds[name], (value,)) for name, value in values.items()))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_folder(write_shelf(tmp_path_factory.mktemp("shelf")), DomainSettings())


def test_a_typing_mistake_swaps_neighbours_and_loses_no_letter() -> None:
    text = "A quiet harbour in the north"
    found = mistyped(text, rng())
    assert found != text
    assert sorted(found) == sorted(text)
    assert mistyped("1984", rng()) == "1984"


def test_texts_without_spaces_get_typing_mistakes_too() -> None:
    assert sorted(mistyped("川味记二十四味", rng())) == sorted("川味记二十四味")
    assert mistyped("川味记二十四味", rng()) != "川味记二十四味"


def test_sentences_and_lines_change_places_and_the_title_stays_first() -> None:
    text = "One. Two! Three? Four."
    assert sorted(mixed(text, rng()).split(" ")) == sorted(text.split(" "))
    assert lines_mixed("title\na: 1\nb: 2\nc: 3", rng()).split("\n")[0] == "title"


def test_half_of_a_text_goes_at_the_end_of_a_word() -> None:
    assert cut("one two three four five six", rng()) == "one two three"
    assert cut("二十四味的川菜", rng()) == "二十四味"


def test_labels_become_others_and_values_stay() -> None:
    assert relabelled("Heat: a film\nyear: 1995", rng()) == "Heat = a film\nYear = 1995"
    assert relabelled("at 10:30", rng()) == "at 10:30"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.text(max_size=80), st.integers(0, 20))
def test_a_reworded_item_says_something_and_keeps_its_facts(title: str, plot: str, seed: int) -> None:
    side = film(title=title, plot=plot, year=1995.0, genres=("crime", "drama"))
    changed, (text,) = reworded(side, np.array([0]), seed)
    assert text.strip()
    assert [field.values for field in changed.fields[2:]] == [field.values for field in side.fields[2:]]
    assert reworded(side, np.array([0]), seed) == (changed, [text])


def test_a_change_that_finds_nothing_to_change_gives_way_to_the_next() -> None:
    side = film(title="Heat")
    for seed in range(8):
        _, (text,) = reworded(side, np.array([0]), seed)
        assert text != "Heat"
        assert sorted(text) == sorted("Heat")  # one word has no order, no second half and no labels


def test_only_the_named_items_read_otherwise(shelf: Dataset) -> None:
    before = read(shelf)
    items = np.arange(30)
    after = reworded_features(shelf, before, items, seed=0)
    others = np.setdiff1d(np.arange(len(shelf.items)), items)
    assert after.vectors[others].tolist() == before.vectors[others].tolist()
    assert (after.words[others] != before.words[others]).nnz == 0
    assert (after.vectors[items] != before.vectors[items]).any()
    assert after.of_words[0].values is after.vectors
    assert [one.name for one in after.of_items] == [one.name for one in before.of_items]


def test_overlap_counts_what_both_lists_hold() -> None:
    assert shared(np.array([[1, 2, 3, 4], [1, 2, 3, 4]]), np.array([[4, 3, 9, 8], [1, 2, 3, 4]])).tolist() == [
        0.5,
        1,
    ]


def test_a_model_that_reads_no_text_has_no_overlap_and_one_that_ignores_wording_keeps_its_lists(
    shelf: Dataset,
) -> None:
    (task,) = cold_item(shelf, 0).test
    question = Consistency.of(shelf, read(shelf), task, 0)
    scores = np.random.default_rng(0).random((len(shelf.users), len(shelf.items)))

    def fixed(asked: Task, rows: slice) -> Wide:
        return scores[asked.users[rows]][:, asked.items]

    assert question.overlap(Model("deaf", fixed), 3) is None
    same = question.overlap(Model("calm", fixed, lambda _: fixed), 3)
    assert same is not None
    assert same.tolist() == [1.0] * len(question.task.users)
    other = question.overlap(Model("fickle", fixed, lambda _: lambda asked, rows: -fixed(asked, rows)), 3)
    assert other is not None
    assert other.mean() < 0.5
