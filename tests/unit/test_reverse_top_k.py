"""Whatever happens in whatever order and batches: every list is the brute-force top-k of the final state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.recommender import Recommender
from glowplug.index.items import item_hash
from glowplug.settings import Settings, load
from glowplug.stream.step import Record
from tests.support.drive import Driver
from tests.support.events import interaction, item_vector, user_vector

K = 4
ITEMS = [f"item-{n}" for n in range(9)]
USERS = [f"user-{n}" for n in range(5)]
# Few distinct components: equal scores, equal vectors and zero vectors are common, as they should be in this test.
component = st.sampled_from([-0.5, 0.0, 0.5, 1.0])
vectors = st.none() | st.lists(component, min_size=3, max_size=3)
item_id, user_id = st.sampled_from(ITEMS), st.sampled_from(USERS)
operation = st.one_of(
    st.tuples(st.just("item"), item_id, vectors, st.booleans()),
    st.tuples(st.just("item"), item_id, vectors, st.just(True)),
    st.tuples(st.just("gone"), item_id),
    st.tuples(st.just("user"), user_id, vectors, st.sets(item_id, max_size=2)),
    st.tuples(st.just("left"), user_id),
    st.tuples(st.just("act"), user_id, item_id, st.sampled_from(["view", "like", "dislike", "purchase"])),
)
History = list[tuple[Any, bool]]  # operations, and whether a batch ends behind each
histories = st.lists(st.tuples(operation, st.booleans()), min_size=1, max_size=40)


def small(**ranking: Any) -> Settings:
    return load(ranking={"list_size": 2, "raw_size": K, "history": 5, "window_s": 10.0, **ranking})


def run(history: History, settings_: Settings, partition: int, cut: Callable[[int, bool], bool]) -> Driver:
    """Feed the operations; `cut` says where a batch ends. The last word is always had by the background work."""
    driver = Driver(Recommender(settings_), {partition})
    batch: list[Record] = []
    for at, (op, ends) in enumerate(history):
        perform(driver, at, op, partition, batch)
        if cut(at, ends):
            driver.read_back(driver.feed(*batch))
            batch = []
    driver.read_back(driver.feed(*batch))
    finish(driver)
    return driver


def perform(driver: Driver, at: int, op: Any, partition: int, batch: list[Record]) -> Record:
    """An item's record is absorbed at once, a user's joins the batch."""
    kind, key, *rest = op
    if kind in ("item", "gone"):
        value = item_vector(key, rest[0], available=rest[1], event_id=f"{at}") if kind == "item" else None
        record = driver.record("item_vectors", key, value)
        driver.step.absorb([record])
        return record
    if kind == "user":
        value = user_vector(key, rest[0], blocked=sorted(rest[1]), event_id=f"{at}")
        record = driver.record("user_vectors", key, value, partition)
    elif kind == "left":
        record = driver.record("user_vectors", key, None, partition)
    else:
        value = interaction(key, rest[0], rest[1], event_id=f"{at}", seconds=at)
        record = driver.record("interactions", key, value, partition)
    batch.append(record)
    return record


def finish(driver: Driver) -> None:
    driver.settle()
    driver.tick(60)
    driver.settle()


def run_with_crashes(history: History, settings_: Settings, partition: int, crashes: set[int]) -> Driver:
    """As `run`, but the process dies behind some operations and another one takes over from the log."""
    driver = Driver(Recommender(settings_), {partition})
    log: list[Record] = []
    batch: list[Record] = []
    for at, (op, ends) in enumerate(history):
        log.append(perform(driver, at, op, partition, batch))
        if ends:
            driver.read_back(driver.feed(*batch))
            batch = []
        if at in crashes:
            driver = take_over(driver, settings_, partition, [record for record in log if record not in batch])
    driver.read_back(driver.feed(*batch))
    finish(driver)
    return driver


def take_over(before: Driver, settings_: Settings, partition: int, consumed: list[Record]) -> Driver:
    """A new step, restored as the engine does it from what the dead one committed."""
    after = Driver(Recommender(settings_), after=before)
    after.monotonic = before.monotonic
    own = [out for topic in ("user_states", "item_stats") for out in before.produced[topic]]
    records = [
        Record(
            out.topic,
            out.partition or (partition if out.topic == "user_states" else 0),
            n,
            0,
            out.key.encode(),
            out.value,
        )
        for n, out in enumerate(own)
    ]
    after.step.absorb([record for record in consumed if record.topic == "item_vectors"])
    after.step.absorb([record for record in records if record.topic == "item_stats"])
    after.step.restore([record for record in records if record.topic == "user_states"])
    after.step.restore([record for record in consumed if record.topic == "user_vectors"])
    after.step.assigned(frozenset({partition}))
    for topic, produced in before.produced.items():
        after.produced[topic] = [*produced]
    return after


def check_against_brute_force(driver: Driver) -> None:
    assert isinstance(driver.step, Recommender)
    state = driver.step._state
    catalogue, priors = state.tables.catalogue, state.tables.priors
    recs = driver.latest("recommendations")
    for user in state.roster:
        if not user.is_active:
            assert recs.get(user.user_id) is None
            continue
        listed = user.listed
        assert listed is not None
        anew = state.lists.make(user)
        assert np.array_equal(anew.vector, listed.vector), "the user's vector is not that of the final state"
        scored = []
        for item in (catalogue.get(one) for one in ITEMS):
            if item is None or not item.available:
                continue
            if item_hash(item.item_id) in user.memory.seen or item.item_id in user.blocked:
                continue
            row = catalogue.layout.item(item.text)
            row[catalogue.layout.prior(listed.epoch)] = priors.of(item.item_id, item.listed_at, listed.epoch)
            score = sum(float(a) * float(b) for a, b in zip(listed.vector, row, strict=True))
            scored.append((-score, item.item_id.encode()))
        expected = [(i.decode(), -s) for s, i in sorted(scored)[:K]]
        assert [(hit.item_id, hit.score) for hit in listed.raw] == expected
        assert [one["item_id"] for one in recs[user.user_id]["items"]] == [i for i, _ in expected[:2]]


@settings(max_examples=200, deadline=None)
@given(histories)
def test_every_list_is_the_brute_force_top_k_after_any_history(history: History) -> None:
    check_against_brute_force(run(history, small(), 1, lambda _, ends: ends))


@settings(max_examples=100, deadline=None)
@given(histories)
def test_lists_are_exact_while_epochs_of_the_priors_come_and_go(history: History) -> None:
    eager = small(epoch_minimum=1.0, epoch_growth=0.01, popularity_full=10.0, popularity=0.5)
    check_against_brute_force(run(history, eager, 0, lambda _, ends: ends))


@settings(max_examples=200, deadline=None)
@given(histories, st.sets(st.integers(0, 39), min_size=1, max_size=3), st.booleans())
def test_lists_are_exact_and_outcomes_the_same_whenever_the_process_dies(
    history: History, crashes: set[int], has_epochs: bool
) -> None:
    ranking = {"epoch_minimum": 1.0, "epoch_growth": 0.01, "popularity_full": 10.0} if has_epochs else {}
    partition = 0 if has_epochs else 1
    crashed = run_with_crashes(history, small(**ranking), partition, crashes)
    check_against_brute_force(crashed)
    if not has_epochs:  # epochs may close at other moments
        assert outcome(crashed) == outcome(run(history, small(), partition, lambda _, ends: ends))


@settings(max_examples=100, deadline=None)
@given(histories)
def test_the_outcome_does_not_depend_on_how_the_log_is_cut_into_batches(history: History) -> None:
    drawn = run(history, small(), 1, lambda _, ends: ends)
    single = run(history, small(), 1, lambda _at, _ends: True)
    whole = run(history, small(), 1, lambda _at, _ends: False)
    assert outcome(single) == outcome(drawn)
    assert outcome(whole) == outcome(drawn)


def outcome(driver: Driver) -> list[Any]:
    """What a product system acts on and what the next event builds on: not when and why a list was sent, which a
    cut may well change, nor the scores that it was sent with, if they moved no item since."""
    assert isinstance(driver.step, Recommender)
    recs = driver.latest("recommendations")
    states = {key: value for key, value in driver.latest("user_states").items() if value["type"] == "user.state"}
    kept = ("status", "history", "seen", "evidence", "published")
    lists = [(user_id, value and [one["item_id"] for one in value["items"]]) for user_id, value in recs.items()]
    memories = [(user_id, [value[name] for name in kept]) for user_id, value in states.items()]
    listed = [
        (user.user_id, user.listed.raw, user.listed.vector.tolist())
        for user in driver.step._state.roster
        if user.listed is not None
    ]
    return [sorted(lists), sorted(memories), sorted(listed)]
