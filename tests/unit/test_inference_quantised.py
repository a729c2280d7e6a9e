"""Vectors in a byte for each part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from bench.profile_linker import PART, quantised
from glowplug.inference.encoder import unit
from glowplug.inference.quantised import CHUNK, Quantised, Scaled
from glowplug.inference.weights_file import read_weights, write_weights


def test_rows_are_those_of_faiss_at_unit_length() -> None:
    rows = unit(np.random.default_rng(5).normal(size=(CHUNK + 300, 2 * PART)).astype(np.float32))
    found = quantised(rows)
    quantiser: Any = faiss.ProductQuantizer(2 * PART, 2, 8)
    faiss.copy_array_to_vector(found.codebook.ravel(), quantiser.centroids)
    np.testing.assert_allclose(found.rows(), unit(quantiser.decode(found.codes)), atol=1e-6)
    assert (found.rows() * rows).sum(axis=1).mean() > 0.8


def test_of_no_codes_there_are_no_rows() -> None:
    assert Quantised(np.empty((0, 3), np.uint8), np.zeros((3, 256, 8), np.float32)).rows().shape == (0, 24)


def test_a_byte_for_each_number_keeps_cosines_to_some_thousandths() -> None:
    rows = unit(np.random.default_rng(6).normal(size=(500, 384)).astype(np.float32))
    found = Scaled.of(rows).rows()
    assert (found * rows).sum(axis=1).min() > 0.9999
    np.testing.assert_allclose(found @ found.T, rows @ rows.T, atol=4e-3)
    assert Scaled.of(rows[:0]).rows().shape == (0, 384)


def test_weights_are_kept_as_halves_and_codes_as_they_are_for_everybody_to_read(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    codes, numbers = np.arange(6, dtype=np.uint8).reshape(2, 3), np.array([0.1, 2.0], np.float32)
    write_weights(path, "some", {"of": "whom"}, {"codes": codes, "numbers": numbers})
    told, tensors, digest = read_weights(path, "some")
    assert (told, len(digest)) == ({"of": "whom"}, 12)
    np.testing.assert_array_equal(tensors["codes"], codes)
    assert tensors["codes"].dtype == np.uint8
    np.testing.assert_array_equal(tensors["numbers"], numbers.astype(np.float16).astype(np.float32))
    assert path.stat().st_mode & 0o044 == 0o044
    with pytest.raises(TypeError, match="int64"):
        write_weights(path, "some", {}, {"counts": np.arange(3)})
