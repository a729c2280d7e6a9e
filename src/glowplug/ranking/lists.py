"""From a user to their list, and from a list to its event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from glowplug.events import Basis, Reason, Recommendations, Recommended, Stage
from glowplug.index.retrieve import Hit, top_k
from glowplug.ranking.catalogue import Catalogue
from glowplug.ranking.changes import MAX_COVERS, At
from glowplug.ranking.explain import explain
from glowplug.ranking.fold import ItemSpace, Side, UserFold
from glowplug.ranking.priors import Priors
from glowplug.ranking.user import Listed, User, statements
from glowplug.settings import RankingSettings
from glowplug.vectors import Half

TITLE_CHARS = 200  # of a title in a list: a list of the longest titles must fit into one record
# What a list is said to be for when several things happened at once: the user's own deeds before the items'.
PRECEDENCE: tuple[Reason, ...] = (
    "user.created", "user.updated", "interaction", "profile",
    "item.withdrawn", "item.created", "item.updated", "import", "head", "prior",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a list is made: covers are ids of input events, event_time that of the oldest.

    since: where the item changes behind it stand, the oldest of each partition of item-vectors.
    """

    reason: Reason
    covers: tuple[str, ...]
    event_time: datetime
    since: tuple[At, ...] = ()

    def joined(self, other: Trigger | None) -> Trigger:
        if other is None:
            return self
        return Trigger(
            min(self.reason, other.reason, key=PRECEDENCE.index),
            tuple(dict.fromkeys(other.covers + self.covers))[-MAX_COVERS:],
            min(self.event_time, other.event_time),
            oldest((*self.since, *other.since)),
        )


def oldest(places: Iterable[At]) -> tuple[At, ...]:
    """The first place of each partition."""
    first: dict[int, At] = {}
    for at in places:
        first[at.partition] = min(at, first.get(at.partition, at))
    return tuple(first.values())


class Lists:
    """Makes lists over the catalogue as it is now."""

    def __init__(self, catalogue: Catalogue, priors: Priors, fold: UserFold, settings: RankingSettings) -> None:
        self._catalogue = catalogue
        self._priors = priors
        self._fold = fold
        self._settings = settings

    def make(self, user: User) -> Listed:
        """The user's list from nothing, with the priors of the current epoch."""
        side = self.side(user)
        return self.listed(side, self._raw(user, side.vector))

    def again(self, user: User, listed: Listed) -> Listed:
        """The list over the items as they are now, with the vector and the epoch that it has."""
        return self.with_raw(listed, self._raw(user, listed.vector))

    def side(self, user: User) -> Side:
        """The user's side of the inner product in the current epoch."""
        catalogue, table = self._catalogue, self._priors.current
        said = statements(user, catalogue.fingerprint, catalogue.layout.text)
        frame = table.frame if table.frame is not None and table.frame.encoder == catalogue.fingerprint else None
        space = ItemSpace(
            catalogue.text_of, catalogue.layout, table.epoch, frame, catalogue.head, catalogue.block_of
        )
        return self._fold.side(said, user.memory, space)

    def listed(self, side: Side, raw: tuple[Hit, ...]) -> Listed:
        """A list of the current epoch."""
        return Listed(
            vector=side.vector,
            raw=raw,
            shown=self._shown(raw),
            basis=side.basis,
            pulls=side.pulls,
            stage=_stage(side.basis),
            epoch=self._priors.current.epoch,
            kin=side.kin,
            learned=side.learned,
            clock=self._catalogue.clock,
        )

    def with_raw(self, listed: Listed, raw: tuple[Hit, ...]) -> Listed:
        """The same user vector over other items."""
        return replace(listed, raw=raw, shown=self._shown(raw))

    def _raw(self, user: User, vector: Half) -> tuple[Hit, ...]:
        seen, blocked = user.memory.seen, user.blocked
        excluded = len(seen) + len(blocked)
        return top_k(self._catalogue.index, vector, self._settings.raw_size, seen, blocked, excluded)

    def _shown(self, raw: Sequence[Hit]) -> tuple[str, ...]:
        """Policies (diversity, exposure, safety) belong here; today the list is the head of the raw one."""
        return tuple(hit.item_id for hit in raw[: self._settings.list_size])

    def floor(self, listed: Listed) -> float:
        """The score that a new item has to reach."""
        return listed.raw[-1].score if len(listed.raw) >= self._settings.raw_size else float("-inf")

    def event(self, user: User, listed: Listed, trigger: Trigger, now: datetime) -> Recommendations:
        return Recommendations(
            user_id=user.user_id,
            reason=trigger.reason,
            stage=listed.stage,
            covers=trigger.covers,
            basis=listed.basis,
            items=tuple(self._recommended(user, listed)),
            encoder=self._catalogue.fingerprint,
            head=self._catalogue.head_fingerprint or None,
            epoch=listed.epoch,
            source_event_time=trigger.event_time,
            generated_at=now,
        )

    def _recommended(self, user: User, listed: Listed) -> Iterator[Recommended]:
        columns = self._catalogue.layout.prior(listed.epoch)
        scores = {hit.item_id: hit.score for hit in listed.raw}
        rank = 0
        for item_id in listed.shown:
            item, row = self._catalogue.get(item_id), self._catalogue.index.row_of(item_id)
            if item is None or row is None:
                continue  # withdrawn a moment ago, its matching waits: it must not go out any more
            rank += 1
            priors = self._catalogue.index.rows([row])[0, columns]
            yield Recommended(
                item_id=item_id,
                rank=rank,
                score=scores[item_id],
                title=item.title[:TITLE_CHARS],
                explanation=explain(item, priors, listed.vector[columns], user, listed, self._catalogue),
            )


def _stage(basis: Basis) -> Stage:
    """popular: nothing personal is known. warm: behaviour outweighs what was said. refined: a profile helped."""
    if not basis.text and not basis.profile and not basis.behaviour:
        return "popular"
    if basis.behaviour > basis.text + basis.profile:
        return "warm"
    return "refined" if basis.profile else "provisional"
