"""Items are published at once, and again with what a model reads in them; a model that is down holds nothing up."""

from __future__ import annotations

import json
from typing import Any

from consumers.item_embedder import ItemEmbedder
from glowplug.errors import ModelUnavailable
from glowplug.inference.fake import FakeEncoder
from glowplug.settings import load
from glowplug.stream.step import Outgoing, Record
from tests.support.drive import Driver
from tests.support.events import at, claim, item_vector
from tests.support.profiling import Words
from tests.support.recommending import X, act, item, put_items, recommender, user

DOWN = ModelUnavailable("away")


class Reading:
    """An item embedder with a model, whose desk works when `settle` is called."""

    def __init__(self, model: Words | None = None, after: Reading | None = None) -> None:
        self.model = model or Words()
        self.encoder = FakeEncoder()
        self.step = ItemEmbedder(load(), self.encoder, self.model, is_threaded=False)
        self.driver: Driver = Driver(self.step, after=after.driver if after else None)
        self.inputs: list[Record] = list(after.inputs) if after else []
        self.written: list[Outgoing] = list(after.written) if after else []
        if after is not None:
            self.step.restore(self.inputs)
            self.step.absorb(
                [
                    Record("item_vectors", 0, number, 0, out.key.encode(), out.value, out.headers)
                    for number, out in enumerate(self.written)
                ]
            )
            self.step.assigned(frozenset({0}))

    def item(self, name: str, title: str, **more: Any) -> list[Outgoing]:
        event = {"type": "item.created", "event_id": f"e {title} {more}", "event_time": at(), "item_id": name}
        return self.feed(self.driver.record("items", name, event | {"title": title} | more))

    def feed(self, *records: Record) -> list[Outgoing]:
        out = self.driver.feed(*records)
        self.inputs += records
        self.written += out
        return out

    def settle(self) -> list[Any]:
        """What is published once the model has read all it can: by item, the labels."""
        while len(self.step.reader.desk) and not self.step.reader.desk.pause_s():  # type: ignore[union-attr]  # there
            self.step.reader.desk.work()  # type: ignore[union-attr]  # likewise
        out = self.driver.settle()
        self.written += out
        return [labels(each) for each in out]


def labels(out: Outgoing) -> Any:
    """None: nobody has read it yet."""
    inferred = json.loads(out.value or b"{}")["inferred"]
    return inferred and [one["label"] for one in inferred["claims"]]


def test_an_item_is_published_at_once_and_again_with_what_was_read_in_it() -> None:
    reading = Reading()
    (first,) = reading.item("a", "All that jazz")
    assert labels(first) is None
    assert reading.settle() == [["jazz"]]
    one, other = (json.loads(out.value or b"") for out in reading.written)
    assert {name for name in one if one[name] != other[name]} == {"inferred"}
    assert other["inferred"]["claims"][0]["evidence"]["text"] == "jazz"


def test_while_the_model_is_down_items_go_out_and_are_read_later() -> None:
    reading = Reading()
    reading.model.raises = DOWN
    for name in ("a", "b", "c"):
        assert len(reading.item(name, f"jazz {name}")) == 1
        assert reading.settle() == []
    assert reading.step.condition().state == "degraded"
    again = Reading(after=reading)
    assert again.settle() == [["jazz"]] * 3
    assert again.model.asked == ["jazz c", "jazz b", "jazz a"]


def test_the_same_words_are_not_read_again_nor_after_a_restart() -> None:
    reading = Reading()
    reading.item("a", "jazz")
    reading.settle()
    (out,) = reading.item("a", "jazz", available=False)
    assert labels(out) == ["jazz"]
    again = Reading(after=reading)
    assert again.settle() == []
    assert [labels(out) for out in again.item("a", "jazz", available=True)] == [["jazz"]]
    assert (reading.model.asked, again.model.asked) == (["jazz"], [])


def test_the_same_event_sent_again_is_published_no_second_time() -> None:
    reading = Reading()
    reading.item("a", "jazz")
    reading.settle()
    assert reading.item("a", "jazz") == []
    assert Reading(after=reading).item("a", "jazz") == []


def test_what_was_read_in_an_older_text_or_in_a_deleted_item_is_not_published() -> None:
    reading = Reading()
    reading.item("a", "jazz")
    reading.item("b", "jazz")
    while len(reading.step.reader.desk):  # type: ignore[union-attr]  # there
        reading.step.reader.desk.work()  # type: ignore[union-attr]  # likewise
    reading.item("a", "chess")
    reading.feed(reading.driver.record("items", "b", None))
    assert reading.settle() == [["chess"]]


def test_an_item_without_words_or_one_that_the_model_rejects_is_read_with_nothing_found() -> None:
    reading = Reading()
    reading.model.rejects = "BOOM"
    (silent,) = reading.item("a", "")
    assert labels(silent) == []
    reading.item("b", "BOOM")
    assert reading.settle() == [[]]
    assert reading.driver.dead == []


def test_another_model_reads_all_items_again_in_idle_time() -> None:
    reading = Reading()
    reading.item("a", "jazz")
    reading.settle()
    again = Reading(Words("words:2"), after=reading)
    assert again.settle() == [["jazz"]]
    assert json.loads(again.written[-1].value or b"")["inferred"]["model"] == "words:2"


def test_what_was_read_in_an_item_explains_and_does_not_move_lists() -> None:
    driver = recommender(text_strength=1.0)
    put_items(driver, **{f"other-{n}": [-1.0, 0.0, 0.0] for n in range(9)})
    for name in ("liked", "alike"):
        item(driver, name, X)
    driver.settle()
    user(driver, "u", None)
    act(driver, "u", "liked")
    before = len(driver.values("recommendations"))
    read = {"model": "m", "content": "c", "claims": [claim("tone:laid-back", "slow", "so slow")]}
    for name in ("liked", "alike"):
        driver.step.absorb([driver.record("item_vectors", name, {**item_vector(name, X), "inferred": read})])
    driver.settle()
    assert len(driver.values("recommendations")) == before
    act(driver, "u", "other-1", "view")
    told = {one["item_id"]: one["explanation"]["text"] for one in driver.latest("recommendations")["u"]["items"]}
    assert told["alike"] == "similar to “Title of liked”, which you liked (tone: laid back)"
