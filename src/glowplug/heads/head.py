"""A trained head as the recommender applies it: items and users to their columns of the learned block.

The block is [taste | fold]: behaviour of those who did something with items that the head knows, and a Gaussian of
everybody else (training.item_block, training.fold_in). Of a user one of the two speaks and the other is zero. All
is computed in float64 and rounded as in evaluation, so a row has the same bits alone, among others, and in
training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from glowplug.data.atomic import as_number
from glowplug.events import Action, Attributes, ItemUpsert
from glowplug.heads.described import Described
from glowplug.ranking.fold import TEXT_SPREAD
from glowplug.ranking.memory import Entry, Memory
from glowplug.settings import RankingSettings
from glowplug.text import attributes as typed
from glowplug.text.template import ItemTemplate
from glowplug.training.arrays import Wide
from glowplug.training.artifact import Artifact, Kernel, read_artifact
from glowplug.training.fields import DESCRIPTION, TITLE
from glowplug.training.fold_in import FOLDED, folded, with_one
from glowplug.training.scales import Entries, Names, Numbers
from glowplug.training.tasks import TASTE_FROM
from glowplug.vectors import Half

YES: frozenset[Action] = frozenset({"like", "purchase"})
MOST_LOUD = 100.0  # of a head that tells hardly any items apart
ROUNDING_OF_SHARES = 1e-9  # a rating at the threshold is a yes, however its share of the scale was computed
Part = Literal["taste", "fold"]


@dataclass(frozen=True, slots=True)
class Learned:
    """A user's columns of the block, float16 (width,), of unit length, and which part of it speaks. loud: what
    brings its scores to the spread that text vectors have over items. known: things of the user that the head can
    read. popularity_weight: of the day's popularity beside such scores; popularity_spread: of that over items."""

    vector: Half
    part: Part
    loud: float
    known: int = 0
    popularity_weight: float = 0.0
    popularity_spread: float = 0.0

    def weight_in(self, ranking: RankingSettings) -> float:
        """Of popularity, as it is served."""
        return self.popularity_weight if ranking.head_popularity is None else ranking.head_popularity


