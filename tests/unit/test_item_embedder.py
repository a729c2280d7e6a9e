"""Items become vectors by version: nothing embedded twice, nothing deleted comes back, one dead letter a fault."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import numpy as np
import pytest
from prometheus_client import REGISTRY

from consumers.item_embedder import ItemEmbedder
from glowplug.errors import BadSettings, BadTopics
from glowplug.events import ItemCreated, ItemDeleted, ItemVector
from glowplug.inference.fake import FakeEncoder
from glowplug.settings import DomainSettings, Settings, StreamSettings
from glowplug.stream.step import Batch, Context, Outgoing, Record
from glowplug.vectors import unpack
from tests.support.embedding import (
    BY_EVENT,
    NOON,
    YEAR,
    absorbed,
    created,
    deleted,
    opened,
    record,
    run,
    updated,
    vectors,
)


def headers_of(outgoing: Outgoing) -> dict[str, bytes]:
    return dict(outgoing.headers)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_an_item_becomes_a_vector_with_what_ranking_needs_beside_it() -> None:
    description = " ".join(f"In space, day {day}." for day in range(50))
    event = created(
        title="Alien", description=description, attributes={"year": 1979, "genres": ("sf",)}, domain="films"
    )
    (out,), dead = run(opened(), record(5, event))
    item = ItemVector.model_validate_json(out.value or b"")
    assert (out.topic, out.key, dead) == ("item_vectors", "a", ())
    assert (item.title, item.domain, item.attributes) == ("Alien", "films", {"year": 1979.0, "genres": ("sf",)})
    assert item.summary.startswith("In space, day 0. In space, day 1.")
    assert len(item.summary) <= 160
    assert (item.listed_at, item.generated_at, item.available) == (NOON, NOON, True)
    assert (item.source.topic, item.source.topic_id, item.source.partition) == ("items", "T", 1)
    assert (item.source.offset, item.source.version, item.source.event_id) == (5, 5, "e")
    assert item.embedding.fingerprint == FakeEncoder().fingerprint
    assert item.vector is not None
    text = f"Alien\n{description}\ngenres: sf\nyear: 1979"
    assert np.array_equal(unpack(item.vector), FakeEncoder().encode([text], "item")[0].astype(np.float16))


def test_an_item_without_text_has_no_vector_and_is_known_all_the_same() -> None:
    encoder = FakeEncoder()
    outgoing, _ = run(opened(encoder=encoder), record(0, created(title=" \u200b")))
    assert [item.vector for item in vectors(outgoing)] == [None]
    assert encoder.encoded == 0


def test_an_update_of_what_is_not_text_costs_no_inference() -> None:
    encoder = FakeEncoder()
    embedder = opened(encoder=encoder)
    first, _ = run(embedder, record(0, created(title="Alien")))
    saved = counted("glowplug_inference_saved_total", kind="item")
    second, _ = run(embedder, record(1, updated(title="Alien", available=False)))
    assert encoder.encoded == 1
    assert counted("glowplug_inference_saved_total", kind="item") == saved + 1
    (before,), (after,) = vectors(first), vectors(second)
    assert (before.available, after.available) == (True, False)
    assert before.vector == after.vector


def test_the_same_text_costs_no_inference_after_a_restart() -> None:
    outgoing, _ = run(opened(), record(0, created(title="Alien")))
    encoder = FakeEncoder()
    again, _ = run(absorbed(outgoing, opened(encoder=encoder)), record(1, updated(title="Alien", available=False)))
    assert encoder.encoded == 0
    assert vectors(again)[0].vector == vectors(outgoing)[0].vector


def test_the_same_text_of_two_items_in_one_batch_is_embedded_once() -> None:
    encoder = FakeEncoder()
    run(
        opened(encoder=encoder), record(0, created("a", title="Alien")), record(1, created("b", title="Alien"), "b")
    )
    assert encoder.encoded == 1


def test_a_repeat_is_ignored_and_counted() -> None:
    embedder = opened()
    run(embedder, record(3, created(title="Alien")))
    stale = counted("glowplug_stale_inputs_total", consumer="item_embedder")
    assert run(embedder, record(3, created(title="Alien"))) == ((), ())
    assert counted("glowplug_stale_inputs_total", consumer="item_embedder") == stale + 1


def test_a_new_encoder_embeds_the_same_version_anew_and_the_old_one_does_not_return() -> None:
    outgoing, _ = run(opened(), record(3, created(title="Alien")))
    wider = absorbed(outgoing, opened(encoder=FakeEncoder(dim=128)))
    (item,) = vectors(run(wider, record(3, created(title="Alien")))[0])
    assert item.vector is not None
    assert item.vector.dim == 128
    assert run(wider, record(3, created(title="Alien"))) == ((), ())


def test_a_new_template_publishes_the_same_version_anew() -> None:
    outgoing, _ = run(opened(), record(3, created(title="Alien")))
    titles = absorbed(outgoing, opened(domain=DomainSettings(item_template="{title}")))
    (item,) = vectors(run(titles, record(3, created(title="Alien")))[0])
    assert item.embedding.template != vectors(outgoing)[0].embedding.template


def test_an_aborted_batch_leaves_no_trace() -> None:
    embedder = opened()
    aborted = embedder.step(Batch((record(0, created(title="Alien")),), NOON, 0.0))
    again = embedder.step(Batch((record(0, created(title="Alien")),), NOON, 0.0))
    assert aborted == again


@pytest.mark.parametrize("value", [deleted(), None])
def test_a_delete_becomes_a_tombstone_that_carries_its_version(value: ItemDeleted | None) -> None:
    embedder = opened()
    run(embedder, record(0, created(title="Alien")))
    (out,), _ = run(embedder, record(7, value))
    assert (out.topic, out.key, out.value) == ("item_vectors", "a", None)
    assert out.headers[:2] == (("glowplug-version", b"7"), ("glowplug-source", b"T/1/7"))


def test_a_tombstone_says_which_delete_it_comes_from_and_when() -> None:
    (by_event,), _ = run(opened(), record(7, deleted()))
    assert headers_of(by_event)["glowplug-event-id"] == b"d"
    assert headers_of(by_event)["glowplug-event-time"] == b"2026-11-24T12:00:00+00:00"
    null = Record("items", 1, 8, int(NOON.timestamp() * 1000), b"a", None)
    (by_null,), _ = run(opened(), null)
    assert "glowplug-event-id" not in headers_of(by_null)
    assert headers_of(by_null)["glowplug-event-time"] == b"2026-11-24T12:00:00+00:00"


def test_after_a_restart_a_late_update_does_not_resurrect_a_deleted_item() -> None:
    first, _ = run(opened(BY_EVENT), record(0, created(title="Alien", version=1)))
    second, _ = run(absorbed(first, opened(BY_EVENT)), record(1, deleted(version=5)))
    restarted = absorbed((*first, *second), opened(BY_EVENT))
    assert run(restarted, record(2, updated(title="Aliens", version=4))) == ((), ())
    assert len(vectors(run(restarted, record(3, updated(title="Aliens", version=6)))[0])) == 1


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_whatever_the_order_of_versions_the_last_delete_wins(order: Sequence[int]) -> None:
    events = [created(title="one", version=1), updated(title="two", version=2), deleted(version=4)]
    events.append(updated(title="three", version=3))
    embedder = opened(BY_EVENT)
    table: dict[str, bytes | None] = {}
    for offset, at in enumerate(order):
        outgoing, _ = run(embedder, record(offset, events[at]))
        table |= {one.key: one.value for one in outgoing}
    assert table == {"a": None}


def test_a_null_value_without_a_version_deletes_what_is_known_at_its_version() -> None:
    embedder = opened(BY_EVENT)
    run(embedder, record(0, created(title="Alien", version=5)))
    (out,), _ = run(embedder, record(1, None))
    assert out.headers[0] == ("glowplug-version", b"5")
    assert run(embedder, record(2, None), record(3, updated(title="late", version=5))) == ((), ())
    assert len(run(embedder, record(4, updated(title="back", version=6)))[0]) == 1


def test_an_event_without_the_version_that_the_settings_ask_for_is_a_dead_letter() -> None:
    outgoing, (letter,) = run(opened(BY_EVENT), record(0, created(title="Alien")))
    assert outgoing == ()
    assert letter.error.cause == "schema_violation"
    assert "stream.versions.items" in str(letter.error)


def test_an_update_without_listing_time_keeps_the_first_one() -> None:
    embedder = opened()
    run(embedder, record(0, created(title="Alien")))
    later = NOON + timedelta(days=3)
    (second,) = vectors(run(embedder, record(1, updated(title="Alien", event_time=later)))[0])
    (third,) = vectors(run(embedder, record(2, updated(title="Alien", event_time=later, listed_at=later)))[0])
    assert (second.listed_at, third.listed_at) == (NOON, later)


def test_of_several_versions_in_one_batch_the_last_valid_one_is_published() -> None:
    outgoing, dead = run(
        opened(),
        record(0, created(title="one")),
        record(1, updated(title="two")),
        record(2, updated(title="BOOM")),
    )
    assert [item.title for item in vectors(outgoing)] == ["two"]
    assert [(letter.record.offset, letter.error.cause) for letter in dead] == [(2, "model_rejected")]


def test_one_text_that_the_model_fails_on_does_not_stop_the_others() -> None:
    events = [created(str(n), title="BOOM" if n == 3 else f"item {n}") for n in range(8)]
    outgoing, dead = run(opened(), *(record(n, event, str(n)) for n, event in enumerate(events)))
    assert [item.item_id for item in vectors(outgoing)] == ["0", "1", "2", "4", "5", "6", "7"]
    assert [letter.record.offset for letter in dead] == [3]


@pytest.mark.parametrize(
    ("value", "key", "cause"),
    [
        (b"{", "a", "malformed_json"),
        (b"{}", "a", "schema_violation"),
        (created("b", title="x"), "a", "key_mismatch"),
        (created(title="x", attributes={"year": "1979"}), "a", "schema_violation"),
        (created(title="x", attributes={f"n{n}": "y" * 900 for n in range(10)}), "a", "too_large"),
    ],
)
def test_invalid_input_is_one_dead_letter(value: ItemCreated | bytes, key: str, cause: str) -> None:
    small = StreamSettings(max_record_bytes=5_000)
    bad = record(0, value, key)
    outgoing, dead = run(opened(small, domain=DomainSettings(item_attributes={"year": YEAR})), bad)
    assert outgoing == ()
    assert [(letter.record, letter.error.cause) for letter in dead] == [(bad, cause)]


def test_a_template_with_an_unknown_field_stops_the_start() -> None:
    with pytest.raises(BadSettings, match="item_template"):
        opened(domain=DomainSettings(item_template="{name}"))


def test_what_this_consumer_cannot_have_written_is_not_taken_for_its_memory() -> None:
    embedder = opened()
    embedder.absorb([Record("item_vectors", 0, n, 0, b"a", value) for n, value in enumerate([b"{", b"{}", None])])
    assert len(run(embedder, record(0, created(title="Alien")))[0]) == 1


def test_a_second_event_of_a_batch_may_be_fresh_only_because_of_the_first() -> None:
    domains = {"default": DomainSettings(), "other": DomainSettings(item_template="{title}")}
    embedder = ItemEmbedder(Settings(stream=BY_EVENT, domains=domains), FakeEncoder())
    embedder.open(Context({"items": "T"}, {"items": 6}))
    run(embedder, record(0, created(title="one", version=5)))
    second = record(1, updated(title="two", version=5, domain="other"))
    third = record(2, updated(title="three", version=5))
    outgoing, dead = run(embedder, second, third)
    assert [item.title for item in vectors(outgoing)] == ["three"]
    assert dead == ()


@pytest.mark.parametrize("first", [created(title="one"), None])
def test_a_topic_that_was_created_anew_stops_the_start_until_it_is_declared(first: ItemCreated | None) -> None:
    outgoing, _ = run(opened(), record(0, created(title="zero")), record(7, first))

    def after(stream: StreamSettings) -> ItemEmbedder:
        embedder = opened(stream)
        embedder.open(Context({"items": "another"}, {"items": 6}))
        return absorbed(outgoing, embedder)

    with pytest.raises(BadTopics, match=r"stream\.recreated"):
        after(StreamSettings())
    again, _ = run(after(StreamSettings(recreated=("items",))), record(0, created(title="again")))
    assert [item.title for item in vectors(again)] == ["again"]
