"""The tagger: an adapter of the built-in encoder that marks what a text names, and what is made of it.

`python -m bench.profile_training tagger` makes it; it holds for one encoder, and with any other the rules of
stance.py decide alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files

from glowplug.inference.adapter import Adapter, read_adapter
from glowplug.inference.token_classes import TokenClasses, TokenClassifier
from glowplug.profiles.pieces import Read
from glowplug.profiles.tags import joined, windows

FILE = "tagger.safetensors"


@cache
def built_in_tagger() -> Adapter:
    with as_file(files("glowplug.profiles").joinpath(FILE)) as path:
        return read_adapter(path)


def tagged(classifier: TokenClassifier, reads: Sequence[Read]) -> list[TokenClasses]:
    """Of each text; orders to a machine are not read."""
    within = [windows(one.shown) for one in reads]
    texts = [one.shown[start:end] for one, own in zip(reads, within, strict=True) for start, end in own]
    found = iter(classifier.classify(texts) if texts else ())
    return [joined(own, [next(found) for _ in own]) for own in within]
