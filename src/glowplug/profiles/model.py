"""The seam of profile inference: what a text says of its user or item, every claim with the words it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from glowplug.errors import ModelRejected
from glowplug.inference.encoder import TextEncoder
from glowplug.profiles.choice import in_force
from glowplug.settings import Settings


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody or something to be described.

    fields: (name, text) as they came, in the order of weight; spans of claims point into these texts, so every
            name occurs once. Prose of a user is `text`; `interests.0`, `title`, `attributes.genre` are no prose.
    liked:  titles of items that the user took to, newest first; they may guide, no claim may rest on them.
    """

    kind: Literal["user", "item"]
    fields: tuple[tuple[str, str], ...]
    liked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim and its evidence: `field`'s text from character `start` to before `end`. weight: (0, 1]."""

    label: str
    weight: float
    field: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Inferred:
    """What was found, the strongest claims first; no claim is without words in the input.

    interests, avoid: labels of the taxonomy or, where a model is free to name things, short English phrases.
    preferences:      labels such as `price:low`, `format:series`, `time:weekend`, `style:minimalist`.
    attributes:       of an item, labels such as `category:trail-running`, `audience:children`, `tone:calm`.
    languages:        ISO 639-1 codes of the input, the most used first.
    confidence:       0 (the text says nothing) to 1.
    unfounded:        claims that were dropped since no words of the input bear them.
    """

    interests: tuple[Claimed, ...] = ()
    preferences: tuple[Claimed, ...] = ()
    avoid: tuple[Claimed, ...] = ()
    attributes: tuple[Claimed, ...] = ()
    summary: str = ""
    languages: tuple[str, ...] = ()
    confidence: float = 0.0
    unfounded: int = 0


class ProfileModel(Protocol):
    """Describes subjects from their texts. A text is data: what it tells the model to do is never done.

    fingerprint: of all that decides the outcome (model, revision, prompt, taxonomy, thresholds): with the hash of
    the input it says whether a profile would come out the same, so that the same input never pays twice.
    """

    @property
    def fingerprint(self) -> str: ...

    def infer(self, subjects: Sequence[Subject]) -> list[Inferred | ModelRejected]:
        """One outcome per subject, in order; ModelRejected in the place of one that cannot be described.

        Raises Recoverable while the model cannot answer (endpoint down, timeout), Fatal where it never will."""
        ...


def load(settings: Settings, encoder: TextEncoder) -> ProfileModel | None:
    """The profile model that the settings name, or choose here; None where they say `off`.

    encoder: shared with whoever else embeds. Raises BadSettings (labels), ModelMissing (the cache folder).
    """
    settings = in_force(settings)
    if settings.profiles.model == "off":
        return None
    # Imported here: the taxonomy is read and compiled, which takes a second that others need not wait for.
    from glowplug.profiles.taxonomy import taxonomy

    labels = taxonomy(settings.profiles)
    if settings.profiles.model == "endpoint":
        from glowplug.profiles.endpoint_model import EndpointProfileModel

        return EndpointProfileModel(settings.profiles.endpoint, labels)
    if settings.profiles.model == "generate":
        from glowplug.profiles.generate_model import load_generate

        return load_generate(settings, labels)
    from glowplug.profiles.encoder_model import EncoderProfileModel

    return EncoderProfileModel(encoder, labels, settings.encoder.cache_dir)
