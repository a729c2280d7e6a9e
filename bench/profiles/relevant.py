"""Which items fit a bio: follows from the labels of both. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.profiles.labelled import Bio, Grade, Labels

ABOUT = 2  # the grade of an item that is about the interest; it touches on others, grade 1


def grades(bio: Bio, labels: Labels) -> dict[str, Grade]:
    """The best grade that one of the bio's interests gives the item. An item of a narrower thing than was asked for
    fits (1); one that is about something to avoid does not."""
    wanted = {claim.id for claim in bio.interests}
    avoided = labels.avoided_items(bio)
    found: dict[str, Grade] = {}
    for item, own in labels.items.items():
        if item in avoided:
            continue
        best = max((own.get(id_, 0) for id_ in wanted), default=0)
        if not best and any(wanted & labels.above(id_) for id_ in own):
            best = 1
        if best:
            found[item] = 2 if best == ABOUT else 1
    return found
