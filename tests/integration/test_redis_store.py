"""What only a real server shows: expiry, a lost script, memory that is out, and the view of product systems."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
import redis

from glowplug.errors import BadSettings, StoreUnavailable, Unreachable
from glowplug.events import Embedding, ItemVector, Source
from glowplug.serving.documents import item_fields, item_key
from glowplug.serving.redis_store import RedisStore
from glowplug.serving.store import TOMBSTONE_S
from glowplug.serving.view import RedisView
from glowplug.settings import RedisSettings
from glowplug.stream.step import StoreWrite
from glowplug.vectors import pack

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
pytestmark = pytest.mark.redis


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def store(redis_url: str, prefix: str) -> Iterator[RedisStore]:
    store = RedisStore(RedisSettings(url=redis_url, key_prefix=prefix))
    yield store
    store.close()


def test_a_delete_is_remembered_for_a_day_and_a_value_for_ever(
    client: redis.Redis, store: RedisStore, prefix: str
) -> None:
    store.fold([StoreWrite("item:1", ("t", 0, 1), None)])
    assert TOMBSTONE_S - 60 < client.ttl(f"{prefix}item:1") <= TOMBSTONE_S
    store.fold([StoreWrite("item:1", ("t", 0, 2), {"doc": b"{}"})])
    assert client.ttl(f"{prefix}item:1") == -1


def test_a_server_that_forgot_the_script_gets_it_again(client: redis.Redis, store: RedisStore) -> None:
    store.fold([StoreWrite("item:1", ("t", 0, 1), {"doc": b"one"})])
    client.script_flush()
    store.fold([StoreWrite("item:1", ("t", 0, 2), {"doc": b"two"})])
    assert store.get("item:1") == {"doc": b"two"}


def test_a_server_without_memory_applies_nothing_and_says_so(client: redis.Redis, store: RedisStore) -> None:
    store.fold([StoreWrite("item:1", ("t", 0, 1), {"doc": b"one"})])
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable, match="memory"):
            store.fold([StoreWrite("item:1", ("t", 0, 2), {"doc": b"two"})])
    finally:
        client.config_set("maxmemory", 0)
    assert store.get("item:1") == {"doc": b"one"}


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    store = RedisStore(RedisSettings(url="redis://:secret@127.0.0.1:1/0", timeout_s=0.5))
    with pytest.raises(Unreachable, match=r"redis://127\.0\.0\.1:1/0") as stopped:
        store.check()
    with pytest.raises(StoreUnavailable):
        store.fold([StoreWrite("item:1", ("t", 0, 1), None)])
    assert "secret" not in str(stopped.value)


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://localhost"])
def test_what_is_no_redis_url_is_a_bad_setting(url: str) -> None:
    with pytest.raises(BadSettings, match=r"redis\.url"):
        RedisStore(RedisSettings(url=url))


def test_a_product_system_reads_the_item_that_was_written(store: RedisStore, redis_url: str, prefix: str) -> None:
    item = ItemVector(
        item_id="i1",
        domain="films",
        title="Alien",
        attributes={"year": 1979.0},
        available=True,
        listed_at=NOON,
        vector=pack(np.array([0.6, 0.8])),
        embedding=Embedding(fingerprint="fake:1", template="t", content="c"),
        source=Source(topic="items", partition=0, offset=3, version=3, event_id="e", event_time=NOON),
        generated_at=NOON,
    )
    store.fold([StoreWrite(item_key("i1"), ("t", 0, 1), item_fields(item))])
    with RedisView(redis_url, key_prefix=prefix) as view:
        assert view.item("i1") == item
        assert view.item("i2") is None
        assert view.user("u1") is None
        assert view.recommendations("u1") is None
