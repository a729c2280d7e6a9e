"""Users and items by version: what comes late, what comes again, and what a delete leaves, over restarts."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from consumers.item_embedder import ItemEmbedder
from consumers.user_embedder import UserEmbedder
from glowplug.inference.fake import FakeEncoder
from glowplug.settings import StreamSettings, load
from glowplug.stream.step import Outgoing
from tests.support.drive import Driver

Topic = Literal["items", "users"]
Mode = Literal["offset", "event"]
WRITES = {"items": "item_vectors", "users": "user_vectors"}
TOPICS: tuple[Topic, ...] = ("items", "users")


class Log:
    """One embedder, fed event by event. restart: another process goes on from what it published."""

    def __init__(self, topic: Topic, mode: Mode) -> None:
        self.topic, self.mode = topic, mode
        self.driver = self._driver(None)

    def _driver(self, after: Driver | None) -> Driver:
        settings = load(stream=StreamSettings(versions={self.topic: self.mode}))
        kind = ItemEmbedder if self.topic == "items" else UserEmbedder
        return Driver(kind(settings, FakeEncoder()), after=after)

    def restart(self) -> None:
        before, self.driver = self.driver, self._driver(self.driver)
        published = before.produced[WRITES[self.topic]]
        self.driver.produced[WRITES[self.topic]] = published
        self.driver.read_back(published)

    def says(
        self, text: str, *, version: int | None = None, event_id: str = "", kind: str = "updated"
    ) -> list[str]:
        """Sends an event; returns the texts in what is published of it, "gone" for a tombstone."""
        name = self.topic[:-1]
        field = "title" if self.topic == "items" else "text"
        event: dict[str, Any] = {
            "type": f"{name}.{kind}",
            "event_id": event_id or f"{kind} {text} {version}",
            "event_time": "2026-02-01T00:00:00Z",
            f"{name}_id": "x",
            "version": version,
        }
        if kind != "deleted":
            event[field] = text
        return self._texts(self.driver.feed(self.driver.record(self.topic, "x", event)))

    def deletes(self, version: int | None = None) -> list[str]:
        return self.says("", version=version, kind="deleted")

    def null(self) -> list[str]:
        return self._texts(self.driver.feed(self.driver.record(self.topic, "x", None)))

    def _texts(self, outgoing: list[Outgoing]) -> list[str]:
        return ["gone" if out.value is None else self._text(json.loads(out.value)) for out in outgoing]

    def _text(self, value: dict[str, Any]) -> str:
        return str(value["title"] if self.topic == "items" else value["parts"][0]["text"])


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("topic", TOPICS)
def test_by_event_version_a_late_update_does_not_resurrect(topic: Topic, restarts: bool) -> None:
    log = Log(topic, "event")
    assert log.says("one", version=1) == ["one"]
    assert log.deletes(version=5) == ["gone"]
    if restarts:
        log.restart()
    assert log.says("late", version=4) == []
    assert log.says("as late as the delete", version=5) == []
    assert log.says("back", version=6) == ["back"]


@pytest.mark.parametrize("topic", TOPICS)
def test_by_event_version_the_delete_of_something_unknown_keeps_its_creation_out(topic: Topic) -> None:
    log = Log(topic, "event")
    assert log.deletes(version=5) == ["gone"]
    log.restart()
    assert log.says("one", version=1, kind="created") == []


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("topic", TOPICS)
def test_a_null_value_deletes_at_the_version_known_or_at_its_offset(topic: Topic, restarts: bool) -> None:
    by_event, by_offset = Log(topic, "event"), Log(topic, "offset")
    for log in (by_event, by_offset):
        assert log.says("one", version=3) == ["one"]
        assert log.null() == ["gone"]
        if restarts:
            log.restart()
    assert by_event.says("late", version=3) == []
    assert by_event.says("back", version=4) == ["back"]
    # The order of the log decides: what comes behind the delete is a new beginning, whatever it says of itself.
    assert by_offset.says("back", version=1) == ["back"]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("mode", ["offset", "event"])
@pytest.mark.parametrize("topic", TOPICS)
def test_the_same_event_sent_twice_is_published_once(topic: Topic, mode: Mode, restarts: bool) -> None:
    log = Log(topic, mode)
    assert log.says("one", version=1, event_id="e1") == ["one"]
    if restarts:
        log.restart()
    assert log.says("one", version=1, event_id="e1") == []
    assert log.says("two", version=2, event_id="e2") == ["two"]
    assert log.says("two", version=2, event_id="e2") == []


@pytest.mark.parametrize("topic", TOPICS)
def test_an_event_sent_again_behind_a_later_one_wins_by_offset_and_not_by_event_version(topic: Topic) -> None:
    by_event, by_offset = Log(topic, "event"), Log(topic, "offset")
    for log in (by_event, by_offset):
        log.says("one", version=1, event_id="e1")
        log.says("two", version=2, event_id="e2")
    assert by_event.says("one", version=1, event_id="e1") == []
    assert by_offset.says("one", version=1, event_id="e1") == ["one"]


@pytest.mark.parametrize("topic", TOPICS)
def test_another_event_that_says_the_same_is_published_so_that_it_is_answered(topic: Topic) -> None:
    log = Log(topic, "offset")
    log.says("one", event_id="e1")
    assert log.says("one", event_id="e2") == ["one"]


@pytest.mark.parametrize("topic", TOPICS)
def test_an_event_sent_again_after_its_delete_is_a_new_beginning_by_offset(topic: Topic) -> None:
    log = Log(topic, "offset")
    log.says("one", event_id="e1")
    log.deletes()
    assert log.says("one", event_id="e1") == ["one"]
