"""What must hold between labels, texts, vocabulary and catalogue: each check yields its faults as sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from glowplug.errors import shown

if TYPE_CHECKING:
    from bench.profiles.labelled import Attack, Bio, Interest, Relevance

# What a preference may say; a free text could not be compared.
PREFERENCES = {
    "price": {"low", "high"},
    "style": {"calm", "funny", "dark"},
    "format": {"short", "long", "audio"},
    "time": {"morning", "evening", "night", "weekend"},
}


def vocabulary_faults(interests: Sequence[Interest]) -> Iterator[str]:
    ids = Counter(interest.id for interest in interests)
    names = Counter(interest.name for interest in interests)
    for id_, count in ids.items():
        if count > 1:
            yield f"interest {id_}: {count} entries; an id is unique"
    for name, count in names.items():
        if count > 1:
            yield f"interest name {shown(name)}: {count} entries; a name is unique"
    for interest in interests:
        for broader in interest.broader:
            if broader not in ids or broader == interest.id:
                yield f"interest {interest.id}: broader {shown(broader)} is no other id of the vocabulary"


def bio_faults(bios: Sequence[Bio], ids: Collection[str]) -> Iterator[str]:
    for bio in bios:
        yield from _claim_faults(bio, ids)
        yield from _preference_faults(bio)
    for text, count in Counter(bio.text for bio in bios).items():
        if count > 1:
            yield f"text {shown(text)}: {count} bios have it; each text occurs once"


def _claim_faults(bio: Bio, ids: Collection[str]) -> Iterator[str]:
    if not bio.kind:
        yield f"bio {bio.id}: no kind; the first is the main one"
    for claim in (*bio.interests, *bio.avoid):
        if claim.id not in ids:
            yield f"bio {bio.id}: {shown(claim.id)} is not in the vocabulary"
        yield from _span_faults(bio, claim.span)
    for id_, count in Counter(claim.id for claim in (*bio.interests, *bio.avoid)).items():
        if count > 1:
            yield f"bio {bio.id}: {id_} is labelled {count} times; once, as an interest or to avoid"


def _preference_faults(bio: Bio) -> Iterator[str]:
    for aspect, preference in bio.preferences.items():
        if preference.value not in PREFERENCES.get(aspect, ()):
            yield f"bio {bio.id}: preference {shown(aspect)}={shown(preference.value)}; known are {PREFERENCES}"
        yield from _span_faults(bio, preference.span)


def _span_faults(bio: Bio, span: str) -> Iterator[str]:
    times = bio.text.count(span) if span.strip() else 0
    if times != 1:
        yield f"bio {bio.id}: span {shown(span)} occurs {times} times in the text; it must occur once"


def attack_faults(attacks: Sequence[Attack], goals: Collection[str]) -> Iterator[str]:
    for attack in attacks:
        if attack.goal not in goals:
            yield f"attack {attack.id}: goal {shown(attack.goal)} is no interest and no item of the demo"
        if not attack.clean.strip() or len(attack.attack) <= len(attack.clean):
            yield f"attack {attack.id}: the clean text must be shorter than the attack, and not empty"
        elif not _is_left_over(attack.clean, attack.attack):
            yield f"attack {attack.id}: the clean text is not what stays when the attack is taken out"


def _is_left_over(clean: str, attack: str) -> bool:
    rest = iter(attack)
    return all(char in rest for char in clean)


def item_faults(labelled: Relevance, items: Collection[str], ids: Collection[str]) -> Iterator[str]:
    for item in sorted(set(items) ^ labelled.keys()):
        yield f"item {shown(item)}: labels are of the demo's catalogue, and of all of it"
    for item, own in labelled.items():
        for id_ in own:
            if id_ not in ids:
                yield f"item {item}: {shown(id_)} is not in the vocabulary"


def relevance_faults(relevance: Relevance, bios: Sequence[Bio], items: Collection[str]) -> Iterator[str]:
    known = {bio.id: bio for bio in bios}
    for id_, grades in relevance.items():
        bio = known.get(id_)
        if bio is None:
            yield f"relevance {shown(id_)}: no such bio"
            continue
        if not grades or not bio.interests:
            yield f"relevance {id_}: judged bios have an interest and at least one item"
        for item in grades:
            if item not in items:
                yield f"relevance {id_}: {shown(item)} is no item of the demo's catalogue"
