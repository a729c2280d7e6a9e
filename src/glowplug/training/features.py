"""Everything that models may read of items and users, computed once for a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glowplug.inference.cache import cache_folder
from glowplug.inference.encoder import load
from glowplug.settings import EncoderSettings
from glowplug.training.arrays import Floats, Sparse
from glowplug.training.channels import Channel, attribute_channels, word_channels
from glowplug.training.dataset import Dataset
from glowplug.training.texts import Progress, encoded, item_texts


@dataclass(frozen=True, slots=True)
class Features:
    """words: csr (items, words) and vectors: float32 (items, dim), rows of unit length, of the items' texts.
    encode: texts to such vectors; what was encoded before costs nothing."""

    words: Sparse
    vectors: Floats
    of_words: tuple[Channel, ...]
    of_items: tuple[Channel, ...]
    of_users: tuple[Channel, ...]
    encoder: str
    encode: Callable[[list[str]], Floats]


def features(data: Dataset, settings: EncoderSettings, say: Progress) -> Features:
    """Raises ModelMissing."""
    texts = item_texts(data.items, data.domain)
    encoder = load(settings)

    def encode(texts: list[str]) -> Floats:
        # Rounded as item-vectors carry them.
        found = encoded(texts, encoder, cache_folder(settings.cache_dir), say)
        return found.astype(np.float16).astype(np.float32)

    vectors = encode(texts)
    of_words, words = word_channels(texts, vectors)
    return Features(
        words,
        vectors,
        of_words,
        attribute_channels(data.items),
        attribute_channels(data.users),
        encoder.fingerprint,
        encode,
    )
