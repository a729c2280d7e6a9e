"""The thread beside the step: a batch waits for it a little, never for long, and it ends when nothing is left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from consumers.profile_writer import ProfileWriter
from glowplug.errors import ModelUnavailable
from glowplug.inference.fake import FakeEncoder
from glowplug.settings import load
from tests.support.drive import Driver
from tests.support.events import at
from tests.support.profiling import Words
from tests.support.waiting import wait_until

DEADLINE_S = 10.0
LONG_S = 60.0  # a batch that waits so long has failed the test


Driven = Callable[..., Driver]


@pytest.fixture
def driven() -> Iterator[Driven]:
    """A writer with a thread of its own; none is left in the end."""
    drivers: list[Driver] = []

    def drive(model: Words, **writer: Any) -> Driver:
        settings = load(profile_writer={"patience_s": LONG_S, **writer})
        drivers.append(Driver(ProfileWriter(settings, FakeEncoder(), model)))
        return drivers[-1]

    yield drive
    for driver in drivers:
        driver.step.revoked(frozenset({0}))
    wait_until(no_thread_is_left, DEADLINE_S, "a thread is left")


def no_thread_is_left() -> bool:
    return "glowplug-profiles" not in {thread.name for thread in threading.enumerate()}


def feed(driver: Driver, *names: str) -> list[str]:
    """States that the batch wrote."""
    for_all = {"type": "user.created", "event_time": at(), "text": "jazz"}
    driver.feed(
        *(driver.record("users", name, {**for_all, "event_id": f"e-{name}", "user_id": name}) for name in names)
    )
    return [value["state"] for _, value in driver.values("user_profiles")]


def settled(driver: Driver, states: list[str]) -> bool:
    driver.settle()
    return [value["state"] for _, value in driver.values("user_profiles")] == states


def test_a_profile_that_comes_in_time_is_published_at_once(driven: Driven) -> None:
    assert feed(driven(Words()), "ada", "eve") == ["ready", "ready"]


def test_one_that_takes_longer_than_the_patience_follows(driven: Driven) -> None:
    model = Words()
    model.open.clear()
    driver = driven(model, patience_s=0.01)
    assert feed(driver, "ada") == ["pending"]
    model.open.set()
    wait_until(lambda: settled(driver, ["pending", "ready"]), DEADLINE_S, "the profile never comes")


def test_beyond_the_bound_a_batch_does_not_wait_at_all(driven: Driven) -> None:
    model = Words()
    model.open.clear()
    driver = driven(model, waiting=2)
    assert feed(driver, "a", "b", "c") == ["pending"] * 3
    model.open.set()
    wait_until(lambda: settled(driver, ["pending"] * 3 + ["ready"] * 3), DEADLINE_S, "the profiles never come")


def test_a_batch_does_not_wait_for_a_model_that_fails(driven: Driven) -> None:
    model = Words()
    model.raises = ModelUnavailable("away")
    assert feed(driven(model), "ada") == ["pending"]


def test_a_fault_beside_the_model_does_not_end_the_thread_in_silence(driven: Driven) -> None:
    model = Words()
    model.raises = AssertionError("a bug")
    driver = driven(model)
    assert feed(driver, "ada") == ["pending"]
    step: Any = driver.step
    wait_until(lambda: "a bug" in step.condition().detail, DEADLINE_S, "health does not tell")


def test_the_thread_ends_with_the_work(driven: Driven) -> None:
    driver = driven(Words())
    for name in ("ada", "eve"):
        feed(driver, name)
        wait_until(no_thread_is_left, DEADLINE_S, "a thread is left")
    assert [value["state"] for _, value in driver.values("user_profiles")] == ["ready", "ready"]
