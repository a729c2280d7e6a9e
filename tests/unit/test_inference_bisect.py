"""One poison text is one rejection; a broken model is nobody's fault."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowplug.errors import ModelRejected, ModelUnavailable
from glowplug.inference.bisect import PROBE, encode_each
from glowplug.inference.encoder import Kind, Vectors
from glowplug.inference.fake import FakeEncoder


class Counting(FakeEncoder):
    calls = 0

    def encode(self, texts: Sequence[str], kind: Kind) -> Vectors:
        self.calls += 1
        return super().encode(texts, kind)


@given(st.lists(st.booleans(), max_size=40), st.sampled_from(["fails_on", "nan_on"]))
def test_exactly_the_poison_texts_are_rejected(is_poison: list[bool], failure: str) -> None:
    encoder = FakeEncoder(fails_on="BOOM" if failure == "fails_on" else None, nan_on="BOOM")
    texts = [f"text {at} {'BOOM' if bad else ''}" for at, bad in enumerate(is_poison)]
    outcomes = encode_each(encoder, texts, "item")
    assert [isinstance(outcome, ModelRejected) for outcome in outcomes] == is_poison
    for text, outcome in zip(texts, outcomes, strict=True):
        if not isinstance(outcome, ModelRejected):
            np.testing.assert_array_equal(outcome, FakeEncoder().encode([text], "item")[0])


def test_a_batch_without_poison_costs_one_call() -> None:
    encoder = Counting()
    encode_each(encoder, ["a", "b", "c"], "user")
    assert encoder.calls == 1


def test_one_poison_text_among_many_costs_a_logarithm_of_calls() -> None:
    encoder = Counting(fails_on="BOOM")
    encode_each(encoder, [*(f"text {at}" for at in range(255)), "BOOM"], "item")
    assert encoder.calls <= 2 * 8 + 2


def test_a_model_that_fails_on_the_probe_too_is_unavailable() -> None:
    with pytest.raises(ModelUnavailable, match="fails on every text"):
        encode_each(FakeEncoder(fails_on=""), ["a", "b"], "item")


def test_a_model_that_answers_nan_to_the_probe_is_unavailable() -> None:
    with pytest.raises(ModelUnavailable, match="not finite"):
        encode_each(FakeEncoder(nan_on=""), ["a"], "item")


def test_a_broken_model_is_noticed_before_every_text_was_tried() -> None:
    encoder = Counting(fails_on="")
    with pytest.raises(ModelUnavailable):
        encode_each(encoder, [f"text {at}" for at in range(256)], "item")
    assert encoder.calls <= 8 + 2


def test_an_error_of_ours_passes_through() -> None:
    class Unreachable(FakeEncoder):
        def finish(self, _pooled: Vectors, _kind: Kind) -> Vectors:
            raise ModelUnavailable("the endpoint is down")

    with pytest.raises(ModelUnavailable, match="the endpoint is down"):
        encode_each(Unreachable(), ["a"], "item")


def test_a_rejection_does_not_repeat_the_text() -> None:
    (outcome,) = encode_each(FakeEncoder(nan_on="secret"), ["my secret diary"], "user")
    assert isinstance(outcome, ModelRejected)
    assert "diary" not in str(outcome)
    assert "15 characters" in str(outcome)


def test_no_texts_are_no_outcomes() -> None:
    assert encode_each(FakeEncoder(), [], "item") == []
    assert PROBE
