"""Everything that models may read of items and users, computed once for a data set."""

from __future__ import annotations

from dataclasses import dataclass

from glowplug.inference.cache import cache_folder
from glowplug.inference.encoder import load
from glowplug.settings import EncoderSettings
from glowplug.training.arrays import Floats, Sparse
from glowplug.training.channels import Channel, attribute_channels, word_channels
from glowplug.training.dataset import Dataset
from glowplug.training.texts import Progress, encoded, item_texts


@dataclass(frozen=True, slots=True)
class Features:
    """words: csr (items, words) and vectors: float32 (items, dim), rows of unit length, of the items' texts."""

    words: Sparse
    vectors: Floats
    of_words: tuple[Channel, ...]
    of_items: tuple[Channel, ...]
    of_users: tuple[Channel, ...]
    encoder: str


def features(data: Dataset, settings: EncoderSettings, say: Progress) -> Features:
    """Raises ModelMissing."""
    texts = item_texts(data.items)
    encoder = load(settings)
    vectors = encoded(texts, encoder, cache_folder(settings.cache_dir), say)
    of_words, words = word_channels(texts, vectors)
    return Features(
        words,
        vectors,
        of_words,
        attribute_channels(data.items),
        attribute_channels(data.users),
        encoder.fingerprint,
    )
