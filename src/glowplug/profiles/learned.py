"""What users' prose wants and avoids as it was learned: a tagger marks it, a linker names it, a judge weighs it.

All three hold for one encoder (`python -m bench.profile_training`); with any other the rules decide alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glowplug.errors import GlowplugError, shown
from glowplug.inference.encoder import TextEncoder, Vectors
from glowplug.inference.shared import token_classifier
from glowplug.inference.token_classes import TokenClasses, TokenClassifier
from glowplug.profiles.candidates import Candidate, Place, candidates, places, words_around, words_at
from glowplug.profiles.judge import Judge, built_in_judge, ruled
from glowplug.profiles.linker import Linker, built_in_linker, lifted
from glowplug.profiles.pieces import Read
from glowplug.profiles.tagger import built_in_tagger, tagged
from glowplug.profiles.taxonomy import Taxonomy
from glowplug.profiles.weighing import Weighed

log = logging.getLogger("glowplug.profiles")


@dataclass(frozen=True, slots=True)
class Prose:
    """A text with what is marked in it, before anything is compared."""

    read: Read
    tags: TokenClasses
    places: tuple[Place, ...]

    @classmethod
    def of(cls, read: Read, tags: TokenClasses, taxonomy: Taxonomy) -> Prose:
        return cls(read, tags, tuple(places(read, tags, taxonomy.topics)))

    @property
    def texts(self) -> list[str]:
        """What is compared with labels, each once: of every place its words, and the piece around it."""
        words = (words_of(self.read, place) for place in self.places for words_of in (words_at, words_around))
        return list(dict.fromkeys(words))


def found_in(prose: Prose, linked: Mapping[str, NDArray[np.float32]], taxonomy: Taxonomy) -> list[Candidate]:
    """linked: of each text (labels,), as `lifted` has it; a place whose texts lack it is left out."""
    known = [
        (place, linked[words], linked[around])
        for place in prose.places
        if (words := words_at(prose.read, place)) in linked
        and (around := words_around(prose.read, place)) in linked
    ]
    return candidates(prose.read, prose.tags, known, taxonomy)


class Learned:
    def __init__(self, classifier: TokenClassifier, linker: Linker, judge: Judge, taxonomy: Taxonomy) -> None:
        self._classifier, self._linker, self._judge, self._taxonomy = classifier, linker, judge, taxonomy

    def read(self, texts: Sequence[Read]) -> list[Prose | None]:
        """None where the classifier fails: a text that it cannot read is left to the rules."""
        found = self._tagged(texts)
        return [
            Prose.of(one, tags, self._taxonomy) if tags else None for one, tags in zip(texts, found, strict=True)
        ]

    def linked(self, likeness: NDArray[np.float32], rows: Vectors) -> NDArray[np.float32]:
        """float32 (n, labels) of the cosines to the anchors, and of the vectors that they are of."""
        return lifted(likeness, rows, self._taxonomy, self._linker)

    def weighed(self, at: int, prose: Prose, linked: Mapping[str, NDArray[np.float32]]) -> list[Weighed]:
        """Claims of field number `at`; see `found_in`."""
        found = found_in(prose, linked, self._taxonomy)
        return ruled(at, found, self._judge.shares(found)) if found else []

    def _tagged(self, texts: Sequence[Read]) -> list[TokenClasses | None]:
        try:
            found = tagged(self._classifier, texts)
            return [tags if np.isfinite(tags.shares).all() else None for tags in found]
        except GlowplugError:
            raise
        except Exception as error:  # noqa: BLE001  a model's libraries raise whatever they like on a text they dislike
            if len(texts) > 1:
                return [one for text in texts for one in self._tagged([text])]
            log.warning(
                "the tagger fails on a text, which the rules read: %s", shown(f"{type(error).__name__}: {error}")
            )
            return [None]


def learned(encoder: TextEncoder, taxonomy: Taxonomy) -> tuple[Learned | None, str]:
    """And a hash of all that was learned; none, and nothing, where it was learned on another encoder."""
    tagger, linker, judge = built_in_tagger(), built_in_linker(), built_in_judge()
    if {tagger.encoder, linker.encoder, judge.encoder} != {encoder.fingerprint} or not taxonomy.topics:
        return None, ""
    if (judge.tagger, judge.linker) != (tagger.hash, linker.hash):
        log.warning("the judge was learned with another tagger or linker: python -m bench.profile_training judge")
        return None, ""
    classifier = token_classifier(encoder, tagger)
    if classifier is None:
        return None, ""
    log.debug("%d words beside the anchors", len(linker.anchors.vectors))  # and decoded before anybody waits
    return Learned(classifier, linker, judge, taxonomy), f"{tagger.hash}-{linker.hash}-{judge.hash}"
