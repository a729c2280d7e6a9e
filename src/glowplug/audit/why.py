"""A user's story from the log's final state: their list made anew, and each score taken apart. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from glowplug.audit.story import Deed, Listing, Miss, Story, Term, Words
from glowplug.audit.world import World
from glowplug.events import Recommendations
from glowplug.index.exact import Scores, exact_scores
from glowplug.index.items import item_hash
from glowplug.index.retrieve import Hit, top_k
from glowplug.ranking.fold import Pull
from glowplug.ranking.user import Listed, User, named_claims
from glowplug.vectors import Half

BELOW = 3  # items told that just missed the list
LEARNED = {"taste": "learned from what they did", "fold": "learned of users like them"}
FILTERED = 10  # and items that would be on it, were they not filtered


def why(world: World, user_id: str) -> Story | None:
    """None where user-states does not know the user. Pure."""
    user, latest = world.user(user_id), world.states.get(user_id)
    if user is None or latest is None or latest.value is None:
        return None
    state, said = latest.value, world.said.get(user_id)
    event = world.listed.get(user_id)
    listed = world.lists.make(user) if user.is_active else None
    parts = _Parts(world, user, listed) if listed is not None else None
    return Story(
        user_id=user_id,
        partition=user.partition,
        status=state.status,
        stage=state.stage or "",
        version=state.version,
        updated_at=state.updated_at,
        evidence=state.evidence,
        met=len(user.memory.seen),
        encoder=state.encoder,
        head=state.head,
        epoch=state.epoch,
        newest=world.tables.priors.current,
        source=said.value.source if said is not None and said.value is not None else None,
        said=user.said,
        profile=user.profile,
        event=event.value if event is not None else None,
        mark=dict(world.marks.get(user.partition, {})),
        words=tuple(parts.words()) if parts else (),
        deeds=tuple(_deeds(world, user, listed.pulls if listed else (), parts.scale if parts else 0.0)),
        items=tuple(parts.items(event.value if event is not None else None)) if parts else (),
        misses=tuple(parts.misses()) if parts else (),
        remarks=tuple(_remarks(world, user, listed)),
    )


class _Parts:
    """A list made over the final state, taken apart.

    The user's text block is s/|d| times d, the sum of the pulls (see ranking.fold), rounded to float16. So a pull
    adds s/|d| times its weight times its inner product with the item; what the rounding leaves is a term too.
    """

    def __init__(self, world: World, user: User, listed: Listed) -> None:
        self._world = world
        self._user = user
        self._listed = listed
        self._catalogue = world.tables.catalogue
        text = listed.vector[: self._catalogue.layout.text].astype(np.float64)
        total = _total(listed.pulls, text.size)
        length = float(np.linalg.norm(total))
        self.scale = float(np.linalg.norm(text)) / length if length else 0.0

    def items(self, event: Recommendations | None) -> Iterator[Listing]:
        sent = {item.item_id: item.score for item in event.items} if event is not None else {}
        for rank, item_id in enumerate(self._user.published or (), start=1):
            row = self._row(item_id)
            score = float(exact_scores(self._listed.vector[None], row[None])[0, 0]) if row is not None else None
            terms = tuple(self._terms(row, score)) if row is not None and score is not None else ()
            yield Listing(rank, item_id, self._title(item_id), score, sent.get(item_id), terms)

    def words(self) -> Iterator[Words]:
        for pull in self._listed.pulls:
            if pull.kind != "item":
                field, text = self._statement(pull)
                yield Words(field, text, self.scale * pull.weight)

    def misses(self) -> Iterator[Miss]:
        """Filtered items that score at least as the last of the list, then those just below it; best first."""
        shown = set(self._listed.shown)
        ranked = self._unfiltered()
        scores = dict(self._listed.raw)
        floor = min((scores[item_id] for item_id in shown), default=float("-inf"))
        filtered = [(hit, why) for hit in ranked if (why := self._filter(hit.item_id)) and hit.score >= floor]
        for hit, reason in filtered[:FILTERED]:
            yield Miss(hit.item_id, self._title(hit.item_id), hit.score, reason)
        for hit in [hit for hit in self._listed.raw if hit.item_id not in shown][:BELOW]:
            yield Miss(hit.item_id, self._title(hit.item_id), hit.score, "below the last of the list")

    def _unfiltered(self) -> list[Hit]:
        """The best items as if nothing were filtered, withdrawn ones included."""
        reach = len(self._listed.shown) + FILTERED
        hits = list(top_k(self._catalogue.index, self._listed.vector, reach))
        away = [item for item in self._catalogue if item.item_id not in self._catalogue.index]
        rows = [row for item in away if (row := self._row(item.item_id)) is not None]
        if rows:
            scores = exact_scores(self._listed.vector[None], np.array(rows, np.float16))[0]
            hits += [Hit(item.item_id, float(score)) for item, score in zip(away, scores, strict=True)]
        return sorted(hits, key=lambda hit: (-hit.score, hit.item_id.encode()))

    def _filter(self, item_id: str) -> str:
        """Why the item may not be on the list; empty where it may."""
        if item_hash(item_id) in self._user.memory.seen:
            deed = next((e for e in reversed(self._user.memory.history) if e.item_id == item_id), None)
            return f"seen: {deed.action} on {deed.event_time:%Y-%m-%d %H:%M}" if deed else "seen, longer ago"
        if item_id in self._user.blocked:
            return "blocked by the user"
        if item_id in self._catalogue.index:
            return ""
        latest = self._world.items.get(item_id)
        rule = self._world.tables.rules.reason(latest.value) if latest is not None and latest.value else ""
        return f"kept out by ranking.exclude ({rule})" if rule else "unavailable"

    def _terms(self, row: Half, score: float) -> Iterator[Term]:
        size = self._catalogue.layout.text
        text = row[:size].astype(np.float64)
        left = score
        for pull in self._listed.pulls:
            adds = self.scale * pull.weight * float(pull.vector.astype(np.float64) @ text)
            left -= adds
            yield Term(self._told(pull), adds)
        if self._listed.learned:
            block = self._catalogue.layout.of_head
            adds = float(self._listed.vector[block].astype(np.float64) @ row[block].astype(np.float64))
            left -= adds
            yield Term(LEARNED[self._listed.learned], adds)
        columns = self._catalogue.layout.prior(self._listed.epoch)
        weights, priors = (half[columns].astype(np.float64) for half in (self._listed.vector, row))
        for name, adds in zip(("popularity", "freshness"), (weights * priors).tolist(), strict=True):
            left -= adds
            yield Term(name, adds)
        yield Term("rounding", left)

    def _row(self, item_id: str) -> Half | None:
        """The item's side of the inner product, as the index has it or would have it."""
        item = self._catalogue.get(item_id)
        if item is None:
            return None
        at = self._catalogue.index.row_of(item_id)
        if at is not None:
            indexed: Half = self._catalogue.index.rows([at])[0]
            return indexed
        row = self._catalogue.layout.item(self._catalogue.text_of(item_id), self._catalogue.block_of(item_id))
        priors = self._world.tables.priors
        row[self._catalogue.layout.prior(self._listed.epoch)] = priors.of(
            item_id, item.listed_at, self._listed.epoch
        )
        return row

    def _told(self, pull: Pull) -> str:
        if pull.kind == "item":
            return f"{'liked' if pull.weight > 0 else 'disliked'} “{self._title(str(pull.key))}”"
        field, text = self._statement(pull)
        return f"{field} “{text}”" if text else field

    def _statement(self, pull: Pull) -> tuple[str, str]:
        if pull.kind == "part" and self._user.said is not None:
            part = self._user.said.parts[int(pull.key)]
            return part.field, part.text
        if pull.kind == "claim" and self._user.profile is not None:
            claim = named_claims(self._user.profile)[int(pull.key)]
            return "profile", f"{claim.label}: {claim.evidence.text}"
        return ("profile", "") if pull.kind == "profile" else ("avoid", "what the profile says to keep away from")

    def _title(self, item_id: str) -> str:
        return _title(self._world, item_id)


