"""Token-budget batches, and a pass that memory cannot hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glowplug.inference.batches import PADDING, token_batches
from glowplug.inference.encoder import TokenBatch, Vectors, load
from glowplug.inference.pooling import pool
from glowplug.inference.transformers_encoder import TransformersEncoder
from glowplug.settings import EncoderSettings
from tests.support.tiny_models import tiny_bert

lengths_of_texts = st.lists(st.integers(0, 300), max_size=60)


def padded(batch: list[int], lengths: list[int]) -> int:
    return max(lengths[at] for at in batch) * len(batch)


@given(lengths_of_texts, st.integers(1, 1_000), st.integers(1, 1_000))
def test_every_text_is_in_exactly_one_batch(lengths: list[int], budget: int, enough: int) -> None:
    batches = token_batches(lengths, budget, enough)
    assert sorted(at for batch in batches for at in batch) == list(range(len(lengths)))


@given(lengths_of_texts, st.integers(1, 1_000), st.integers(1, 1_000))
def test_no_batch_of_several_texts_is_over_the_budget(lengths: list[int], budget: int, enough: int) -> None:
    batches = token_batches(lengths, budget, enough)
    assert all(padded(batch, lengths) <= budget for batch in batches if len(batch) > 1)


@given(lengths_of_texts, st.integers(1, 1_000), st.integers(1, 1_000))
def test_a_large_batch_is_hardly_padded(lengths: list[int], budget: int, enough: int) -> None:
    for batch in token_batches(lengths, budget, enough):
        tokens = padded(batch, lengths)
        if tokens > enough:
            assert tokens - sum(lengths[at] for at in batch) <= PADDING * tokens


def test_the_largest_pass_comes_first() -> None:
    assert token_batches([3, 9, 1], budget=9, enough=9) == [[1], [0, 2]]


def test_a_batch_that_memory_cannot_hold_is_halved_until_it_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_bert(tmp_path / "model")
    encoder = load(EncoderSettings(model=str(folder), cache_dir=tmp_path, device="cpu", dtype="float32"))
    texts = [f"text {at}" for at in range(9)]
    expected = encoder.encode(texts, "item")
    whole, sizes = TransformersEncoder._pass, []

    def at_most_two(self: TransformersEncoder, batch: TokenBatch) -> Vectors:
        sizes.append(len(batch.rows))
        if len(batch.rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, batch)

    monkeypatch.setattr(TransformersEncoder, "_pass", at_most_two)
    np.testing.assert_allclose(encoder.encode(texts, "item"), expected, atol=1e-6)
    assert sizes[0] == 9
    assert max(sizes[1:]) < 9


def test_a_single_text_that_memory_cannot_hold_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load(EncoderSettings(model=str(tiny_bert(tmp_path / "model")), cache_dir=tmp_path, device="cpu"))

    def never(_self: TransformersEncoder, _batch: TokenBatch) -> Vectors:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(TransformersEncoder, "_pass", never)
    with pytest.raises(torch.OutOfMemoryError):
        encoder.encode(["text"], "item")


@pytest.mark.parametrize("name", ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"])
def test_a_text_without_tokens_is_nan_and_spoils_no_other(name: str) -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [torch.nan, torch.nan]]])
    rows = pool(hidden, torch.tensor([0, 1]), [name])
    assert rows[0].isnan().all()
    assert rows[1].tolist() == [5.0, 6.0]


def test_several_poolings_stand_side_by_side() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])
    assert pool(hidden, torch.tensor([2]), ["cls", "mean"]).tolist() == [[1.0, 2.0, 2.0, 4.0]]
