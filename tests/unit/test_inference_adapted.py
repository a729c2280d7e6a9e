"""An adapter on an encoder: classes of tokens in the encoder's turns; no vector changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from glowplug.inference.adapter import Adapter, read_adapter, write_adapter
from glowplug.inference.encoder import StagedEncoder, TextEncoder, load
from glowplug.inference.fake import FakeEncoder
from glowplug.inference.shared import SharedEncoder, behind, token_classifier
from glowplug.inference.token_classes import TokenClasses
from glowplug.settings import EncoderSettings
from tests.support.tiny_models import WIDTH, tiny_bert

LAYERS = ("encoder.layer.0.attention.self.query", "encoder.layer.1.output.dense")
TEXTS = ("I play chess", "猫 and 狗", "x", "a much longer text about walking in the mountains")


@pytest.fixture
def encoder(tmp_path: Path) -> StagedEncoder:
    folder = tiny_bert(tmp_path / "model")
    return load(EncoderSettings(model=str(folder), cache_dir=tmp_path / "cache", dtype="float32", device="cpu"))


def adapter(encoder: str, strength: float = 1.0) -> Adapter:
    rng = np.random.default_rng(7)

    def some(*shape: int) -> NDArray[np.float32]:
        return rng.normal(size=shape).astype(np.float16).astype(np.float32)  # as a file keeps them

    wide = {LAYERS[0]: WIDTH, LAYERS[1]: 64}
    updates = {name: (some(2, wide[name]), np.float32(strength) * some(WIDTH, 2)) for name in LAYERS}
    return Adapter(encoder, ("nothing", "wanted", "avoided"), 2.0, updates, some(3, WIDTH), some(3))


def classified(encoder: TextEncoder, given: Adapter) -> list[TokenClasses]:
    classifier = token_classifier(encoder, given)
    assert classifier is not None
    return classifier.classify(TEXTS)


def test_an_adapter_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = adapter("an encoder")
    write_adapter(one, tmp_path / "adapter.safetensors")
    other = read_adapter(tmp_path / "adapter.safetensors")
    assert (other.encoder, other.classes, other.scale) == (one.encoder, one.classes, one.scale)
    assert other.updates.keys() == one.updates.keys()
    for name, (down, up) in one.updates.items():
        np.testing.assert_array_equal(other.updates[name][0], down)
        np.testing.assert_array_equal(other.updates[name][1], up)
    np.testing.assert_array_equal(other.weight, one.weight)
    write_adapter(adapter("another"), tmp_path / "another.safetensors")
    assert len({other.hash, read_adapter(tmp_path / "another.safetensors").hash, ""}) == 3


def test_every_character_of_a_text_is_of_one_token_and_the_prompt_of_none(encoder: StagedEncoder) -> None:
    for text, found in zip(TEXTS, classified(encoder, adapter(encoder.fingerprint)), strict=True):
        assert "".join(text[a:b] for a, b in zip(found.starts, found.ends, strict=True)).split() == text.split()
        assert found.shares.shape == (len(found.starts), 3)
        np.testing.assert_allclose(found.shares.sum(axis=1), 1.0, rtol=1e-5)


def test_updates_change_the_classes_and_leave_the_vectors_alone(encoder: StagedEncoder) -> None:
    before = encoder.encode(TEXTS, "user")
    strong, none = (classified(encoder, adapter(encoder.fingerprint, strength)) for strength in (1.0, 0.0))
    assert np.abs(strong[0].shares - none[0].shares).max() > 0.01
    np.testing.assert_array_equal(encoder.encode(TEXTS, "user"), before)


def test_without_updates_a_token_is_classed_by_the_encoders_own_state(encoder: StagedEncoder) -> None:
    plain, doubled = adapter(encoder.fingerprint, 0.0), adapter(encoder.fingerprint, 0.0)
    doubled.weight[:] *= 2
    doubled.bias[:] *= 2
    one, two = (classified(encoder, given)[0].shares for given in (plain, doubled))
    squared = one**2 / (one**2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(two, squared, rtol=1e-3)


def test_a_text_is_classed_alike_alone_in_a_batch_and_behind_others(encoder: StagedEncoder) -> None:
    given = adapter(encoder.fingerprint)
    shared = SharedEncoder(encoder, memo=0)
    alone, front, back = (classified(one, given) for one in (encoder, shared, behind(shared)))
    for one, two, three in zip(alone, front, back, strict=True):
        np.testing.assert_allclose(two.shares, one.shares, atol=1e-5)
        np.testing.assert_allclose(three.shares, one.shares, atol=1e-5)
        np.testing.assert_array_equal(three.starts, one.starts)


def test_an_adapter_serves_only_the_encoder_that_it_was_learned_on(encoder: StagedEncoder) -> None:
    assert token_classifier(encoder, adapter("another:123")) is None
    assert token_classifier(SharedEncoder(encoder, memo=0), adapter("another:123")) is None


def test_an_encoder_whose_network_is_elsewhere_has_no_classes() -> None:
    fake = FakeEncoder()
    for encoder in (fake, SharedEncoder(fake, memo=0), behind(SharedEncoder(fake, memo=0))):
        assert token_classifier(encoder, adapter(fake.fingerprint)) is None


def test_of_a_stretch_the_tokens_that_touch_it_are_averaged() -> None:
    found = TokenClasses(
        np.array([[1, 0], [0, 1], [0.5, 0.5]], np.float32), np.array([0, 3, 7]), np.array([3, 7, 9])
    )
    np.testing.assert_allclose(found.of(2, 5), [0.5, 0.5])  # type: ignore[arg-type]
    np.testing.assert_allclose(found.of(3, 7), [0.0, 1.0])  # type: ignore[arg-type]
    assert found.of(9, 12) is None
