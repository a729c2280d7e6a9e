"""What training reads of a data set, with the fake encoder."""

from __future__ import annotations

from glowplug.inference.fake import FakeEncoder
from glowplug.training.channels import attribute_channels, word_channels
from glowplug.training.dataset import Dataset
from glowplug.training.features import Features
from glowplug.training.texts import item_texts


def read(data: Dataset) -> Features:
    encoder = FakeEncoder(dim=16)
    texts = item_texts(data.items)
    vectors = encoder.encode(texts, "item")
    of_words, words = word_channels(texts, vectors)
    return Features(
        words,
        vectors,
        of_words,
        attribute_channels(data.items),
        attribute_channels(data.users),
        "fake",
        lambda some: encoder.encode(some, "item"),
    )
