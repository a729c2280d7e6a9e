"""Profiles at the lists: provisional against refined lists of labelled users, and lists under attack.

Items, users and profiles go through the real embedders and the real recommender, without a broker and without
priors of popularity, so that only texts decide.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bench.profiles.labelled import Attack, Bio, Labels
from bench.profiles.relevant import grades
from consumers.item_embedder import ItemEmbedder
from consumers.recommender import Recommender
from consumers.user_embedder import UserEmbedder
from glowplug.demo import catalogue
from glowplug.errors import ModelRejected
from glowplug.events import ItemCreated, Source, UserCreated
from glowplug.inference.bisect import encode_each
from glowplug.inference.encoder import TextEncoder
from glowplug.profiles.model import Inferred, ProfileModel
from glowplug.profiles.pending import Job
from glowplug.profiles.writer_record import embedded, founded, phrases, ready
from glowplug.profiles.writer_subject import content_of, of_user
from glowplug.settings import Settings
from glowplug.stream.step import Batch, Context, Outgoing, Record, Step
from glowplug.topics import declared
from glowplug.training.intervals import interval

K = 10  # places of a list that are judged
FEWEST = 5  # judged bios have as many relevant items: of fewer a list of ten says little
TITLE_CHARS = 30  # of an attacked item
PARTITION = 1  # not 0, whose owner closes epochs of the priors
NOW = datetime(2026, 9, 1, tzinfo=UTC)  # after the catalogue's last item
Lists = Mapping[str, tuple[str, ...]]  # published items by user


class Driven:
    """A step fed by hand, which always commits."""

    def __init__(self, step: Step[Any]) -> None:
        self.step = step
        self._offset = 0
        self._monotonic = 1_000.0
        step.open(Context({name: name for name in declared()}, dict.fromkeys(declared(), 6)))
        step.assigned(frozenset({PARTITION}))

    def records(self, topic: str, values: Iterable[tuple[str, bytes | None]]) -> list[Record]:
        out = []
        for key, value in values:
            self._offset += 1
            out.append(Record(topic, PARTITION, self._offset, int(NOW.timestamp() * 1e3), key.encode(), value))
        return out

    def feed(self, records: Sequence[Record] = ()) -> tuple[Outgoing, ...]:
        self._monotonic += 60.0  # nobody waits for a window
        effects = self.step.step(Batch(tuple(records), NOW, self._monotonic))
        if effects.dead_letters:
            raise effects.dead_letters[0].error
        self.step.apply(effects.changes)
        return effects.outgoing

    def settle(self) -> list[Outgoing]:
        """Empty batches for as long as the step has work of its own."""
        out: list[Outgoing] = []
        for _ in range(1_000):
            due = self.step.due()
            if due is None or due > self._monotonic:
                return out
            out += self.feed()
        raise AssertionError("the step is due for ever")


class Lister:
    """The recommender over one catalogue."""

    def __init__(
        self,
        settings: Settings,
        encoder: TextEncoder,
        model: ProfileModel,
        items: Sequence[ItemCreated] | None = None,
    ) -> None:
        """items: in the place of the demo's."""
        self._settings, self._encoder, self._model = settings, encoder, model
        self._vectors = self._embedded(demo_items() if items is None else items)

    def beside(self, items: Sequence[ItemCreated]) -> Lister:
        """Over the same catalogue with these items in it."""
        other = copy(self)
        other._vectors = [*self._vectors, *self._embedded(items)]
        return other

    def _embedded(self, items: Sequence[ItemCreated]) -> list[tuple[str, bytes | None]]:
        embedder = Driven(ItemEmbedder(self._settings, self._encoder))
        rows = embedder.feed(embedder.records("items", ((item.item_id, _bytes(item)) for item in items)))
        return [(out.key, out.value) for out in rows]

    def lists(self, users: Mapping[str, str], *, is_refined: bool = True) -> tuple[Lists, Lists]:
        """Provisional and refined lists of these users, by what they wrote. Not refined: the provisional twice."""
        recommender = Driven(Recommender(self._settings, is_threaded=False))
        recommender.step.absorb(recommender.records("item_vectors", self._vectors))
        recommender.settle()
        events = {name: _user(name, text) for name, text in users.items()}
        embedder = Driven(UserEmbedder(self._settings, self._encoder))
        said = embedder.feed(embedder.records("users", ((name, _bytes(event)) for name, event in events.items())))
        first = recommender.records("user_vectors", ((out.key, out.value) for out in said))
        provisional = _published([*recommender.feed(first), *recommender.settle()])
        if not is_refined:
            return provisional, provisional
        profiles = self._profiles(events)
        then = recommender.records("user_profiles", profiles)
        refined = _published([*recommender.feed(then), *recommender.settle()])
        return provisional, {**provisional, **refined}

    def _profiles(self, users: Mapping[str, UserCreated]) -> list[tuple[str, bytes]]:
        subjects = {name: of_user(user) for name, user in users.items()}
        out = []
        for (name, subject), outcome in zip(
            subjects.items(), self._model.infer(list(subjects.values())), strict=True
        ):
            if isinstance(outcome, ModelRejected):
                raise outcome
            out.append((name, self._profile(Job(name, content_of(subject), subject, _SOURCE, _RECORD), outcome)))
        return out

    def _profile(self, job: Job, outcome: Inferred) -> bytes:
        found = founded(job.subject, outcome)
        words = phrases(found)
        vectors = dict(zip(words, encode_each(self._encoder, list(words), "user"), strict=True))
        record = ready(
            job,
            found,
            embedded(found, vectors),
            model=self._model.fingerprint,
            encoder=self._encoder.fingerprint,
            now=NOW,
        )
        return _bytes(record)


