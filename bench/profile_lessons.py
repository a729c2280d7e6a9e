"""What the profile model of the encoder learns from: labelled bios and marked texts, in one form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.profiles.labelled import Bio, Labels
from bench.profiles.marked import Mark, load_marked
from glowplug.profiles.lexicon import Lexicon
from glowplug.profiles.pieces import Read, read
from glowplug.profiles.tags import CLASSES
from glowplug.profiles.taxonomy import Taxonomy

IGNORED = -100  # of a token whose class is not known: PyTorch's own number for it
WEIGHTS = {"sentences": 0.7}  # they come without what stands around them

Target = tuple[int, int, int]  # characters from, to, and the class of what stands there


@dataclass(frozen=True, slots=True)
class Lesson:
    """field: the text as the model reads it. marks: what is wanted, avoided and, in marked texts, neither, in the
    places of `field.shown`. targets: later ones count where they overlap; elsewhere nothing is named."""

    author: str
    field: Read
    marks: tuple[Mark, ...]
    targets: tuple[Target, ...]

    @property
    def weight(self) -> float:
        return WEIGHTS.get(self.author, 1.0)


class Lessons:
    def __init__(self, labels: Labels, taxonomy: Taxonomy) -> None:
        self._labels, self._taxonomy = labels, taxonomy
        self._lexicon = Lexicon(taxonomy.labels)

    def all(self) -> list[Lesson]:
        return [*self._of_bios(), *self._of_marked()]

    def above(self, ids: frozenset[str]) -> frozenset[str]:
        """What is broader than one of them, and none of them."""
        return frozenset(id_ for one in ids for id_ in self._labels.above(one)) - ids

    def _read(self, text: str) -> Read:
        return read("text", text, self._lexicon, self._taxonomy.topics)

    def _of_bios(self) -> Iterator[Lesson]:
        """Only what is wanted and avoided is labelled: what else is named is neither, but for what is broader."""
        for bio in (*self._labels.half("tune"), *self._labels.half("development")):
            field = self._read(bio.text)
            marks = tuple(_marks(bio, field.shown))
            known = frozenset(id_ for mark in marks for id_ in mark.ids)
            unsure = known | self.above(known)
            others = [
                (start, end, IGNORED if self._taxonomy.labels[row].id in unsure else CLASSES.index("neither"))
                for start, end, row in self._named(field)
                if not any(start < mark.end and mark.start < end for mark in marks)
            ]
            author = bio.id.partition("-")[0] if bio.half == "development" else bio.half
            yield Lesson(author, field, marks, (*others, *map(_target, marks)))

    def _named(self, field: Read) -> Iterator[tuple[int, int, int]]:
        for piece in field.pieces:
            for mention in piece.mentions:
                if mention.row in self._taxonomy.topics:
                    yield mention.start, mention.end, mention.row

    def _of_marked(self) -> Iterator[Lesson]:
        for one in load_marked(self._labels):
            field = self._read(one.text)
            if len(field.shown) != len(one.text):
                continue  # a composed character: marks would stand beside their words
            yield Lesson(one.author, field, one.marks, tuple(map(_target, one.marks)))


def _target(mark: Mark) -> Target:
    return mark.start, mark.end, CLASSES.index(mark.stance)


def _marks(bio: Bio, shown: str) -> Iterator[Mark]:
    for claim in bio.interests:
        if (at := shown.find(claim.span)) >= 0:
            yield Mark("wanted", (claim.id,), at, at + len(claim.span))
    for claim in bio.avoid:
        if (at := shown.find(claim.span)) >= 0:
            yield Mark("avoided", (claim.id,), at, at + len(claim.span))
