"""Interactions pass on to the internal topic as they came, invalid ones do not, and all keep their first place."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consumers.interaction_rekeyer import InteractionRekeyer, make
from consumers.recommender import Recommender
from glowplug.errors import BadSettings, MalformedJson, WrongPartitioner
from glowplug.settings import Settings, load
from glowplug.stream.effects import prepare
from glowplug.stream.origin import origin_headers, original
from glowplug.stream.partitioner import check_partitions
from glowplug.stream.reader import Names
from glowplug.stream.step import DeadLetter, Effects, Record
from tests.support.drive import Driver
from tests.support.events import interaction, user_vector
from tests.support.recommending import X, ids, put_items

REKEYING = load(kafka={"rekey_interactions": True, "topics": {"interactions": "shop.clicks"}})


def rekeyer() -> Driver:
    return Driver(InteractionRekeyer(REKEYING))


def headers_of(*, partition: int, offset: int, timestamp_ms: int) -> tuple[tuple[str, bytes], ...]:
    places = {"topic": "shop.clicks", "partition": partition, "offset": offset, "timestamp": timestamp_ms}
    return tuple((f"glowplug-origin-{name}", str(place).encode()) for name, place in places.items())


def test_a_valid_interaction_passes_on_with_its_bytes_headers_and_time_and_the_place_it_comes_from() -> None:
    driver = rekeyer()
    body = json.dumps(interaction("u", "i"), indent=3).encode() + b"\n"
    driver.record("interactions", "u", None, 4)
    record = driver.record("interactions", "u", body, 4, headers=(("trace", b"\xff"),))
    (out,) = driver.feed(record)
    assert (out.topic, out.key, out.value, out.partition) == ("interactions_rekeyed", "u", body, None)
    assert out.timestamp_ms == record.timestamp_ms
    where = headers_of(partition=4, offset=1, timestamp_ms=record.timestamp_ms)
    assert out.headers == (("trace", b"\xff"), *where)


def test_the_order_within_a_source_partition_is_kept() -> None:
    driver = rekeyer()
    records = [driver.record("interactions", key, interaction(key, f"i{n}")) for n, key in enumerate("abcab")]
    assert [out.value for out in driver.feed(*records)] == [record.value for record in records]


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        ("u", b"{", "malformed_json"),
        ("u", b"{}", "schema_violation"),
        ("other", interaction("u", "i"), "key_mismatch"),
        (None, interaction("u", "i"), "missing_key"),
    ],
)
def test_an_invalid_one_is_one_dead_letter_here_and_does_not_pass_on(
    key: str | None, value: Any, cause: str
) -> None:
    driver = rekeyer()
    bad = driver.record("interactions", key, value, 4)
    assert driver.feed(bad) == []
    assert [(dead.record, dead.error.cause) for dead in driver.dead] == [(bad, cause)]


@pytest.mark.parametrize("age", [timedelta(days=400), timedelta(hours=-2)])
def test_one_that_its_age_would_delete_or_its_future_would_have_refused_is_stamped_now(age: timedelta) -> None:
    driver = rekeyer()
    now_ms = int(driver.now.timestamp() * 1000)
    stamp = now_ms - int(age.total_seconds() * 1000)
    record = replace(driver.record("interactions", "u", interaction("u", "i")), timestamp_ms=stamp)
    (out,) = driver.feed(record)
    assert out.timestamp_ms == now_ms
    assert out.headers == headers_of(partition=0, offset=0, timestamp_ms=stamp)


def test_one_larger_than_our_records_may_be_is_a_dead_letter_and_stops_nobody() -> None:
    driver = rekeyer()
    large = interaction("u", "i") | {"note": "x" * 2_000}
    record = driver.record("interactions", "u", large)
    effects = Effects(None, tuple(driver.feed(record)))
    prepared = prepare(effects, consumer="c", names=Names(REKEYING), limit=1_000, omit_over=None)
    assert prepared.causes == ("too_large",)
    assert [message.value for message in prepared.messages] == [record.value]


def rekeyed() -> Record:
    """One as the recommender reads it."""
    record = Record("interactions", 3, 17, 1_700_000_000_000, b"u", b"{}", (("trace", b"1"),))
    headers = (*record.headers, *origin_headers(record, "shop.clicks"))
    return replace(record, topic="interactions_rekeyed", partition=0, offset=2, timestamp_ms=5, headers=headers)


def test_a_letter_about_a_passed_on_record_has_the_place_and_the_headers_of_the_first_one() -> None:
    dead = DeadLetter(rekeyed(), MalformedJson("no"))
    effects = Effects(None, dead_letters=(dead,))
    (message,) = prepare(effects, consumer="c", names=Names(REKEYING), limit=1_000, omit_over=None).messages
    headers = dict(message.headers)
    places = [headers[f"glowplug-{name}"].decode() for name in ("topic", "partition", "offset", "timestamp")]
    assert places == ["shop.clicks", "3", "17", "1700000000000"]
    assert message.headers[0] == ("trace", b"1")
    assert not [name for name in headers if name.startswith("glowplug-origin")]


@pytest.mark.parametrize(
    "record",
    [
        replace(rekeyed(), topic="interactions"),  # a product may send what looks like ours
        replace(rekeyed(), headers=()),
        replace(rekeyed(), headers=tuple((name, b"x") for name, _ in rekeyed().headers)),
    ],
)
def test_headers_of_somebody_else_are_no_origin(record: Record) -> None:
    assert original(record) is None


def test_a_recommender_reads_the_internal_topic_instead() -> None:
    driver = Driver(Recommender(REKEYING), {1})
    assert "interactions_rekeyed" in driver.step.inputs
    assert "interactions" not in driver.step.inputs
    put_items(driver, a=X, b=X)
    driver.feed(driver.record("user_vectors", "u", user_vector("u", X), 1))
    driver.feed(driver.record("interactions_rekeyed", "u", interaction("u", "a"), 1))
    assert ids(driver, "u") == ["b"]


def test_without_the_setting_the_rekeyer_says_that_nobody_would_read_it() -> None:
    with pytest.raises(BadSettings, match=r"kafka\.rekey_interactions is false"):
        make(Settings())


def test_the_stop_at_another_partitioner_names_the_setting_for_interactions_and_for_nothing_else() -> None:
    names, counts = Names(Settings()), {"interactions": 1_000, "user_vectors": 1_000}
    with pytest.raises(WrongPartitioner, match=r"murmur2_random .* or kafka\.rekey_interactions = true$"):
        check_partitions([Record("interactions", 341, 0, 0, b"21", b"")], counts, names)
    with pytest.raises(WrongPartitioner, match=r"murmur2_random in the producer that writes it$"):
        check_partitions([Record("user_vectors", 341, 0, 0, b"21", b"")], counts, names)
