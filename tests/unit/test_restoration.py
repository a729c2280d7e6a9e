"""A restore that cannot begin says why."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, cast

import pytest

from glowplug.errors import BrokerUnavailable
from glowplug.stream.positions import Place
from glowplug.stream.restore import Restoration

UNSTABLE = "committed offsets: Broker: Unstable offset commit"


class Unsettled:
    """A member whose group has an open transaction."""

    def committed(self, _places: Iterable[Place]) -> dict[Place, int]:
        raise BrokerUnavailable(UNSTABLE)


class Step:
    name = "item_embedder"
    inputs = ("items",)
    restores: dict[str, str] = {}  # noqa: RUF012  a stand-in


def test_what_the_broker_answers_is_logged_once_however_often_it_is_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    nothing = cast(Any, None)
    restoration = Restoration(
        frozenset({Place("items", 0)}),
        step=cast(Any, Step()),
        member=cast(Any, Unsettled()),
        offsets=nothing,
        tables=nothing,
        open_reader=nothing,
        group_of=nothing,
    )
    with caplog.at_level(logging.INFO, "glowplug.stream"):
        assert [restoration.advance() for _ in range(3)] == [[], [], []]
    assert not restoration.is_done
    assert [record.getMessage() for record in caplog.records] == [f"item_embedder: restoring waits: {UNSTABLE}"]