class Head:
    """width: columns of the block."""

    def __init__(self, artifact: Artifact) -> None:
        self._made = artifact
        self._place = {item_id: at for at, item_id in enumerate(artifact.items)}
        self._template = ItemTemplate("head", artifact.domain)
        # What every new item or user is multiplied with, in float64 once and for all.
        self._to_taste, self._to_fold = (
            part.astype(np.float64) for part in (artifact.new_outputs, artifact.new_directions)
        )
        self._taste = artifact.outputs.shape[1]
        self._has_profile = self._taste > artifact.new_outputs.shape[1]
        self.width = self._taste + artifact.directions.shape[1]
        self._loud = {
            part: TEXT_SPREAD / max(spread, TEXT_SPREAD / MOST_LOUD) for part, spread in artifact.spread.items()
        }
        self.fingerprint = artifact.fingerprint
        self.encoder = artifact.encoder

    @property
    def text_dim(self) -> int | None:
        """Of the text vectors that it reads; None where it reads none."""
        if self._has_profile:
            return int(self._taste - self._made.new_outputs.shape[1])
        of_text = [landmarks.shape[1] for name, *_, landmarks in self._made.of_items.channels if name == TEXT]
        return int(of_text[0]) if of_text else None

    # ---- items -------------------------------------------------------------------------------------------

    def items(self, items: Sequence[Described]) -> Half:
        """float16 (n, width). One that training knew keeps the place that behaviour gave it."""
        taste = np.zeros((len(items), self._taste), np.float32)
        fold = np.zeros((len(items), self._made.directions.shape[1]), np.float32)
        known = [(row, self._place[one.item_id]) for row, one in enumerate(items) if one.item_id in self._place]
        if known:
            rows, places = map(list, zip(*known, strict=True))
            taste[rows], fold[rows] = self._made.outputs[places], self._made.directions[places]
        new = [row for row, one in enumerate(items) if one.item_id not in self._place]
        if new:
            taste[new], fold[new] = self._placed([items[row] for row in new])
        return np.hstack([self._made.taste.items(taste), self._made.fold.items(fold)])

    def _placed(self, items: Sequence[Described]) -> tuple[Wide, Wide]:
        """The rows of items that training did not know."""
        dim = self.text_dim or 1
        embeddings = np.array(
            [np.zeros(dim, np.float16) if one.text is None else one.text for one in items], np.float32
        )
        texts = [self._text(one) for one in items] if self._made.of_items.reads_words else []
        fields = [
            {**one.attributes, TITLE: one.title or None, DESCRIPTION: one.description or None} for one in items
        ]
        near = self._made.of_items.of(_columns(self._made.of_items, fields), texts, embeddings, len(items))
        taste = near @ self._to_taste
        if self._has_profile:
            taste = np.hstack([taste, embeddings])
        return taste, near @ self._to_fold

    def _text(self, item: Described) -> str:
        said: dict[str, Any] = {TITLE: item.title, DESCRIPTION: item.description, "attributes": item.attributes}
        return self._template.text(ItemUpsert.model_construct(**said)) or item.item_id

    # ---- users -------------------------------------------------------------------------------------------

    def user(self, memory: Memory, attributes: Attributes, block_of: Callable[[str], Half | None]) -> Learned:
        """Pure in what it gets. block_of: an item's columns of this block; None where the item is not known."""
        deeds = self._deeds(memory)
        known = {self._place[item_id]: weight for item_id, weight in deeds.items() if item_id in self._place}
        vector = np.zeros(self.width, np.float16)
        if len(known) >= TASTE_FROM:
            at, weights = list(known), np.array(list(known.values()))
            total = (weights @ self._made.inputs[at].astype(np.float64)).astype(np.float32)
            vector[: self._taste] = self._made.taste.users(total[None])[0]
            if vector.any():
                return self._learned(vector, "taste", len(known))
        likes = [item_id for item_id, weight in deeds.items() if weight == 1][-FOLDED:]
        places = self._prior(attributes)
        found = {item_id: self._side(item_id, block_of) for item_id in likes}
        sides = [side for side in found.values() if side is not None]
        new = sum(side is not None and item_id not in self._place for item_id, side in found.items())
        if sides:
            popularity, directions, noise = (np.array(part, np.float64)[None] for part in zip(*sides, strict=True))
            places = folded(places, popularity, directions, noise)
        places = self._made.calibration.placed(places, [len(sides)])
        vector[self._taste :] = self._made.fold.users(with_one(places))[0]
        return self._learned(vector, "fold", len(known) + new)

    def _learned(self, vector: Half, part: Part, known: int) -> Learned:
        trending = self._made.trending
        return Learned(vector, part, self._loud[part], known, trending.of(known), trending.spread)

    def _deeds(self, memory: Memory) -> dict[str, float]:
        """By item, 1 for a yes and less for what says less: of each the latest, as in training."""
        found: dict[str, float] = {}
        for entry in memory.history:
            weight = self._weight(entry)
            found.pop(entry.item_id, None)
            if weight:
                found[entry.item_id] = weight
        return found

    def _weight(self, entry: Entry) -> float:
        least = self._made.least_value
        if least is None:
            return 1.0 if entry.weight > 0 else 0.0
        if entry.value is not None:
            return 1.0 if entry.value >= least - ROUNDING_OF_SHARES else self._made.weak
        return 1.0 if entry.action in YES else self._made.weak if entry.weight > 0 else 0.0

    def _prior(self, attributes: Attributes) -> Wide:
        """float64 (1, e)."""
        near = self._made.of_users.of(_columns(self._made.of_users, [attributes]), (), NOTHING, 1)
        found: Wide = near @ self._made.pull
        return found

    def _side(self, item_id: str, block_of: Callable[[str], Half | None]) -> tuple[float, Wide, float] | None:
        """Popularity, direction and noise of what is liked; of an item that training did not know from its
        place."""
        at = self._place.get(item_id)
        if at is not None:
            row = self._made.directions[at].astype(np.float64)
            return float(row[0]), row[1:], float(self._made.noise[at])
        block = block_of(item_id)
        if block is None:
            return None
        by = self._made.fold
        row = block[self._taste :].astype(np.float64) * by.longest / by.balance
        return float(row[0]), row[1:], float(self._made.noise.mean())


NOTHING = np.empty((1, 0), np.float32)
TEXT = "text embedding"


def read_head(folder: Path) -> Head:
    """Raises BadInputFile."""
    return Head(read_artifact(folder))


def _columns(kernel: Kernel, rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """The values of each field that the kernel reads, by the type that training knew it by."""
    found: dict[str, tuple[Any, ...]] = {}
    for _, source, _, scale, _ in kernel.channels:
        if source == "text":
            continue
        values = tuple(row.get(source) for row in rows)
        if isinstance(scale, Numbers) and not scale.of_size:
            values = tuple(as_number(one) if isinstance(one, str) else one for one in values)
        elif isinstance(scale, Names):
            values = tuple(typed.words(one) if isinstance(one, float | tuple) else one for one in values)
        elif isinstance(scale, Entries):
            values = tuple((one,) if isinstance(one, str) else one for one in values)
        found.setdefault(source, values)
    return found
