"""Every active user's list against the exact top-k over the final state, made anew with a fresh index."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from glowplug.audit.finding import Check, Finding, Pair, digest
from glowplug.audit.snapshot import Progress, silent
from glowplug.audit.world import World
from glowplug.errors import shown
from glowplug.index.items import item_hash
from glowplug.index.retrieve import Hit
from glowplug.ranking.user import Listed, User
from glowplug.vectors import Half

GRACE_S = 5.0  # beyond a window: until its list is made and committed on a busy machine, and for clocks that differ
ITEMS_SHOWN = 3  # of the differences between two lists: the first ones say enough


@dataclass(slots=True)
class ListAudit:
    """published, made: item ids by user, as the log and as a fresh index has them. vectors: how many compared."""

    findings: list[Finding] = field(default_factory=list)
    published: dict[str, Sequence[str]] = field(default_factory=dict)
    made: dict[str, Sequence[str]] = field(default_factory=dict)
    vectors: int = 0

    @property
    def pair(self) -> Pair:
        return Pair("lists: user-states and a fresh index", _digest(self.published), _digest(self.made))


def audit_lists(world: World, progress: Progress = silent) -> ListAudit:
    """progress: called with the number of users looked at, and of all."""
    audit = ListAudit()
    user_ids = world.user_ids
    for done, user_id in enumerate(user_ids):
        progress(done, len(user_ids))
        user = world.user(user_id)
        if user is not None and user.is_active:
            _audit_user(world, user, audit)
    return audit


def _audit_user(world: World, user: User, audit: ListAudit) -> None:
    made = world.lists.make(user)
    audit.made[user.user_id] = made.shown
    audit.published[user.user_id] = user.published or ()
    forbidden = list(_forbidden(world, user))
    audit.findings += forbidden
    stored = user.stored
    if stored is None:
        if user.published is not None:
            audit.findings.append(_of(user, "list", "vector and top-k", "a list behind the published one", "none"))
        return  # without a list, which the check of the log tells
    if stored.encoder != world.tables.catalogue.fingerprint:
        moving = "its list has not moved to the encoder that serves"
        audit.findings.append(
            _of(user, "list", "encoder", world.tables.catalogue.fingerprint, stored.encoder, moving)
        )
        return
    if stored.head != world.tables.catalogue.head_fingerprint:
        expected = world.tables.catalogue.head_fingerprint or "none"
        moving = "its list has not moved to the head that serves"
        audit.findings.append(_of(user, "list", "head", expected, stored.head or "none", moving))
        return
    if stored.epoch != world.epoch:
        moving = "its list has not moved to the newest epoch" if stored.epoch < world.epoch else ""
        audit.findings.append(_of(user, "list", "epoch", str(world.epoch), str(stored.epoch), moving))
        earlier = world.tables.priors.previous
        if world.before is None or earlier is None or earlier.epoch != stored.epoch:
            return
        made = world.before.make(user)
    audit.vectors += 1
    found = list(_differences(world, user, made))
    # A list with something forbidden in it is not the list that it should be: saying so once is enough.
    audit.findings += [one for one in found if not (forbidden and one.check == "list")]


def _forbidden(world: World, user: User) -> Iterator[Finding]:
    index, unfolded = world.tables.catalogue.index, world.unfolded(user.user_id)
    for item_id in user.published or ():
        moving = unfolded
        if item_hash(item_id) in user.memory.seen:
            fault = "seen"
        elif item_id in user.blocked:
            fault = "blocked"
        elif item_id not in index:
            fault = "unavailable" if item_id in world.items else "unknown"
            if world.waits(item_id, user.partition):
                moving = moving or "its withdrawal waits to be matched"
        else:
            continue
        expected = "items that are available, not seen and not blocked"
        yield _of(user, "list", "published", expected, f"{shown(item_id)}, which is {fault}", moving)


def _differences(world: World, user: User, made: Listed) -> Iterator[Finding]:
    stored = user.stored
    if stored is None:
        return
    moving = world.unfolded(user.user_id)
    bent = [entry.item_id for entry in user.memory.history if world.waits(entry.item_id, user.partition)]
    if not np.array_equal(stored.vector, made.vector):
        if bent:
            moving = moving or f"{shown(bent[0])} of its history changed and waits to be matched"
        yield _of(user, "vector", "vector", *_told_apart(made.vector, stored.vector), moving)

    def waits(item_id: str) -> bool:
        return world.waits(item_id, user.partition)

    excuse = moving or _excuse(stored.raw, made.raw, lambda hit: waits(hit.item_id))
    if stored.raw != made.raw:
        expected, found = _first_difference(list(map(_hit, made.raw)), list(map(_hit, stored.raw)))
        yield _of(user, "list", "top-k", expected, found, excuse)
    published = user.published or ()
    if published != made.shown:
        expected, found = _first_difference(list(made.shown), list(published))
        if (excuse or stored.raw == made.raw) and _is_recent(world, user):
            moving = moving or "it waits for the end of the user's window"
        yield _of(user, "list", "published", expected, found, moving or _excuse(published, made.shown, waits))


def _is_recent(world: World, user: User) -> bool:
    """The state was written so lately that a window of the user may still be open."""
    latest = world.states[user.user_id].value
    if latest is None:
        return False
    age_s = (world.snapshot.taken_at - latest.updated_at).total_seconds()
    return age_s <= world.settings.window_s + GRACE_S


def _excuse(found: Sequence[Hashable], made: Sequence[Hashable], waits: Callable[..., bool]) -> str:
    """Why the two may differ: without the items that wait, they agree as far as both go."""
    waiting = [row for row in dict.fromkeys((*found, *made)) if waits(row)]
    one, other = ([row for row in rows if not waits(row)] for rows in (found, made))
    both = min(len(one), len(other))
    if not waiting or one[:both] != other[:both] or abs(len(one) - len(other)) > len(waiting):
        return ""
    return "a change of its items waits to be matched, or for the end of the user's window"


def _of(user: User, check: Check, what: str, expected: str, found: str, moving: str = "") -> Finding:
    return Finding(check, f"user_states {shown(user.user_id)}", what, expected, found, moving)


def _hit(hit: Hit) -> str:
    return f"{hit.item_id} ({hit.score!r})"


def _first_difference(made: Sequence[str], found: Sequence[str]) -> tuple[str, str]:
    """Both lists from the first rank where they differ."""
    at = next((n for n, (one, other) in enumerate(zip(made, found, strict=False)) if one != other), None)
    at = min(len(made), len(found)) if at is None else at
    return _from(made, at), _from(found, at)


def _from(rows: Sequence[str], at: int) -> str:
    told = ", ".join(shown(row) for row in rows[at : at + ITEMS_SHOWN])
    more = "…" if len(rows) > at + ITEMS_SHOWN else ""
    return f"from rank {at + 1}: {told}{more}" if told else f"{at} items"


def _told_apart(made: Half, found: Half) -> tuple[str, str]:
    if made.shape != found.shape:
        return f"{made.size} columns", f"{found.size} columns"
    (differing,) = np.nonzero(made != found)
    at = int(differing[0])
    return f"column {at}: {made[at]}", f"{found[at]}, and {len(differing) - 1} columns more differ"


def _digest(lists: dict[str, Sequence[str]]) -> str:
    return digest((user_id.encode(), *(i.encode() for i in lists[user_id])) for user_id in sorted(lists))
