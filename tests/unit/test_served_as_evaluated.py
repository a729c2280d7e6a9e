"""What the recommender serves with a head is what the evaluation of that head ranked: the same ids, in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from consumers.recommender import Recommender
from glowplug.training.tasks import TASTE_FROM
from tests.support.drive import Driver
from tests.support.heads import (
    Judged,
    Shelf,
    fake_encoder,
    interactions,
    item_vectors,
    promote,
    user_vectors,
)

K = 10


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Of half of its users a training part knows so little that they count as new."""
    return Shelf(tmp_path_factory.mktemp("sparse"), likes=7)


def recommender(shelf: Shelf, heads: Path) -> Driver:
    settings = fake_encoder(shelf.folder, heads=heads, list_size=K, raw_size=2 * K, window_s=0)
    return Driver(Recommender(settings, is_threaded=False), {1})


def promoted(shelf: Shelf, judged: Judged, heads: Path) -> Path:
    place, fingerprint = shelf.head(heads.name + "-head", judged.trained, *judged.choices)
    promote(heads, place, fingerprint)
    return heads


def listed(driver: Driver) -> dict[str, list[str]]:
    return {
        user_id: [item["item_id"] for item in event["items"]]
        for user_id, event in driver.latest("recommendations").items()
    }


@pytest.mark.parametrize("protocol", ["cold-item", "overall", "by-time"])
@pytest.mark.parametrize("kept", ["shelf", "sparse"])
def test_users_known_and_hardly_known_get_the_lists_that_were_evaluated(
    tmp_path: Path, protocol: str, kept: str, request: pytest.FixtureRequest
) -> None:
    shelf: Shelf = request.getfixturevalue(kept)
    judged = shelf.judged(protocol, K)
    (task,) = judged.tasks
    deeds_of = np.bincount(shelf.data.user[judged.split.train], minlength=len(shelf.data.users))[task.users]
    assert (deeds_of >= TASTE_FROM).any()
    assert (deeds_of < TASTE_FROM).any() == (kept == "sparse")
    expected, blocked = judged.lists(task), judged.blocked(task)
    driver = recommender(shelf, promoted(shelf, judged, tmp_path / "heads"))
    vectors = item_vectors(shelf, only=[shelf.data.items.ids[at] for at in task.items])
    driver.step.absorb([driver.record("item_vectors", key, value) for key, value in vectors.items()])
    driver.settle()
    users = user_vectors(shelf, expected, blocked)
    driver.feed(*(driver.record("user_vectors", key, value, 1) for key, value in users.items()))
    deeds = [one for one in interactions(shelf, judged.split.train) if one["user_id"] in expected]
    driver.feed(*(driver.record("interactions", one["user_id"], one, 1) for one in deeds))
    driver.settle()
    assert {key: ids[: len(expected[key])] for key, ids in listed(driver).items()} == expected


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_new_users_get_the_lists_that_were_evaluated(shelf: Shelf, tmp_path: Path, at: int) -> None:
    judged = shelf.judged("cold-user", K)
    task = judged.tasks[at]
    expected, blocked = judged.lists(task), judged.blocked(task)
    driver = recommender(shelf, promoted(shelf, judged, tmp_path / "heads"))
    vectors = item_vectors(shelf, only=[shelf.data.items.ids[item] for item in task.items])
    driver.step.absorb([driver.record("item_vectors", key, value) for key, value in vectors.items()])
    driver.settle()
    users = user_vectors(shelf, expected, blocked)
    driver.feed(*(driver.record("user_vectors", key, value, 1) for key, value in users.items()))
    known = np.zeros(len(shelf.data.user), bool)
    for row, user in enumerate(task.users):
        known |= (shelf.data.user == user) & np.isin(shelf.data.item, task.known[[row]].indices)
    driver.feed(*(driver.record("interactions", one["user_id"], one, 1) for one in interactions(shelf, known)))
    driver.settle()
    assert {key: ids[: len(expected[key])] for key, ids in listed(driver).items()} == expected
