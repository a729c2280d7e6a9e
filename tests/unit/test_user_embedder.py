"""Users become vectors: each statement by itself, so that it can be named, and all together as one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from consumers.user_embedder import UserEmbedder
from glowplug.events import UserCreated, UserDeleted, UserUpdated, UserVector
from glowplug.inference.fake import FakeEncoder
from glowplug.settings import AttributeDeclaration, DomainSettings, Settings, StreamSettings
from glowplug.stream.step import Batch, Context, DeadLetter, Outgoing, Record
from glowplug.vectors import unpack

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def created(**fields: object) -> UserCreated:
    return UserCreated.model_validate({"event_id": "e", "event_time": NOON, "user_id": "u"} | fields)


def updated(**fields: object) -> UserUpdated:
    return UserUpdated.model_validate({"event_id": "e2", "event_time": NOON, "user_id": "u"} | fields)


def record(offset: int, event: UserCreated | UserUpdated | UserDeleted | None) -> Record:
    return Record("users", 2, offset, 0, b"u", event.model_dump_json().encode() if event else None)


def opened(encoder: FakeEncoder | None = None, stream: StreamSettings | None = None) -> UserEmbedder:
    domain = DomainSettings(user_attributes={"age": AttributeDeclaration(type="number")})
    tree = Settings(domains={"default": domain}, stream=stream or StreamSettings())
    embedder = UserEmbedder(tree, encoder or FakeEncoder(fails_on="BOOM"))
    embedder.open(Context({"users": "T"}, {"users": 6}))
    return embedder


def run(embedder: UserEmbedder, *records: Record) -> tuple[tuple[Outgoing, ...], tuple[DeadLetter, ...]]:
    """One committed batch."""
    effects = embedder.step(Batch(records, NOON, 0.0))
    embedder.apply(effects.changes)
    return effects.outgoing, effects.dead_letters


def vector_of(embedder: UserEmbedder, *records: Record) -> UserVector:
    (out,), _ = run(embedder, *records)
    return UserVector.model_validate_json(out.value or b"")


def test_every_statement_keeps_its_own_vector_and_they_add_up_to_the_users() -> None:
    user = vector_of(
        opened(),
        record(
            4, created(text="I love jazz.", interests=("sf", "chess"), attributes={"age": 30}, blocked_items=("i",))
        ),
    )
    assert [(part.field, part.text, part.weight) for part in user.parts] == [
        ("text", "I love jazz.", 1.0),
        ("interests", "sf", 0.5),
        ("interests", "chess", 0.5),
        ("attributes", "age: 30", 0.1),
    ]
    assert user.blocked_items == ("i",)
    assert (user.source.topic, user.source.version, user.source.topic_id) == ("users", 4, "T")
    mean = sum(part.weight * unpack(part.vector).astype(np.float64) for part in user.parts)
    assert user.vector is not None
    assert np.allclose(unpack(user.vector), mean / np.linalg.norm(mean), atol=1e-3)


def test_users_are_embedded_with_the_users_prompt() -> None:
    user = vector_of(opened(), record(0, created(text="jazz")))
    expected = FakeEncoder().encode(["jazz"], "user")[0].astype(np.float16)
    assert np.array_equal(unpack(user.parts[0].vector), expected)


def test_a_user_who_says_nothing_has_no_vector() -> None:
    user = vector_of(opened(), record(0, created()))
    assert (user.vector, user.parts) == (None, ())


def test_an_interest_that_repeats_the_text_counts_as_both() -> None:
    user = vector_of(opened(), record(0, created(text="jazz", interests=("jazz",))))
    assert [(part.field, part.weight) for part in user.parts] == [("text", 1.0), ("interests", 1.0)]


def test_one_more_interest_costs_one_inference_also_after_a_restart() -> None:
    embedder = opened()
    outgoing, _ = run(embedder, record(0, created(text="I read.", interests=("sf", "jazz"))))
    encoder = FakeEncoder()
    restarted = opened(encoder)
    restarted.absorb([Record("user_vectors", 0, 0, 0, b"u", one.value) for one in outgoing])
    user = vector_of(restarted, record(1, updated(text="I read.", interests=("sf", "jazz", "chess"))))
    assert encoder.encoded == 1
    assert [part.text for part in user.parts] == ["I read.", "sf", "jazz", "chess"]


@pytest.mark.parametrize("value", [UserDeleted(event_id="d", event_time=NOON, user_id="u"), None])
def test_a_deleted_user_becomes_a_tombstone_and_a_late_update_does_not_revive_them(
    value: UserDeleted | None,
) -> None:
    embedder = opened()
    (out,), _ = run(embedder, record(3, created(text="x")), record(7, value))
    assert (out.topic, out.key, out.value) == ("user_vectors", "u", None)
    assert ("glowplug-version", b"7") in out.headers
    assert run(embedder, record(6, updated(text="late"))) == ((), ())


def test_a_user_with_one_statement_that_the_model_fails_on_is_one_dead_letter() -> None:
    outgoing, dead = run(opened(), record(0, created(text="fine", interests=("BOOM", "jazz"))))
    assert outgoing == ()
    assert [letter.error.cause for letter in dead] == ["model_rejected"]


def test_an_attribute_of_another_type_than_declared_is_a_dead_letter() -> None:
    outgoing, dead = run(opened(), record(0, created(attributes={"age": "thirty"})))
    assert outgoing == ()
    assert [letter.error.cause for letter in dead] == ["schema_violation"]


def test_a_text_of_the_greatest_length_fits_the_contract() -> None:
    user = vector_of(opened(), record(0, created(text="Words of mine. " * 1_333, interests=("\u0958" * 1_000,))))
    assert len([part for part in user.parts if part.field == "text"]) == 8


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_who_is_deleted_and_comes_back_says_so_however_the_log_is_cut(cut: int, is_restarted: bool) -> None:
    log = (
        record(3, created(text="x")),
        record(7, None),
        record(8, created(text="x")),
        record(9, updated(text="y")),
    )
    embedder = opened()
    outgoing, _ = run(embedder, *log[:cut])
    if is_restarted:
        embedder = opened()
        embedder.absorb([Record(o.topic, 2, n, 0, b"u", o.value, o.headers) for n, o in enumerate(outgoing)])
    assert vector_of(embedder, *log[cut:]).deleted_before == 7


def test_who_was_never_deleted_does_not_say_so() -> None:
    assert vector_of(opened(), record(3, created(text="x"))).deleted_before is None
