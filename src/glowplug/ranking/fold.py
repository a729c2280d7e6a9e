"""From what is known of a user to their side of the inner product: the UserFold seam and its first form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from glowplug.events import Attributes, Basis
from glowplug.index.exact import Scores
from glowplug.ranking.blocks import Layout
from glowplug.ranking.frame import Frame
from glowplug.ranking.memory import Memory
from glowplug.settings import RankingSettings
from glowplug.vectors import Half

if TYPE_CHECKING:
    from glowplug.heads.head import Head  # it brings the packages of training

TextOf = Callable[[str], Half | None]  # an item's text vector; None where the item or its text is not known
Learned = Literal["", "taste", "fold"]
POPULAR = Basis(text=0.0, profile=0.0, behaviour=0.0, popularity=1.0)
TEXT_SPREAD = 0.07  # standard deviation of cosines of texts that have nothing to do with each other (decision 0006)
EPSILON = 1e-6  # a shorter sum has no direction to speak of: likes and dislikes cancelled out


def unknown(_item_id: str) -> None:
    """The block of an item where no head serves."""


@dataclass(frozen=True, slots=True)
class Part:
    """One statement of the user, or one claim about them, and its vector, float16 (text,)."""

    field: str
    text: str
    weight: float
    vector: Half


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of a user without behaviour. All vectors are float16 (text,) and of the serving encoder.

    vector: of the sign-up, None where no part of it counts; profile: inferred from it, the mean of the claims where
    they have vectors of their own; avoid: what the profile says to keep away from. is_refusal: nothing but that was
    said, as far as anybody understood. attributes: typed, as the user's event had them.
    """

    vector: Half | None = None
    parts: tuple[Part, ...] = ()
    profile: Half | None = None
    claims: tuple[Part, ...] = ()
    avoid: Half | None = None
    is_refusal: bool = False
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pull:
    """What one thing adds to the user's text side: `weight` times its vector."""

    kind: Literal["part", "claim", "profile", "avoid", "item"]
    key: int | str  # position among the parts or the claims, or the item's id
    weight: float
    vector: Half


@dataclass(frozen=True, slots=True)
class Side:
    """The user's side. pulls: what made its text block, for explanations; kin: what a head was told of behaviour,
    for explanations only. learned: which part of the head's block speaks."""

    vector: Half
    basis: Basis
    pulls: tuple[Pull, ...]
    kin: tuple[Pull, ...] = ()
    learned: Learned = ""


@dataclass(frozen=True, slots=True)
class ItemSpace:
    """What a user is folded against: the items as they are now, and the priors' epoch.

    frame: what all items have in common, None while that is not known. head: the one that serves. block_of: an
    item's columns of its block; None where the item is not known.
    """

    text_of: TextOf
    layout: Layout
    epoch: int
    frame: Frame | None = None
    head: Head | None = None
    block_of: TextOf = unknown


class UserFold(Protocol):
    """What was said and done -> a vector in the space of the items. Pure: equal inputs give equal bits."""

    def side(self, said: Said, memory: Memory, space: ItemSpace) -> Side: ...


