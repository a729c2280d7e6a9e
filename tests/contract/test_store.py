"""What every Store promises: the value of the greatest version wins, in any order, however often it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glowplug.errors import StoreWiped
from glowplug.serving.memory_store import MemoryStore
from glowplug.serving.redis_store import RedisStore
from glowplug.serving.store import Store
from glowplug.settings import RedisSettings
from glowplug.stream.step import StoreWrite

TOPIC = "Dl2fVZ0dSUyRhR0xZc9u_A"


@dataclass(frozen=True)
class Subject:
    store: Store
    wipe: Callable[[], None]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "memory":
        memory = MemoryStore()
        yield Subject(memory, memory.wipe)
        return
    url: str = request.getfixturevalue("redis_url")
    prefix: str = request.getfixturevalue("prefix")
    store = RedisStore(RedisSettings(url=url, key_prefix=prefix))
    with redis.Redis.from_url(url) as client:
        yield Subject(store, lambda: _forget(client, prefix))
        _forget(client, prefix)
    store.close()


@pytest.fixture
def store(subject: Subject) -> Store:
    return subject.store


def write(offset: int, doc: bytes | None, key: str = "item:1", *, log: tuple[str, int] = (TOPIC, 0)) -> StoreWrite:
    return StoreWrite(key, (*log, offset), None if doc is None else {"doc": doc})


def test_what_was_written_is_read_back_byte_for_byte(store: Store) -> None:
    vector = bytes(range(256))
    store.fold([StoreWrite("item:β 1", (TOPIC, 0, 7), {"doc": b"{}", "vector": vector})])
    assert store.get("item:β 1") == {"doc": b"{}", "vector": vector}


def test_an_unknown_key_has_no_value(store: Store) -> None:
    assert store.get("item:unknown") is None


def test_a_greater_offset_replaces_the_whole_value(store: Store) -> None:
    store.fold([StoreWrite("item:1", (TOPIC, 0, 1), {"doc": b"old", "vector": b"\0\1"})])
    store.fold([write(2, b"new")])
    assert store.get("item:1") == {"doc": b"new"}


def test_offsets_are_compared_as_numbers(store: Store) -> None:
    store.fold([write(9, b"nine"), write(10, b"ten"), write(9, b"nine again")])
    assert store.get("item:1") == {"doc": b"ten"}


def test_the_same_version_is_a_repeat(store: Store) -> None:
    store.fold([write(3, b"first")])
    store.fold([write(3, b"second")])
    assert store.get("item:1") == {"doc": b"first"}


def test_a_late_write_does_not_revive_what_was_deleted(store: Store) -> None:
    store.fold([write(5, None)])
    store.fold([write(4, b"late")])
    assert store.get("item:1") is None


def test_a_later_write_replaces_a_delete(store: Store) -> None:
    store.fold([write(5, None), write(6, b"back")])
    assert store.get("item:1") == {"doc": b"back"}


def test_another_topic_id_replaces_whatever_its_offset(store: Store) -> None:
    store.fold([write(900, b"of the old topic"), write(3, b"of the new topic", log=("new", 0))])
    assert store.get("item:1") == {"doc": b"of the new topic"}


def test_another_partition_replaces_whatever_its_offset(store: Store) -> None:
    store.fold([write(900, b"before"), write(3, b"after", log=(TOPIC, 7))])
    assert store.get("item:1") == {"doc": b"after"}


def test_keys_do_not_touch_each_other(store: Store) -> None:
    store.fold([write(1, b"one", key="item:1"), write(1, b"two", key="user:1"), write(2, None, key="user:1")])
    assert store.get("item:1") == {"doc": b"one"}
    assert store.get("user:1") is None


def test_folding_nothing_changes_nothing(store: Store) -> None:
    store.fold([])
    assert store.get("item:1") is None


def test_more_writes_than_one_round_trip_carries_are_all_applied(store: Store) -> None:
    store.fold([write(1, str(n).encode(), key=f"item:{n}") for n in range(1_201)])
    assert [store.get(f"item:{n}") for n in (0, 499, 500, 1_200)] == [
        {"doc": str(n).encode()} for n in (0, 499, 500, 1_200)
    ]


def test_a_place_has_begun_once_it_was_said_and_no_other_has(store: Store) -> None:
    assert not store.has_begun((TOPIC, 0))
    store.begin([(TOPIC, 0)])
    assert store.has_begun((TOPIC, 0))
    assert not store.has_begun((TOPIC, 1))
    assert not store.has_begun(("another", 0))


def test_a_wiped_store_says_so_once_and_no_place_has_begun(subject: Subject) -> None:
    store = subject.store
    store.begin([(TOPIC, 0)])
    store.fold([write(1, b"one")])
    subject.wipe()
    with pytest.raises(StoreWiped, match="wiped"):
        store.fold([write(2, b"two")])
    store.fold([write(2, b"two")])
    assert store.get("item:1") == {"doc": b"two"}
    assert not store.has_begun((TOPIC, 0))


def test_a_wiped_store_says_so_although_nothing_is_written(subject: Subject) -> None:
    subject.store.begin([(TOPIC, 0)])
    subject.store.fold([])
    subject.wipe()
    with pytest.raises(StoreWiped, match="wiped"):
        subject.store.fold([])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_and_any_repetition_ends_in_the_greatest_version(subject: Subject, data: st.DataObject) -> None:
    subject.wipe()
    log = [
        write(offset, data.draw(st.sampled_from([b"a", b"b", None])), key=data.draw(st.sampled_from(["k1", "k2"])))
        for offset in range(data.draw(st.integers(1, 8)))
    ]
    sent = data.draw(st.permutations(log + data.draw(st.lists(st.sampled_from(log), max_size=6))))
    cut = data.draw(st.integers(0, len(sent)))
    subject.store.fold(sent[:cut])
    subject.store.fold(sent[cut:])
    last = {one.key: one.fields for one in log}
    assert {key: subject.store.get(key) for key in last} == last


def _forget(client: redis.Redis, prefix: str) -> None:
    keys = list(client.scan_iter(f"{prefix}*"))
    if keys:
        client.delete(*keys)
