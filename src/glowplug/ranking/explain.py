"""Why an item is on a list, in one plain sentence that names what it rests on."""

from __future__ import annotations

import numpy as np

from glowplug.events import Action, Explanation, UserPart
from glowplug.ranking.catalogue import Catalogue, Item, terms
from glowplug.ranking.fold import Pull
from glowplug.ranking.user import Listed, User
from glowplug.vectors import Half

COMMON = 0.25  # what a quarter of all items have in common explains nothing
QUOTE_CHARS = 60  # of the user's own words: enough to recognise the statement
DONE: dict[Action, str] = {
    "view": "viewed",
    "click": "clicked",
    "like": "liked",
    "purchase": "bought",
    "rating": "rated highly",
}
LABELS = {"interests": "your interest", "attributes": "your profile"}


def explain(
    item: Item, priors: Half, weights: Half, user: User, listed: Listed, catalogue: Catalogue
) -> Explanation:
    """The explanation of the largest share of the score.

    priors, weights: float16 (2,), the item's popularity and freshness and the user's weights of them.
    """
    said, lived = _contributions(item, listed.pulls)
    popular, fresh = (priors.astype(np.float64) * weights.astype(np.float64)).tolist()
    # Said and lived shares are compared as sums, as they count in the score; one statement or item then speaks for
    # each. Priors are asked last: a weak match is still more telling than "popular".
    if lived and sum(share for share, _ in lived) >= sum(share for share, _ in said):
        return _like_the_item(item, max(lived, key=lambda one: one[0])[1], user, catalogue)
    if said:
        return _as_was_said(item, max(said, key=lambda one: one[0])[1], user)
    if popular > fresh:
        return Explanation(kind="popular", text="popular with other users", field="popularity")
    return Explanation(kind="fresh", text="new here", field="listed_at", value=item.listed_at.isoformat())


def _contributions(
    item: Item, pulls: tuple[Pull, ...]
) -> tuple[list[tuple[float, Pull]], list[tuple[float, Pull]]]:
    """What was said and what was done that speaks for the item, with positive shares of its text score."""
    said: list[tuple[float, Pull]] = []
    lived: list[tuple[float, Pull]] = []
    if item.text is None or not pulls:
        return said, lived
    vectors = np.array([pull.vector for pull in pulls], dtype=np.float64)
    if vectors.shape[1] != item.text.size:
        return said, lived
    shares = vectors @ item.text.astype(np.float64)
    for share, pull in zip(shares, pulls, strict=True):
        weighted = float(share) * pull.weight
        if pull.weight > 0 and weighted > 0:
            (lived if pull.kind == "item" else said).append((weighted, pull))
    return said, lived


def _as_was_said(item: Item, pull: Pull, user: User) -> Explanation:
    if pull.kind == "profile" or user.said is None:
        return Explanation(kind="profile", text="fits what your text says of you", field="profile")
    part: UserPart = user.said.parts[int(pull.key)]
    quote = _quoted(part.text)
    if part.field == "text":
        return Explanation(kind="text", text=f"close to what you wrote: “{quote}”", field="text", value=part.text)
    label = LABELS.get(part.field, part.field)
    named = _attribute_named(item, part.text)
    suffix = f" ({named}: {part.text})" if named else ""
    return Explanation(
        kind="interest" if part.field == "interests" else "attribute",
        text=f"matches {label} “{quote}”{suffix}",
        field=part.field,
        value=part.text,
    )


def _like_the_item(item: Item, pull: Pull, user: User, catalogue: Catalogue) -> Explanation:
    liked_id = str(pull.key)
    liked = catalogue.get(liked_id)
    liking: Action = "like"
    action = next((entry.action for entry in reversed(user.memory.history) if entry.item_id == liked_id), liking)
    title = _quoted(liked.title if liked and liked.title else liked_id)
    shared = _shared(item, liked, catalogue) if liked else None
    text = f"similar to “{title}”, which you {DONE.get(action, 'liked')}"
    return Explanation(
        kind="liked_item",
        text=f"{text} ({shared[0]}: {shared[1]})" if shared else text,
        field=shared[0] if shared else "item",
        value=title,
        item_id=liked_id,
    )


def _attribute_named(item: Item, words: str) -> str:
    """The item's attribute that has `words` as its value or among its values."""
    sought = words.casefold()
    return next((name for name, value in terms(item.attributes) if value.casefold() == sought), "")


def _shared(one: Item, other: Item, catalogue: Catalogue) -> tuple[str, str] | None:
    """Name and value of the rarest attribute that both items have, if it is rare at all."""
    theirs = set(terms(other.attributes))
    common = [term for term in terms(one.attributes) if term in theirs]
    rarest = min(common, key=lambda term: catalogue.share(*term), default=None)
    return rarest if rarest is not None and catalogue.share(*rarest) < COMMON else None


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= QUOTE_CHARS else f"{line[: QUOTE_CHARS - 1].rstrip()}…"
