"""Asking a real Apache Kafka for offsets across its death."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from glowplug.embedded.apache import ApacheBroker
from glowplug.errors import BrokerUnavailable
from glowplug.settings import load
from glowplug.stream.offsets import Offsets
from glowplug.stream.positions import Place
from glowplug.stream.reader import Names
from tests.support.kafka import create_topic, produce
from tests.support.waiting import wait_until

PATIENCE_S = 30.0  # a broker's start on two busy cores; what the client knows of leaders it keeps for 300 s


@pytest.fixture
def broker() -> Iterator[ApacheBroker]:
    """Its own: it is killed."""
    started = ApacheBroker(fast_failures=True)
    started.start()
    yield started
    started.stop()


@pytest.mark.kafka
def test_offsets_are_told_again_by_a_broker_that_was_killed_and_restarted(broker: ApacheBroker) -> None:
    settings = load(kafka={"bootstrap_servers": broker.bootstrap})
    create_topic(broker.bootstrap, "items")
    produce(broker.bootstrap, "items", "i", {})
    offsets = Offsets(settings, Names(settings))
    place = Place("items", 0)
    told: list[int] = []

    def ask() -> bool:
        try:
            told.append(offsets.written([place])[place])
        except BrokerUnavailable:
            return False
        return True

    wait_until(ask, PATIENCE_S, "the broker tells no offsets")
    broker.restart(kill=True)
    wait_until(ask, PATIENCE_S, "the restarted broker tells no offsets")
    assert told == [1, 1]
