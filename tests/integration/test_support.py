"""The test support itself, against the real broker: a wrong reader would make every other test worthless."""

from __future__ import annotations

import pytest

from tests.support.kafka import create_topic, latest_by_key, produce, producing, read_to_end, send

pytestmark = pytest.mark.kafka


def test_reading_to_the_end_sees_committed_records_only(kafka: str, prefix: str) -> None:
    create_topic(kafka, prefix)
    with producing(kafka, **{"transactional.id": prefix, "retry.backoff.ms": 5}) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        send(producer, prefix, "a", {"kept": True}, headers=[("h", b"1")])
        producer.commit_transaction()
        producer.begin_transaction()
        send(producer, prefix, "a", {"kept": False})
        producer.flush()
        producer.abort_transaction()

    (record,) = read_to_end(kafka, prefix)

    assert (record.partition, record.offset, record.key, record.json()) == (0, 0, b"a", {"kept": True})
    assert record.headers == (("h", b"1"),)
    assert len(read_to_end(kafka, prefix, isolation="read_uncommitted")) == 2


def test_the_latest_by_key_forgets_tombstoned_keys(kafka: str, prefix: str) -> None:
    create_topic(kafka, prefix, partitions=3)
    for key, value in (("a", {"n": 1}), ("b", {"n": 2}), ("a", {"n": 3}), ("b", None)):
        produce(kafka, prefix, key, value)

    assert latest_by_key(read_to_end(kafka, prefix)) == {"a": {"n": 3}}
