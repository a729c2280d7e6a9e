"""Users become profiles: versions, deletes, repeats; never twice the same text, never a claim without its words."""

from __future__ import annotations

import numpy as np
import pytest

from glowplug.events import UserProfile
from glowplug.inference.fake import FakeEncoder
from glowplug.profiles.model import Claimed
from glowplug.vectors import unpack
from tests.support.profiling import Words, Writing


def test_a_claim_names_the_words_that_it_rests_on_and_has_a_vector() -> None:
    writing = Writing()
    writing.feed(writing.user("ada", "I love jazz, no horror please.", interests=["chess"]))
    writing.settle()
    profile = UserProfile.model_validate(writing.profile("ada"), strict=False)
    assert profile.state == "ready"
    assert [(one.label, one.evidence.field, one.evidence.text) for one in profile.interests] == [
        ("jazz", "text", "jazz"),
        ("chess", "interests.0", "chess"),
    ]
    assert [(one.label, one.evidence.start, one.evidence.end) for one in profile.avoid] == [("horror", 16, 22)]
    encoder = FakeEncoder()
    jazz, chess, horror = encoder.encode(["jazz", "chess", "horror"], "user")
    assert profile.vector is not None
    assert profile.avoid_vector is not None
    assert profile.embedding is not None
    assert profile.embedding.fingerprint == encoder.fingerprint
    mean = unpack(profile.vector).astype(np.float64)
    np.testing.assert_allclose(mean, (jazz + chess) / np.linalg.norm(jazz + chess), atol=2e-3)
    np.testing.assert_allclose(unpack(profile.avoid_vector), horror, atol=2e-3)


def test_until_the_model_has_read_a_text_it_is_pending_and_no_offset_waits() -> None:
    writing = Writing()
    (out,) = writing.feed(writing.user("ada", "jazz", event_id="e"))
    pending = UserProfile.model_validate_json(out.value or b"")
    assert (pending.state, pending.source.offset, pending.interests) == ("pending", 0, ())
    assert b"jazz" not in (out.value or b"")
    writing.settle()
    assert writing.states() == [("ada", "pending"), ("ada", "ready")]


def test_a_user_who_says_nothing_needs_no_model() -> None:
    writing = Writing()
    writing.feed(writing.user("ada", " "))
    assert writing.states() == [("ada", "ready")]
    assert writing.model.calls == []


def test_claims_without_words_in_the_input_are_left_out() -> None:
    writing = Writing()
    writing.model.extra = (
        Claimed("opera", 0.5, "text", 2, 99),
        Claimed("golf", 0.5, "liked", 0, 1),
        Claimed("golf", 0.5, "text", 2, 2),
        Claimed("cars", 1.5, "text", 0, 4),
    )
    writing.feed(writing.user("ada", "jazz"))
    writing.settle()
    assert [one["label"] for one in writing.profile("ada")["interests"]] == ["jazz"]


def test_the_same_text_in_a_later_version_is_not_read_again() -> None:
    writing = Writing()
    writing.feed(writing.user("ada", "jazz"))
    writing.settle()
    before = writing.profile("ada")
    (out,) = writing.feed(writing.user("ada", "jazz", blocked_items=["x"]))
    after = writing.profile("ada")
    assert out.key == "ada"
    assert writing.model.asked == ["jazz"]
    assert (after["state"], after["source"]["version"]) == ("ready", 1)
    assert after["interests"] == before["interests"]
    assert after["vector"] == before["vector"]


def test_the_same_text_is_not_read_again_after_a_restart_either() -> None:
    first = Writing()
    first.feed(first.user("ada", "jazz"))
    first.settle()
    second = Writing(after=first)
    second.feed(second.user("ada", "jazz"))
    assert second.model.asked == []
    assert second.states() == [("ada", "ready")]


def test_another_model_reads_the_same_text_again() -> None:
    first = Writing()
    first.feed(first.user("ada", "jazz"))
    first.settle()
    second = Writing(Words("words:2"), after=first)
    second.feed(second.user("ada", "jazz"))
    second.settle()
    assert second.model.asked == ["jazz"]
    assert second.profile("ada")["model"] == "words:2"


def test_another_encoder_costs_vectors_and_no_inference() -> None:
    first = Writing()
    first.feed(first.user("ada", "jazz"))
    first.settle()
    second = Writing(encoder=FakeEncoder(dim=32), after=first)
    second.feed(second.user("ada", "jazz"))
    second.settle()
    assert second.model.asked == []
    assert second.profile("ada")["vector"]["dim"] == 32
    assert [one["label"] for one in second.profile("ada")["interests"]] == ["jazz"]


