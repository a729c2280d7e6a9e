"""The same items said otherwise, as another seller might: to see whether lists hang on the wording.

Each item gets one change, drawn by seed and item: two letters of some words swapped (typing mistakes), sentences
and fields in another order, the second half of its running text gone, or other labels before its attributes. A
change that leaves its text as it was (a title has no sentences to reorder) is followed by the next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sparse

from glowplug.settings import DomainSettings
from glowplug.training.arrays import Floats, Indices
from glowplug.training.channels import Channel
from glowplug.training.dataset import Dataset, Side
from glowplug.training.features import Features
from glowplug.training.texts import item_texts

MISTYPED = 0.08  # of the words, at least one
KEPT = 0.5  # of a running text that is cut
SENTENCES = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")
LABEL = re.compile(r"^([^\W\d][^:\n]{0,40}): ", re.MULTILINE)
Alter = Callable[[str, np.random.Generator], str]


def mistyped(text: str, rng: np.random.Generator) -> str:
    """Two neighbouring letters within some words have changed places."""
    places = [at for at in range(len(text) - 1) if text[at : at + 2].isalpha() and text[at] != text[at + 1]]
    if not places:
        return text
    count = max(1, round(MISTYPED * len(re.findall(r"\w{2,}", text))))
    letters = list(text)
    for at in sorted(rng.choice(places, min(count, len(places)), replace=False)):
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def mixed(text: str, rng: np.random.Generator) -> str:
    """Sentences in another order."""
    return " ".join(_shuffled([one for one in SENTENCES.split(text) if one], rng))


def cut(text: str, _rng: np.random.Generator) -> str:
    """The first half, to the end of a word where there are words."""
    end = max(1, round(KEPT * len(text)))
    space = text.rfind(" ", 1, end + 1)
    return text[: space if space > 0 else end].rstrip()


def lines_mixed(text: str, rng: np.random.Generator) -> str:
    """All lines but the first, the title, in another order."""
    first, *others = text.split("\n")
    return "\n".join([first, *_shuffled(others, rng)])


def relabelled(text: str, _rng: np.random.Generator) -> str:
    """`year: 1995` is `Year = 1995`."""
    return LABEL.sub(lambda found: f"{found[1].capitalize()} = ", text)


def _shuffled(parts: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [parts[at] for at in rng.permutation(len(parts))]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of titles, of running texts, and of the whole text made of all fields."""

    of_title: Alter | None = None
    of_text: Alter | None = None
    of_whole: Alter | None = None


CHANGES = (
    Change(of_title=mistyped, of_text=mistyped),
    Change(of_text=mixed, of_whole=lines_mixed),
    Change(of_text=cut),
    Change(of_whole=relabelled),
)


def reworded(side: Side, items: Indices, seed: int, domain: DomainSettings | None = None) -> tuple[Side, list[str]]:
    """`side` with the prose of `items` changed, and their whole texts, by the template of `domain`."""
    values: dict[str, list[Any]] = {field.name: list(field.values) for field in side.fields}
    texts: list[str] = []
    for at in map(int, items):
        one = Side((side.ids[at],), tuple(replace(field, values=(field.values[at],)) for field in side.fields))
        changed, text = _changed(one, np.random.default_rng((seed, at)), domain)
        texts.append(text)
        for field in changed.fields:
            values[field.name][at] = field.values[0]
    return Side(side.ids, tuple(replace(field, values=tuple(values[field.name])) for field in side.fields)), texts


def reworded_features(data: Dataset, features: Features, items: Indices, seed: int) -> Features:
    """Features in which `items` read otherwise: by their texts, and by how long these are. Numbers, categories and
    lists are facts and stay."""
    changed, texts = reworded(data.items, items, seed, data.domain)
    vectors = features.vectors.copy()
    vectors[items] = features.encode(texts)
    prose = {field.name: field.values for field in changed.fields if field.kind in ("title", "text")}
    of_words = tuple(
        replace(one, values=vectors if one.values is features.vectors else _set(one, items, texts))
        for one in features.of_words
    )
    return replace(
        features,
        vectors=vectors,
        words=next(one.values for one in of_words if sparse.issparse(one.values)),
        of_words=of_words,
        of_items=tuple(
            replace(one, values=one.scale.read(prose[one.source])) if one.source in prose else one
            for one in features.of_items
        ),
    )


def _changed(one: Side, rng: np.random.Generator, domain: DomainSettings | None) -> tuple[Side, str]:
    (before,) = item_texts(one, domain)
    start = int(rng.integers(len(CHANGES)))
    for step in range(len(CHANGES)):
        change = CHANGES[(start + step) % len(CHANGES)]
        alters = {"title": change.of_title, "text": change.of_text}
        fields = tuple(
            replace(field, values=(alter(str(field.values[0]), rng),))
            if (alter := alters.get(field.kind)) is not None and field.values[0] is not None
            else field
            for field in one.fields
        )
        changed = Side(one.ids, fields)
        (after,) = item_texts(changed, domain)
        if change.of_whole is not None:
            after = change.of_whole(after, rng)
        if after != before:
            return changed, after
    return one, before


def _set(channel: Channel, items: Indices, texts: Sequence[str]) -> Any:
    """The channel's csr rows, those of `items` read from their new texts."""
    place = np.full(channel.values.shape[0], -1)
    place[items] = np.arange(len(items))
    both = sparse.vstack([channel.values, channel.scale.read(texts)], format="csr")
    rows = np.where(place >= 0, channel.values.shape[0] + place, np.arange(len(place)))
    found: Floats = sparse.csr_array(both[rows])
    return found