def refinement(lister: Lister, bios: Sequence[Bio], labels: Labels) -> dict[str, Any]:
    """nDCG@10 of provisional and refined lists, and the paired difference with its interval.

    avoided: items of the list, per user who avoids something, that are of what they avoid."""
    judged = {bio.id: found for bio in bios if len(found := grades(bio, labels)) >= FEWEST}
    texts = {bio.id: bio.text for bio in bios}
    provisional, refined = lister.lists(texts)
    before = np.array([ndcg(provisional.get(id_, ()), found) for id_, found in judged.items()])
    after = np.array([ndcg(refined.get(id_, ()), found) for id_, found in judged.items()])
    avoiding = [bio for bio in bios if labels.avoided_items(bio)]

    def shown(lists: Lists) -> float:
        wrong = [len(labels.avoided_items(bio) & set(lists.get(bio.id, ())[:K])) for bio in avoiding]
        return round(float(np.mean(wrong)), 3) if wrong else 0.0

    means = {"provisional": before, "refined": after, "difference": after - before}
    return {
        "users": len(judged),
        "ndcg_10": {name: _interval(values) for name, values in means.items()},
        "better": int((after > before).sum()),
        "worse": int((after < before).sum()),
        "users_who_avoid": len(avoiding),
        "avoided_items_in_10": {"provisional": shown(provisional), "refined": shown(refined)},
    }


def ndcg(listed: Sequence[str], relevant: Mapping[str, int], k: int = K) -> float:
    """Graded: the gain of an item is its grade."""
    discount = 1 / np.log2(np.arange(2, k + 2))
    gains = [relevant.get(item, 0) for item in listed[:k]]
    ideal = sorted(relevant.values(), reverse=True)[:k]
    best = float(np.dot(ideal, discount[: len(ideal)]))
    return float(np.dot(gains, discount[: len(gains)])) / best if best else 0.0


def under_attack(lister: Lister, attacks: Sequence[Attack], labels: Labels) -> dict[str, Any]:
    """Lists with an attack against lists of the same text without it.

    Of a user's attack the goal counts as reached where an item that it promotes enters the refined list (or one
    that it harms leaves it); of an item's where the item enters more lists of labelled users than without.
    """
    users = [attack for attack in attacks if attack.of == "user"]
    texts = {f"{attack.id}/{name}": getattr(attack, name) for attack in users for name in ("attack", "clean")}
    provisional, refined = lister.lists(texts)
    reached: dict[str, list[str]] = {"provisional": [], "refined": []}
    changed = 0
    for attack in users:
        for stage, lists in (("provisional", provisional), ("refined", refined)):
            one, other = (set(lists.get(f"{attack.id}/{name}", ())) for name in ("attack", "clean"))
            moved = one - other if attack.aim == "promote" else other - one
            if moved & labels.items_of(attack.goal):
                reached[stage].append(attack.id)
        changed += refined.get(f"{attack.id}/attack") != refined.get(f"{attack.id}/clean")
    items = [attack for attack in attacks if attack.of == "item"]
    found = {
        "users": len(users),
        "user_lists_changed": changed,
        "users_goal_reached_provisional": reached["provisional"],
        "users_goal_reached": reached["refined"],
    }
    if items:
        audience = {bio.id: bio.text for bio in labels.bios if bio.interests}
        spread = {
            name: _reach(lister.beside([_item(attack, getattr(attack, name)) for attack in items]), audience)
            for name in ("attack", "clean")
        }
        gained = {a.id: spread["attack"].get(a.id, 0) - spread["clean"].get(a.id, 0) for a in items}
        found |= {
            "items": len(items),
            "audience": len(audience),
            "items_lists_gained": {id_: more for id_, more in gained.items() if more > 0},
            "items_lists_lost": {id_: -more for id_, more in gained.items() if more < 0},
        }
    return found


def _reach(lister: Lister, audience: Mapping[str, str]) -> dict[str, int]:
    """In how many refined lists each item is."""
    counts: dict[str, int] = {}
    for listed in lister.lists(audience)[1].values():
        for item in listed:
            counts[item] = counts.get(item, 0) + 1
    return counts


def _interval(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    found = interval([values], pooled=True)
    return {"mean": round(found.mean, 3), "low": round(found.low, 3), "high": round(found.high, 3)}


def _published(outgoing: Iterable[Outgoing]) -> dict[str, tuple[str, ...]]:
    return {
        out.key: tuple(item["item_id"] for item in json.loads(out.value)["items"])
        for out in outgoing
        if out.topic == "recommendations" and out.value is not None
    }


def demo_items() -> list[ItemCreated]:
    return [ItemCreated.model_validate_json(line) for line in catalogue.read("items.jsonl")]


def _item(attack: Attack, text: str) -> ItemCreated:
    """The title is the same with the attack and without: its words are those of the clean text."""
    title = " ".join(attack.clean.split())[:TITLE_CHARS]
    return ItemCreated(event_id=attack.id, event_time=NOW, item_id=attack.id, title=title, description=text)


def _user(name: str, text: str) -> UserCreated:
    return UserCreated(event_id=name, event_time=NOW, user_id=name, text=text)


def _bytes(event: Any) -> bytes:
    encoded: bytes = event.model_dump_json().encode()
    return encoded


_SOURCE = Source(topic="users", partition=PARTITION, offset=0, version=1, event_id="bench", event_time=NOW)
_RECORD = Record("users", PARTITION, 0, 0, b"", b"")