def test_a_repeat_is_ignored_and_a_late_version_too() -> None:
    by_event = {"versions": {"users": "event"}}
    writing = Writing(stream=by_event)
    writing.feed(writing.user("ada", "jazz", version=5))
    assert writing.feed(writing.user("ada", "jazz", version=5)) == []
    writing.settle()
    assert writing.feed(writing.user("ada", "jazz", version=5), writing.user("ada", "chess", version=4)) == []
    assert writing.model.asked == ["jazz"]


def test_the_same_event_sent_again_is_ignored_also_while_it_waits_and_after_a_restart() -> None:
    first = Writing()
    first.feed(first.user("ada", "jazz", event_id="e"))
    assert first.feed(first.user("ada", "jazz", event_id="e")) == []
    first.settle()
    assert first.feed(first.user("ada", "jazz", event_id="e")) == []
    second = Writing(after=first)
    assert second.feed(second.user("ada", "jazz", event_id="e")) == []
    second.feed(second.user("ada", "chess", event_id="e2"))
    assert second.feed(second.user("ada", "chess", event_id="e2")) == []
    assert second.states() == [("ada", "pending")]


def test_of_several_versions_in_one_batch_only_the_last_is_read() -> None:
    writing = Writing()
    (out,) = writing.feed(writing.user("ada", "jazz"), writing.user("ada", "chess"))
    assert out.key == "ada"
    writing.settle()
    assert writing.model.asked == ["chess"]


def test_an_invalid_user_is_left_to_the_user_embedder_and_the_others_go_on() -> None:
    writing = Writing(domains={"default": {"user_attributes": {"age": {"type": "number"}}}})
    writing.feed(
        writing.driver.record("users", "eve", b"{"),
        writing.user("bo", "jazz", attributes={"age": "thirty"}),
        writing.user("ada", "jazz", attributes={"age": 30}),
    )
    writing.settle()
    assert writing.driver.dead == []
    assert writing.states() == [("ada", "pending"), ("ada", "ready")]


def test_a_delete_becomes_a_tombstone_and_a_late_update_does_not_revive_the_user() -> None:
    writing = Writing(stream={"versions": {"users": "event"}})
    gone = {"type": "user.deleted", "event_id": "d", "event_time": "2026-02-01T00:00:00Z", "user_id": "ada"}
    writing.feed(writing.user("ada", "jazz", version=1))
    writing.settle()
    (out,) = writing.feed(writing.driver.record("users", "ada", gone | {"version": 3}))
    assert (out.key, out.value) == ("ada", None)
    assert ("glowplug-version", b"3") in out.headers
    assert writing.feed(writing.user("ada", "late", version=2)) == []
    assert Writing(after=writing).feed(writing.user("ada", "late", version=2)) == []


@pytest.mark.parametrize("fault", ["rejects", "breaks"])
def test_a_text_that_the_model_cannot_read_ends_with_an_empty_profile_and_takes_nobody_with_it(fault: str) -> None:
    writing = Writing()
    setattr(writing.model, fault, "BOOM")
    writing.feed(writing.user("eve", "BOOM jazz"), writing.user("ada", "jazz"))
    writing.settle()
    assert writing.driver.dead == []
    assert writing.profile("ada")["interests"]
    assert (writing.profile("eve")["state"], writing.profile("eve")["interests"]) == ("ready", [])
    assert writing.step.condition().state == "ok"


def test_what_was_read_in_an_earlier_text_is_kept_in_the_record_until_the_new_one_is_read() -> None:
    writing = Writing()
    writing.feed(writing.user("ada", "jazz"))
    writing.settle()
    ready = writing.profile("ada")
    writing.feed(writing.user("ada", "chess"))
    pending = writing.profile("ada")
    assert (pending["state"], pending["source"]["version"]) == ("pending", 1)
    assert (pending["interests"], pending["vector"]) == (ready["interests"], ready["vector"])
    writing.settle()
    assert [one["label"] for one in writing.profile("ada")["interests"]] == ["chess"]


def test_a_profile_larger_than_a_record_may_be_is_left_empty() -> None:
    writing = Writing(stream={"max_record_bytes": 1_000})
    writing.feed(writing.user("ada", "jazz chess hiking cooking"))
    writing.settle()
    assert (writing.profile("ada")["state"], writing.profile("ada")["interests"]) == ("ready", [])