class DecayedAverages:
    """Relevance feedback that is only as loud as it is certain.

    d = k t + sum_i g_i w_i v_i (liked) - p sum_j g_j |w_j| v_j (disliked), where t is the unit vector of what the
    user said, v the item vectors, w the action weights, and g = 2^(-rank / half_life), the latest interaction being
    of rank 0. This is Rocchio's feedback (Rocchio 1971, in The SMART Retrieval System, ch. 14) with the query for
    k pseudo-observations, so the text fades as the evidence n = sum g |w| grows.

    The user's text block is s d / |d| with s = (k + n) / (k + n + c), Buhlmann's credibility (1967, ASTIN Bulletin
    4:3): an estimate from little evidence is shrunk towards what holds for everybody, here the two priors, whose
    weights are fixed; so popularity's share falls as evidence grows. k is text_strength, times the weight of the
    statements where that is less than 1 (attributes alone say little). Item vectors are turned by the frame first.
    """

    def __init__(self, settings: RankingSettings) -> None:
        self._settings = settings
        # A table, so that a rank has the same bits however long the history around it is.
        self._decay: Scores = np.exp2(-np.arange(settings.history) / settings.half_life)

    def side(self, said: Said, memory: Memory, space: ItemSpace) -> Side:
        settings = self._settings
        profile_share = self._profile_share(said)
        strength = self._strength(said)
        stated = self._stated(said, strength, profile_share)
        lived, evidence = self._lived(memory, space.text_of)
        pulls = stated + turned(lived, space.frame)
        known = strength + evidence
        length = known / (known + settings.certainty)
        direction = sum_of_length(pulls, length)
        vector = space.layout.user(direction, settings.popularity, settings.freshness, space.epoch)
        if direction is None:
            return Side(vector, POPULAR, ())
        personal = length / (length + settings.popularity + settings.freshness)
        share = personal / known
        text, profile = self._shares(said, profile_share)
        basis = Basis(
            text=share * strength * text,
            profile=share * strength * profile,
            behaviour=share * evidence,
            popularity=1 - personal,
        )
        return Side(vector, basis, pulls)

    def _strength(self, said: Said) -> float:
        if said.profile is not None:
            return self._settings.text_strength
        if said.vector is None:
            return 0.0
        return self._settings.text_strength * min(1.0, sum(part.weight for part in said.parts))

    def _push(self, said: Said) -> float:
        """Of what is to be avoided, against what was said.

        Where nothing else was said, at least the words' component along it: words that refuse a thing are like it,
        and what they are without it is what they say beside. "I hate horror films" is then no more like a film of
        horror (.06) than like a comedy (-.02), where .35 of it left .25 and .02, and all of it -.12 and -.06.
        """
        push = self._settings.dislike_push
        if not said.is_refusal or said.vector is None or said.avoid is None:
            return push
        return max(push, float(said.vector.astype(np.float64) @ said.avoid.astype(np.float64)))

    def _shares(self, said: Said, profile_share: float) -> tuple[float, float]:
        """Of the words and of the profile in what was said; what it says to avoid is the profile's."""
        text = 1 - profile_share if said.vector is not None else 0.0
        avoid = self._push(said) if said.avoid is not None else 0.0
        whole = text + profile_share + avoid
        return (text / whole, (profile_share + avoid) / whole) if whole else (0.0, 0.0)

    def _profile_share(self, said: Said) -> float:
        if said.profile is None:
            return 0.0
        return self._settings.profile_share if said.vector is not None else 1.0

    def _stated(self, said: Said, strength: float, profile_share: float) -> tuple[Pull, ...]:
        """k t, statement by statement."""
        pulls: list[Pull] = []
        if said.vector is not None:
            pulls += _spread("part", said.parts, strength * (1 - profile_share))
        if said.profile is not None:
            claims = _spread("claim", said.claims, strength * profile_share)
            pulls += claims or [Pull("profile", "profile", strength * profile_share, said.profile)]
        if said.avoid is not None:
            pulls.append(Pull("avoid", "avoid", -strength * self._push(said), said.avoid))
        return tuple(pulls)

    def _lived(self, memory: Memory, text_of: TextOf) -> tuple[tuple[Pull, ...], float]:
        """The behaviour's pulls, latest first, and the evidence n."""
        pulls: list[Pull] = []
        evidence = 0.0
        for rank, entry in enumerate(reversed(memory.history)):
            vector = text_of(entry.item_id)
            if vector is None or not entry.weight:
                continue
            weight = float(self._decay[rank]) * entry.weight
            evidence += abs(weight)
            push = 1.0 if weight > 0 else self._settings.dislike_push
            pulls.append(Pull("item", entry.item_id, weight * push, vector))
        return tuple(pulls), evidence


def _spread(kind: Literal["part", "claim"], parts: tuple[Part, ...], strength: float) -> list[Pull]:
    """Pulls that add up to `strength` times a unit vector; none where they cancel out."""
    # The parts' weighted mean is shorter than that unit vector: dividing by its length makes up for it.
    length = _length(_weighted_sum([(part.weight, part.vector) for part in parts]))
    if length <= EPSILON:
        return []
    scale = strength / length
    return [Pull(kind, at, scale * part.weight, part.vector) for at, part in enumerate(parts)]


def turned(lived: tuple[Pull, ...], frame: Frame | None) -> tuple[Pull, ...]:
    """The items' pulls without what all items have in common. What was said stays: texts of another kind."""
    if frame is None or not lived:
        return lived
    rows = frame.turn(np.array([pull.vector for pull in lived], dtype=np.float64)).astype(np.float16)
    return tuple(replace(pull, vector=vector) for pull, vector in zip(lived, rows, strict=True))


def sum_of_length(pulls: tuple[Pull, ...], length: float) -> Half | None:
    """The weighted sum brought to `length`, float16 (text,); None where it has no direction."""
    total = _weighted_sum([(pull.weight, pull.vector) for pull in pulls])
    found = _length(total)
    if found <= EPSILON:
        return None
    scaled: Half = (total * (length / found)).astype(np.float16)
    return scaled


def _weighted_sum(terms: list[tuple[float, Half]]) -> Scores:
    """float64 (text,), added row by row in the order given, so that equal terms give equal bits."""
    weights = np.array([weight for weight, _ in terms])
    vectors = np.array([vector for _, vector in terms], dtype=np.float64)
    total: Scores = (weights[:, None] * vectors).sum(axis=0) if terms else np.zeros(1)
    return total


def _length(vector: Scores) -> float:
    return math.sqrt(float((vector * vector).sum()))
