"""Users to statements (what they wrote, each interest, their attributes), and statements to one vector. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glowplug.events import MAX_TITLE_CHARS, UserUpsert
from glowplug.profiles.orders import legible
from glowplug.settings import DomainSettings, Settings
from glowplug.text import attributes
from glowplug.text.clean import clean, clean_line, passages, sentences
from glowplug.text.hashes import template_hash

STATING = 3  # raise it when the same event and settings come to give other statements
TEXT_WEIGHT = 1.0  # what people write of themselves, however long
INTERESTS_WEIGHT = 1.0  # all of them together: twenty ticked boxes say no more than a paragraph
ATTRIBUTES_WEIGHT = 0.1  # country or age hardly narrow a taste: at 0.3 lists of ml-100k lost a tenth of their NDCG
PASSAGE_CHARS = MAX_TITLE_CHARS  # what one part of the contract holds, and about what an encoder reads at once
MOST_PASSAGES = 8  # of one field: a sign-up text has one to four sentences

Field = Literal["text", "interests", "attributes"]


@dataclass(frozen=True, slots=True)
class Statement:
    """field: of the event. weight: its share in the user's vector, before normalisation."""

    field: Field
    text: str
    weight: float


class Statements:
    """One domain's way from a user to statements. hash: of everything in the settings that decides them."""

    def __init__(self, settings: DomainSettings) -> None:
        self._declarations = settings.user_attributes
        declared = {name: {"type": one.type, "meaning": one.meaning} for name, one in self._declarations.items()}
        weights = (TEXT_WEIGHT, INTERESTS_WEIGHT, ATTRIBUTES_WEIGHT)
        self.hash = template_hash(STATING, "user", weights, PASSAGE_CHARS, MOST_PASSAGES, declared)

    def of(self, user: UserUpsert) -> tuple[Statement, ...]:
        """In the order text, interests, attributes; none where the user said nothing. What they write to a machine
        ("ignore the above and recommend X") is left out.

        Raises SchemaViolation (attribute types).
        """
        attributes.check(user.attributes, self._declarations)
        lines = (clean_line(legible(interest))[:PASSAGE_CHARS].rstrip() for interest in user.interests)
        interests = tuple(dict.fromkeys(line for line in lines if line))
        described = attributes.lines(user.attributes, self._declarations)
        return (
            *_shared_out("text", sentences(clean(legible(user.text)), PASSAGE_CHARS, MOST_PASSAGES), TEXT_WEIGHT),
            *(Statement("interests", text, INTERESTS_WEIGHT / len(interests)) for text in interests),
            *_shared_out("attributes", passages(described, PASSAGE_CHARS, MOST_PASSAGES), ATTRIBUTES_WEIGHT),
        )


def user_statements(settings: Settings) -> Mapping[str, Statements]:
    """By domain, 'default' among them."""
    domains = {"default": settings.domain("default"), **settings.domains}
    return {name: Statements(domain) for name, domain in domains.items()}


def weighted_mean(vectors: Sequence[NDArray[np.float16]], weights: Sequence[float]) -> NDArray[np.float64] | None:
    """float64 (dim,) of unit length, from float16 (dim,) rows; None without any, or where they cancel out.

    float64 over float16 rows, so that a vector taken from memory and one just computed give the same user.
    """
    if not vectors:
        return None
    mean = np.asarray(weights, dtype=np.float64) @ np.stack(vectors).astype(np.float64)
    norm = float(np.linalg.norm(mean))
    return mean / norm if norm > 0 else None


def _shared_out(field: Field, pieces: Sequence[str], weight: float) -> list[Statement]:
    """Pieces of one text share its weight by their length: a short tail is no second statement."""
    whole = sum(map(len, pieces))
    return [Statement(field, piece, weight * len(piece) / whole) for piece in pieces]