def _deeds(world: World, user: User, pulls: Sequence[Pull], scale: float) -> Iterator[Deed]:
    """Latest first, as the pulls are: an item met twice pulls twice."""
    left = [pull for pull in pulls if pull.kind == "item"]
    for entry in reversed(user.memory.history):
        adds = 0.0
        if left and left[0].key == entry.item_id:
            adds = scale * left.pop(0).weight
        yield Deed(
            entry.item_id,
            _title(world, entry.item_id),
            entry.action,
            entry.value,
            entry.event_time,
            entry.weight,
            adds,
        )


def _remarks(world: World, user: User, listed: Listed | None) -> Iterator[str]:
    unfolded = world.unfolded(user.user_id)
    if unfolded:
        yield f"work in progress: {unfolded}"
    if listed is None:
        return
    if user.stored is not None and user.stored.epoch != listed.epoch:
        yield f"the list is of epoch {user.stored.epoch}; scores here are those of epoch {listed.epoch}"
    if user.stored is not None and user.stored.encoder != world.tables.catalogue.fingerprint:
        yield "the list is of another encoder than the one that serves; scores here are those of the latter"
    head = world.tables.catalogue.head_fingerprint
    if user.stored is not None and user.stored.head != head:
        told = f"of {user.stored.head}" if user.stored.head else "of no head"
        yield f"the list is {told}; scores here are those {f'of {head}' if head else 'without one'}"
    waiting = [item for item in (*listed.shown, *(user.published or ())) if world.waits(item, user.partition)]
    if user.partition not in world.marks:
        yield "there is no mark yet: item changes may still wait to be matched with this list"
    elif waiting:
        yield f"changes past the mark wait to be matched with this list: {', '.join(dict.fromkeys(waiting))}"
    if listed.shown != (user.published or ()):
        yield f"made anew now, the list would be: {', '.join(listed.shown) or 'empty'}"


def _title(world: World, item_id: str) -> str:
    item = world.tables.catalogue.get(item_id)
    return item.title if item is not None and item.title else item_id


def _total(pulls: Sequence[Pull], size: int) -> Scores:
    total: Scores = np.zeros(size)
    for pull in pulls:
        total += pull.weight * pull.vector.astype(np.float64)
    return total
