"""Baselines and learned blocks: closed forms against slow formulas, and lists against plainly structured data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from glowplug.inference.encoder import Kind, Vectors
from glowplug.inference.fake import FakeEncoder
from glowplug.settings import DomainSettings
from glowplug.training import behaviour, fold_in, item_block, item_search, splits, user_fit, user_search
from glowplug.training import learned as learned_module
from glowplug.training.arrays import Floats, Sparse
from glowplug.training.baselines import baselines
from glowplug.training.channels import attribute_channels, word_channels
from glowplug.training.dataset import Dataset, Side, read_folder
from glowplug.training.factors import Behaviour
from glowplug.training.fields import Field
from glowplug.training.ranked import rank
from glowplug.training.splits import cold_item, cold_user, split
from glowplug.training.tasks import Split, Task
from glowplug.training.texts import encoded, item_texts
from glowplug.training.tuning import Choice, Problem, remembered, solved
from glowplug.training.vectors import scorer, served
from tests.support.features import read
from tests.support.shelf import write_shelf

ALL = np.arange(6)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_folder(write_shelf(tmp_path_factory.mktemp("shelf")), DomainSettings())


def matrix(rows: list[list[float]]) -> sparse.csr_array:
    return sparse.csr_array(np.array(rows, dtype=np.float32))


def texts_of(data: Dataset) -> Floats:
    return FakeEncoder(dim=16).encode(item_texts(data.items), "item")


def mean_ndcg(data: Dataset, one: Split, task: Task) -> dict[str, float]:
    return {
        model.name: float(rank(task, model.scorer, 10).values["ndcg"].mean())
        for model in baselines(data, one, read(data), 10)
    }


# ---- behaviour --------------------------------------------------------------------------------------------


def test_ease_is_the_ridge_regression_of_each_item_on_the_others() -> None:
    rng = np.random.default_rng(0)
    likes = (rng.random((40, 6)) < 0.4).astype(np.float32)
    ridge = 2.0 * float((likes**2).sum(axis=0).mean())
    found = behaviour.ease(sparse.csr_array(likes), 2.0)
    for item in range(6):
        others = np.delete(likes, item, axis=1)
        slow = np.linalg.solve(others.T @ others + ridge * np.eye(5), others.T @ likes[:, item])
        assert np.delete(found[:, item], item) == pytest.approx(slow, abs=1e-5)
    assert not found.diagonal().any()


def test_neighbours_are_shrunk_cosines() -> None:
    found = behaviour.neighbours(matrix([[1, 1, 0], [1, 1, 0], [1, 0, 1]]), shrink=1.0).toarray()
    a_b, a_c = 2 / (np.sqrt(3 * 2) + 1), 1 / (np.sqrt(3 * 1) + 1)
    assert found == pytest.approx(np.array([[0, a_b, a_c], [a_b, 0, 0], [a_c, 0, 0]]))


def test_factors_multiply_to_the_smoothed_matrix(shelf: Dataset) -> None:
    train = np.ones(len(shelf.user), bool)
    found = Behaviour(shelf, train).factors(0.5, 10.0, 2.0)
    likes = shelf.matrix(train, weak=0.5)
    whole = likes.toarray() + 2 * (likes @ behaviour.ease(likes, 10.0))
    assert found.users @ found.items.T == pytest.approx(whole, abs=1e-3)


# ---- channels ---------------------------------------------------------------------------------------------


def distances(field: Field) -> dict[str, np.ndarray]:
    side = Side(tuple(str(at) for at in range(len(field.values))), (field,))
    rows = np.arange(len(side))
    return {channel.name: channel.distance(rows, rows) for channel in attribute_channels(side)}


def test_numbers_are_apart_by_standard_deviations_and_a_missing_one_is_the_median() -> None:
    found = distances(Field("year", "number", (1990.0, 2000.0, 2010.0, None)))
    spread = np.std([1990, 2000, 2010])
    assert found["year"][0] == pytest.approx(np.array([0, 10, 20, 10]) / spread, rel=1e-4)


def test_categories_are_the_same_or_not() -> None:
    found = distances(Field("brand", "category", ("a", "b", "a", "b")))
    assert found["brand"][0].tolist() == [0, 1, 0, 1]


def test_a_name_that_nobody_shares_is_no_channel() -> None:
    assert distances(Field("code", "category", ("a", "b", "c"))) == {}


def test_rare_entries_bring_lists_closer_than_common_ones() -> None:
    lists = (("common", "rare"), ("rare", "x"), ("common", "y"), ("common", "z"))
    found = distances(Field("tags", "list", lists))["tags"]
    assert found[0, 1] < found[0, 2] < 1
    assert found[1, 2] == pytest.approx(1)
    assert found.diagonal() == pytest.approx(0, abs=1e-6)


def test_the_first_entries_count_more_where_lists_are_long() -> None:
    lists = (("star", "b", "c"), ("star", "e", "f"), ("g", "h", "c"))
    found = distances(Field("cast", "list", lists))["cast (first)"]
    assert found[0, 1] < found[0, 2]


def test_how_much_is_said_of_an_item_is_a_channel() -> None:
    found = distances(Field("plot", "text", ("x" * 100, "x" * 100, None)))
    assert found["plot (size)"][0].tolist() == [0, 0, found["plot (size)"][0, 2]]
    assert found["plot (size)"][0, 2] > 1


# ---- the learned blocks -----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_served_vectors_keep_every_order_and_fit_their_bounds(seed: int, large: float, small: float) -> None:
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=(5, 8)) * large, rng.normal(size=(20, 8)) * small
    found = served(users.astype(np.float32), items.astype(np.float32))
    for side in (found.users, found.items):
        assert side.dtype == np.float16
        assert np.linalg.norm(side.astype(np.float64), axis=1).max() < 1.001
    exact = users @ items.T
    rounded = found.users.astype(np.float64) @ found.items.astype(np.float64).T
    for row in range(5):
        assert np.corrcoef(exact[row], rounded[row])[0, 1] > 0.9999


def test_items_that_nobody_met_land_where_their_attributes_say(shelf: Dataset) -> None:
    one = cold_item(shelf, 0)
    past = Behaviour(shelf, one.train)
    channels = attribute_channels(shelf.items)
    choice, _ = solved(item_search.problem([(past, one.validation[0])], channels, texts_of(shelf), 10))
    factors, head = item_block.fitted(past, channels, choice)
    (task,) = one.test
    ours = rank(task, scorer(item_block.block(factors)), 10).values["ndcg"].mean()
    simple = mean_ndcg(shelf, one, task)
    assert ours > 2 * simple["random"]
    assert ours > simple["popularity"]
    assert head.project(task.items, channels) == pytest.approx(factors.items[task.items], abs=1e-5)


@pytest.mark.parametrize("profile", [0.0, 1.0])
def test_a_choice_is_worth_in_the_search_what_the_fitted_block_reaches(shelf: Dataset, profile: float) -> None:
    one = cold_item(shelf, 0)
    past, vectors, channels = Behaviour(shelf, one.train), texts_of(shelf), attribute_channels(shelf.items)
    problem = item_search.problem([(past, one.validation[0])], channels, vectors, 10)
    first = problem.value(problem.start)
    choice = {**problem.start, "profile": profile, channels[0].name: 0.8, "rank": 64.0}
    worth = problem.value(choice)
    factors, _ = item_block.fitted(past, channels, choice)
    whole = item_block.with_profile(factors, past, vectors, choice)
    found = rank(one.validation[0], scorer(item_block.block(whole)), 10).values
    assert worth == pytest.approx(found["recall"].mean() + found["ndcg"].mean(), abs=0.01)
    assert problem.value(problem.start) == first  # whatever was tried between


def test_a_choice_for_new_users_is_worth_in_the_search_what_the_model_reaches(shelf: Dataset) -> None:
    one, channels, vectors = cold_user(shelf, 0), attribute_channels(shelf.users), texts_of(shelf)
    problem = user_search.problem(shelf, [(one.train, one.validation)], vectors, channels, 10)
    choice = {**problem.start, "content": 0.3, "trust": 1.0}
    model = user_fit.fitted(shelf, one.train, vectors, channels, choice)
    found = [rank(task, fold_in.fold_in(model, channels), 10).values for task in one.validation]
    reached = np.mean([one["recall"].mean() + one["ndcg"].mean() for one in found])
    assert problem.value(choice) == pytest.approx(reached, abs=0.01)


def test_factors_that_were_forgotten_are_computed_alike(shelf: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    past = Behaviour(shelf, np.ones(len(shelf.user), bool))
    first = past.factors(0.5, 10.0, 2.0)
    monkeypatch.setattr("glowplug.training.factors.KEPT_BYTES", 1)
    past.factors(0.5, 10.0, 4.0)
    again = past.factors(0.5, 10.0, 2.0)
    assert again is not first
    assert again.users @ again.items.T == pytest.approx(first.users @ first.items.T, abs=1e-3)


def test_on_many_items_factors_start_from_those_of_another_smoothing(
    shelf: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glowplug.training.factors.DENSE_ITEMS", 10)
    train = np.ones(len(shelf.user), bool)
    past = Behaviour(shelf, train)
    past.factors(0.5, 10.0, 1.0)
    found = past.factors(0.5, 10.0, 2.0)
    likes = shelf.matrix(train, weak=0.5)
    whole = likes.toarray() + 2 * (likes @ behaviour.neighbours(likes, keep=50)).toarray()
    assert found.users @ found.items.T == pytest.approx(whole, abs=1e-2)


def test_the_profile_is_the_ridge_regression_of_smoothed_behaviour_on_the_text(shelf: Dataset) -> None:
    one = cold_item(shelf, 0)
    past, vectors = Behaviour(shelf, one.train), texts_of(shelf)
    choice = item_search.START | {"profile": 1.0, "profile ridge": 0.5, "weak": 0.0}
    factors = item_block.targets(past, choice)
    found = item_block.with_profile(factors, past, vectors, choice)
    rank_of = factors.users.shape[1]

    likes = shelf.matrix(one.train)
    met = np.unique(shelf.item[one.train])
    smooth = likes[:, met].toarray()
    smooth += choice["smoothing"] * (smooth @ behaviour.ease(likes[:, met], choice["ease"]))
    texts = vectors[met].astype(np.float64)
    gram = texts.T @ texts
    slow = smooth @ texts @ np.linalg.inv(gram + 0.5 * gram.diagonal().mean() * np.eye(16))
    part = found.users[:, rank_of:]
    assert part / np.linalg.norm(part) == pytest.approx(slow / np.linalg.norm(slow), abs=1e-4)
    assert (likes @ found.inputs)[:, rank_of:] == pytest.approx(part, abs=1e-3)
    assert found.items[:, rank_of:].tolist() == vectors.tolist()


def test_landmarks_among_all_items_come_close_to_the_exact_solution(
    shelf: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = cold_item(shelf, 0)
    past, channels = Behaviour(shelf, one.train), attribute_channels(shelf.items)
    choice = item_search.START | {channel.name: 0.3 for channel in channels} | {"ridge": 1.0}
    exact, _ = item_block.fitted(past, channels, choice)
    monkeypatch.setattr(item_block, "LANDMARKS", 50)
    some, head = item_block.fitted(past, channels, choice)
    assert len(head.landmarks) == 50
    cold = one.test[0].items
    assert np.corrcoef(exact.items[cold].ravel(), some.items[cold].ravel())[0, 1] > 0.95


def all_liked(likes: Sparse) -> Dataset:
    user, item = likes.tocoo().coords
    users, items = (Side(tuple(f"{at:03}" for at in range(size)), ()) for size in likes.shape)
    count = len(user)
    return Dataset("", users, items, user, item, np.ones(count, bool), np.arange(count, dtype=np.float64), None)


def test_the_posterior_is_that_of_the_covariance_formula() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.random((60, 12)) < 0.3
    likes = sparse.csr_array(drawn[drawn.any(axis=1)].astype(np.float32))
    choice = user_search.START | {"rank": 12.0, "noise": 0.5}
    data = all_liked(likes)
    model = user_fit.fitted(data, np.ones(len(data.user), bool), np.zeros((12, 4), np.float32), (), choice)
    rates = likes.toarray().mean(axis=0)
    covariance = np.cov(likes.toarray(), rowvar=False, bias=True)
    support = np.array([2, 7])
    known = matrix([[1.0 if item in support else 0.0 for item in range(12)]])
    prior = np.zeros((1, model.directions.shape[1]))
    score = model.popularity + model.posterior(prior, known)[0] @ model.directions.T

    noise = 0.5 * np.trace(covariance) / 12
    inner = covariance[np.ix_(support, support)] + noise * np.eye(2)
    slow = rates + covariance[:, support] @ np.linalg.solve(inner, 1 - rates[support])
    assert score == pytest.approx(slow, abs=2e-3)


def test_on_a_large_set_some_users_are_left_out_once(shelf: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    channels, vectors = attribute_channels(shelf.users), np.zeros((len(shelf.items), 4), np.float32)
    choice = user_search.START | {channel.name: 0.3 for channel in channels}
    everything = np.ones(len(shelf.user), bool)
    usual = user_fit.fitted(shelf, everything, vectors, channels, choice)
    monkeypatch.setattr(splits, "SMALL", 10)
    some = user_fit.fitted(shelf, everything, vectors, channels, choice)
    assert some.directions.tolist() == usual.directions.tolist()
    assert some.calibration.shift.any()
    assert some.calibration.shift.tolist() != usual.calibration.shift.tolist()


def test_for_hardly_anybody_nothing_is_chosen(tmp_path: Path) -> None:
    data = read_folder(write_shelf(tmp_path / "shelf", likes=7), DomainSettings())
    one = cold_item(data, 0)
    features = read(data)
    for share in (0.0, 2.0):
        asked: list[str] = []

        def choose(name: str, problem: Problem, asked: list[str] = asked) -> Choice:
            asked.append(name)
            return problem.start

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(learned_module, "WORTH_CHOOSING", share)
            models = list(learned_module.learned(data, one, features, 5, choose))
        assert (learned_module.NEW_USERS in asked) == (share == 0.0)
        assert rank(one.test[0], models[-1].scorer, 5).listed.size


def test_of_many_cold_items_one_set_is_enough_to_choose_by(shelf: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    split = cold_item(shelf, 0)
    few = learned_module.item_cases(shelf, split, Behaviour(shelf, split.train))
    assert len(few) == 1 + learned_module.INNER_ITEM_SETS
    monkeypatch.setattr(learned_module, "ENOUGH_COLD", len(split.validation[0].items))
    assert len(learned_module.item_cases(shelf, split, Behaviour(shelf, split.train))) == 1


@pytest.mark.parametrize("tells", ["all", "age", "gender"])
def test_a_new_user_is_placed_by_attributes_and_then_by_what_they_like(shelf: Dataset, tells: str) -> None:
    one = cold_user(shelf, 0)
    channels = [channel for channel in attribute_channels(shelf.users) if tells in ("all", channel.source)]
    vectors = np.zeros((len(shelf.items), 4), np.float32)
    choice, _ = solved(user_search.problem(shelf, [(one.train, one.validation)], vectors, channels, 10))
    model = user_fit.fitted(shelf, one.train, vectors, channels, choice)
    ours = {task.name: rank(task, fold_in.fold_in(model, channels), 10).values["ndcg"].mean() for task in one.test}
    popular = {task.name: mean_ndcg(shelf, one, task)["popularity"] for task in one.test}
    if tells != "gender":  # age goes with what they read
        assert all(ours[name] > popular[name] for name in ours)
    else:  # it does not: likes have to say it
        assert ours["cold users, k=0"] == pytest.approx(popular["cold users, k=0"], abs=0.05)
        assert ours["cold users, k=5"] > ours["cold users, k=0"] + 0.1


def test_popularity_in_a_group_beats_popularity_where_groups_differ(shelf: Dataset) -> None:
    one = cold_user(shelf, 0)
    found = mean_ndcg(shelf, one, one.test[0])
    assert found["popularity in group"] > found["popularity"] > found["random"]


def test_all_baselines_are_there_and_none_needs_a_profile(shelf: Dataset) -> None:
    one = cold_user(shelf, 0)
    found = mean_ndcg(shelf, one, one.test[0])
    assert list(found) == [
        "random",
        "popularity",
        "popularity in group",
        "TF-IDF profile",
        "raw embedding",
        "itemKNN",
        "EASE",
    ]
    for name in ("TF-IDF profile", "raw embedding", "itemKNN", "EASE"):
        assert found[name] == pytest.approx(found["popularity"], abs=1e-9)


def test_neighbours_beat_popularity_on_items_that_users_met(shelf: Dataset) -> None:
    one = split(shelf, "warm", 0)
    found = mean_ndcg(shelf, one, one.test[0])
    assert min(found["itemKNN"], found["EASE"]) > found["popularity"]


# ---- texts and tuning -------------------------------------------------------------------------------------


def test_texts_are_encoded_once_whatever_the_data_set(tmp_path: Path) -> None:
    class Counting(FakeEncoder):
        def encode(self, texts: Sequence[str], kind: Kind) -> Vectors:
            asked.extend(texts)
            return super().encode(texts, kind)

    asked: list[str] = []
    encoder = Counting(dim=8)
    first = encoded(["one", "two", "one"], encoder, tmp_path, lambda _: None)
    again = encoded(["two", "three"], encoder, tmp_path, lambda _: None)
    assert asked == ["one", "two", "three"]
    assert first[0].tolist() == first[2].tolist()
    assert again[0].tolist() == first[1].tolist()


def test_words_and_vectors_are_channels_of_cosine_distance() -> None:
    vectors = FakeEncoder(dim=8).encode(["red", "blue", "red"], "item")
    (embedding, words), _ = word_channels(["red", "blue", "red"], vectors)
    rows = np.arange(3)
    for channel in (embedding, words):
        assert channel.distance(rows, rows)[0, 2] == pytest.approx(0, abs=1e-6)
        assert channel.distance(rows, rows)[0, 1] > 0.1


def test_a_search_walks_to_the_best_of_the_grid_and_stays_without_a_gain() -> None:
    grid = {"x": (0.0, 1.0, 2.0), "y": (0.0, 1.0, 2.0)}
    hill = Problem({"x": 0.0, "y": 0.0}, grid, [lambda c: -((c["x"] - 1) ** 2), lambda c: -((c["y"] - 2) ** 2)])
    assert solved(hill) == ({"x": 1.0, "y": 2.0}, 0.0)
    flat = Problem({"x": 1.0, "y": 2.0}, grid, [lambda _: 0.5])
    assert solved(flat) == ({"x": 1.0, "y": 2.0}, 0.5)
    assert solved(Problem({"x": 1.0}, grid, [])) == ({"x": 1.0}, 0.0)  # nobody to ask


def test_an_option_that_is_behind_on_half_of_the_cases_is_not_asked_on_the_others() -> None:
    asked: list[float] = []

    def late(choice: Choice) -> float:
        asked.append(choice["x"])
        return 0.0

    best, _ = solved(Problem({"x": 1.0}, {"x": (0.0, 2.0)}, [lambda choice: choice["x"], late]))
    assert best == {"x": 2.0}
    assert 0.0 not in asked


def test_a_choice_is_tried_once_also_where_only_idle_names_differ() -> None:
    tried: list[Choice] = []

    def value(choice: Choice) -> float:
        tried.append(choice)
        return choice["x"]

    known = remembered(value, lambda choice: () if choice["x"] else ("y",))
    assert [known({"x": 0.0, "y": one}) for one in (1.0, 2.0)] == [0.0, 0.0]
    assert [known({"x": 1.0, "y": one}) for one in (1.0, 2.0, 1.0)] == [1.0, 1.0, 1.0]
    assert len(tried) == 3


def test_a_landmark_kernel_of_near_twins_is_still_solved(shelf: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    past, channels = Behaviour(shelf, np.ones(len(shelf.user), bool)), attribute_channels(shelf.items)
    choice = item_search.START | {channel.name: 1e-6 for channel in channels} | {"ridge": 0.01}
    monkeypatch.setattr(item_block, "LANDMARKS", 50)
    _, head = item_block.fitted(past, channels, choice)
    assert np.isfinite(head.project(np.arange(5), channels)).all()
