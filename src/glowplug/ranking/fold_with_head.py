"""A user's side where a head serves: what it learned in place of averages, and their own words beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glowplug.events import Basis
from glowplug.ranking.fold import TEXT_SPREAD, DecayedAverages, ItemSpace, Said, Side, sum_of_length, turned
from glowplug.ranking.memory import Memory
from glowplug.vectors import Half


class WithHead(DecayedAverages):
    """Without a head as DecayedAverages, to the last bit.

    With one the learned block stands in for behaviour, attributes and popularity, and beside it counts the
    popularity of the day, with the weight that training found for users of whom as much is known; where that is 0,
    whoever wrote nothing gets just the list that the evaluation judged. Words of their own stay, since a head reads
    none of users: the text block has the share k / (k + n + c) of a score and the others the rest, with k, n and c
    as in DecayedAverages, and both sides are brought to equal spread over items first.
    """

    def side(self, said: Said, memory: Memory, space: ItemSpace) -> Side:
        if space.head is None:
            return super().side(said, memory, space)
        settings = self._settings
        learned = space.head.user(memory, said.attributes, space.block_of)
        words = _in_words(said)
        strength, profile_share = self._strength(words), self._profile_share(words)
        stated = self._stated(words, strength, profile_share)
        lived, evidence = self._lived(memory, space.text_of)
        share = strength / (strength + evidence + settings.certainty)
        weight = learned.weight_in(settings)
        # Together no louder than the learned columns alone, or what a stranger says would be drowned out.
        rest = (1 - share) / (1 + weight * learned.popularity_spread / TEXT_SPREAD)
        rest, popularity = rest * learned.loud, rest * weight
        most = max(share, rest, popularity, settings.head_freshness)
        text = sum_of_length(stated, share / most) if share else None
        block: Half = (rest / most * learned.vector.astype(np.float64)).astype(np.float16)
        vector = space.layout.user(text, popularity / most, settings.head_freshness / most, space.epoch, block)
        basis = self._basis(said, evidence)
        return Side(vector, basis, stated if text is not None else (), turned(lived, space.frame), learned.part)

    def _basis(self, said: Said, evidence: float) -> Basis:
        """As without a head: what is known of the user is the same. What is not rests on the taste of all."""
        strength = self._strength(said)
        whole = strength + evidence + self._settings.certainty
        text, profile = self._shares(said, self._profile_share(said))
        return Basis(
            text=strength * text / whole,
            profile=strength * profile / whole,
            behaviour=evidence / whole,
            popularity=self._settings.certainty / whole,
        )


def _in_words(said: Said) -> Said:
    """Without attributes that stand for themselves: the head reads those by their types."""
    if said.vector is None or any(part.field != "attributes" for part in said.parts):
        return said
    return replace(said, vector=None, parts=())
