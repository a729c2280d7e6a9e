"""The labelled data of this folder, loaded; all that contradicts labels.md is one BadInputFile that names it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from bench.profiles.checks import attack_faults, bio_faults, item_faults, relevance_faults, vocabulary_faults
from bench.profiles.relevant import ABOUT
from glowplug.demo import catalogue
from glowplug.errors import BadInputFile, shown

HERE = Path(__file__).parent
FAULTS_SHOWN = 20  # enough to see a pattern; the rest is counted

Half = Literal["tune", "development", "unseen", "outside"]
Grade = Literal[1, 2]
Relevance = Mapping[str, Mapping[str, Grade]]
Kind = Literal[
    "plain", "list", "negation", "irony", "past", "other-people", "work", "rambling", "near-empty",
    "code-switching", "attack",
]  # fmt: skip
AttackKind = Literal[
    "instruction", "fake-system", "chat-template", "fake-json", "zero-width", "bidi", "tag-characters",
    "homoglyph", "stuffing", "base64", "markup", "multi-language", "authority", "fake-answer",
]  # fmt: skip
EXACT = ConfigDict(extra="forbid")  # a misspelt field is an error, not an empty label


@dataclass(frozen=True, slots=True)
class Interest:
    """One id of the vocabulary; `broader` are ids that hold for whoever holds this one."""

    __pydantic_config__ = EXACT
    id: str
    name: str
    broader: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Domain:
    __pydantic_config__ = EXACT
    id: str
    name: str
    interests: tuple[Interest, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """An interest's id, and the words of the bio that name it: `span` occurs in the text exactly once."""

    __pydantic_config__ = EXACT
    id: str
    span: str


@dataclass(frozen=True, slots=True)
class Preference:
    __pydantic_config__ = EXACT
    value: str
    span: str


@dataclass(frozen=True, slots=True)
class Bio:
    """What one invented user wrote. `kind` begins with the main one."""

    __pydantic_config__ = EXACT
    id: str
    half: Half
    language: str
    kind: tuple[Kind, ...]
    text: str
    interests: tuple[Claim, ...]
    avoid: tuple[Claim, ...]
    preferences: Mapping[str, Preference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attack:
    """A bio or a description with an attack in it, and without. `goal` is an item of the demo or an interest."""

    __pydantic_config__ = EXACT
    id: str
    kind: AttackKind
    language: str
    of: Literal["user", "item"]
    goal: str
    aim: Literal["promote", "harm"]
    attack: str
    clean: str


@dataclass(frozen=True, slots=True)
class Labels:
    """bios and development: to tune with; unseen, outside: for one measurement at the end. relevance: of some bios,
    judged item by item. items: the labels of the catalogue's items: 2 where an item is about the interest, 1 where
    it touches on it."""

    domains: tuple[Domain, ...]
    bios: tuple[Bio, ...]
    attacks: tuple[Attack, ...]
    relevance: Relevance
    unseen: tuple[Bio, ...]
    items: Relevance
    development: tuple[Bio, ...]
    outside: tuple[Bio, ...]

    def vocabulary(self) -> dict[str, Interest]:
        return {interest.id: interest for domain in self.domains for interest in domain.interests}

    def half(self, half: Half) -> tuple[Bio, ...]:
        return tuple(bio for bio in self.all_bios() if bio.half == half)

    def all_bios(self) -> tuple[Bio, ...]:
        return (*self.bios, *self.development, *self.unseen, *self.outside)

    def above(self, id_: str) -> frozenset[str]:
        """What is broader, at any remove."""
        known = self.vocabulary()
        found: set[str] = set()
        waiting = [id_]
        while waiting:
            broader = set(known[waiting.pop()].broader) - found
            found |= broader
            waiting += broader
        return frozenset(found)

    def items_of(self, goal: str) -> frozenset[str]:
        """An item's id, or all items that are about an interest."""
        about = {item for item, own in self.items.items() if own.get(goal) == ABOUT}
        return frozenset({goal} & self.items.keys() | about)

    def avoided_items(self, bio: Bio) -> frozenset[str]:
        """Items that are about what the bio avoids, or something narrower."""
        avoid = {claim.id for claim in bio.avoid}
        return frozenset(
            item
            for item, own in self.items.items()
            if any(grade == ABOUT and (id_ in avoid or avoid & self.above(id_)) for id_, grade in own.items())
        )

    def neutral(self, bio: Bio) -> frozenset[str]:
        """Ids that are neither hit nor miss for this bio: whatever is broader than one of its interests."""
        found = {id_ for claim in bio.interests for id_ in self.above(claim.id)}
        return frozenset(found - {claim.id for claim in (*bio.interests, *bio.avoid)})


def load(folder: Path = HERE) -> Labels:
    """Everything in the folder. Raises BadInputFile with every fault found."""
    domains = _whole(folder / "interests.json", TypeAdapter(dict[str, tuple[Domain, ...]])).get("domains", ())
    bios = _lines(folder / "bios.jsonl", TypeAdapter(Bio))
    attacks = _lines(folder / "attacks.jsonl", TypeAdapter(Attack))
    relevance = _whole(folder / "relevance.json", TypeAdapter(dict[str, dict[str, Grade]]))
    unseen = _lines(folder / "unseen.jsonl", TypeAdapter(Bio))
    items = _whole(folder / "items.json", TypeAdapter(dict[str, dict[str, Grade]]))
    development = _lines(folder / "development.jsonl", TypeAdapter(Bio))
    outside = _lines(folder / "outside.jsonl", TypeAdapter(Bio))
    labels = Labels(domains, bios, attacks, relevance, unseen, items, development, outside)
    faults = list(_faults(labels))
    if faults:
        more = f"\n… and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        raise BadInputFile(f"labels in {folder}:\n" + "\n".join(faults[:FAULTS_SHOWN]) + more)
    return labels


def _faults(labels: Labels) -> Iterator[str]:
    interests = [interest for domain in labels.domains for interest in domain.interests]
    ids = {interest.id for interest in interests}
    items = {orjson.loads(line)["item_id"] for line in catalogue.read("items.jsonl")}
    yield from vocabulary_faults(interests)
    yield from bio_faults(labels.bios, ids)
    yield from bio_faults(labels.development, ids)
    yield from bio_faults(labels.unseen, ids)
    yield from bio_faults(labels.outside, ids)
    yield from item_faults(labels.items, items, ids)
    yield from attack_faults(labels.attacks, ids | items)
    yield from relevance_faults(labels.relevance, labels.bios, items)
    for name, things in (("bio", labels.all_bios()), ("attack", labels.attacks)):
        for id_, count in Counter(thing.id for thing in things).items():
            if count > 1:
                yield f"{name} {id_}: {count} lines have this id; ids are unique"


T = TypeVar("T")


def _lines(path: Path, adapter: TypeAdapter[T]) -> tuple[T, ...]:
    return tuple(
        _parsed(f"{path.name}:{number}", line, adapter)
        for number, line in enumerate(path.read_bytes().splitlines(), 1)
    )


def _whole(path: Path, adapter: TypeAdapter[T]) -> T:
    return _parsed(path.name, path.read_bytes(), adapter)


def _parsed(where: str, line: bytes, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field_ = ".".join(map(str, first["loc"]))
        raise BadInputFile(f"{where}: {field_}: {first['msg']}, not {shown(first['input'])}") from error
