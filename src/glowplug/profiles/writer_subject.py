"""Users and items as subjects of a profile model. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from glowplug.events import Attributes, ItemUpsert, UserUpsert
from glowplug.profiles.model import Subject
from glowplug.text.hashes import content_hash


def of_user(user: UserUpsert) -> Subject:
    """What they wrote, then what they picked. Attributes stay out: a country or an age is no interest."""
    picked = ((f"interests.{at}", text) for at, text in enumerate(user.interests))
    return Subject("user", _filled([("text", user.text), *picked]))


def of_item(item: ItemUpsert) -> Subject:
    """Title, description, and the words among the attributes."""
    return Subject(
        "item", _filled([("title", item.title), ("description", item.description), *_words(item.attributes)])
    )


def content_of(subject: Subject) -> str:
    """Hash of all that the model is given."""
    texts = (text for field in subject.fields for text in field)
    return content_hash((subject.kind, *texts, "liked", *subject.liked))


def _filled(fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in fields if text.strip())


def _words(attributes: Attributes) -> Iterable[tuple[str, str]]:
    for name, value in attributes.items():
        if isinstance(value, str):
            yield f"attributes.{name}", value
        elif isinstance(value, tuple):
            yield from ((f"attributes.{name}.{at}", text) for at, text in enumerate(value))
