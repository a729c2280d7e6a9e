"""Why an item is on a list, in one plain sentence that names what it rests on."""

from __future__ import annotations

import numpy as np

from glowplug.events import Action, Claim, Explanation, UserPart
from glowplug.ranking.catalogue import Catalogue, Item, terms
from glowplug.ranking.fold import EPSILON, Pull
from glowplug.ranking.user import Listed, User, named_claims
from glowplug.text.clean import clean_line
from glowplug.vectors import Half

ALIKE = 0.15  # cosine: unrelated texts have -.03 ± .07 (decision 0006), so this is no accident
COMMON = 0.25  # what a quarter of all items have in common explains nothing
VALUE_CHARS = 200  # a list of the longest statements must fit into one record
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
    """Names the one statement or deed that adds most to the score; where none does, the taste that a head learned
    or popularity, whichever adds more, or freshness.

    priors, weights: float16 (2,), the item's popularity and freshness and the user's weights of them.
    """
    popular, fresh = (priors.astype(np.float64) * weights.astype(np.float64)).tolist()
    is_learned = bool(listed.learned) and popular <= max(0.0, _by_head(item, listed, catalogue))
    pulls = listed.pulls + listed.kin if is_learned or not listed.learned else listed.pulls
    pull = _strongest(catalogue.text_of(item.item_id), pulls, user)
    if pull is not None:
        return (
            _like_the_item(item, pull, user, catalogue) if pull.kind == "item" else _as_was_said(item, pull, user)
        )
    if is_learned:
        return _as_was_learned(listed)
    if popular > fresh:
        return Explanation(kind="popular", text="popular with other users", field="popularity")
    return Explanation(kind="fresh", text="new here", field="listed_at", value=item.listed_at.isoformat())


def _by_head(item: Item, listed: Listed, catalogue: Catalogue) -> float:
    """What the learned columns add to the score."""
    block = catalogue.block_of(item.item_id)
    side = listed.vector[catalogue.layout.of_head]
    return float(block.astype(np.float64) @ side.astype(np.float64)) if block is not None else 0.0


def _as_was_learned(listed: Listed) -> Explanation:
    if listed.basis.behaviour:
        return Explanation(kind="taste", text="liked by people who like what you like", field="behaviour")
    if listed.basis.text:
        return Explanation(kind="taste", text="liked by people like you", field="attributes")
    return Explanation(kind="popular", text="popular with other users", field="popularity")


def _group(pull: Pull, user: User) -> str:
    """The field of what was said, or all claims of the profile; every item by itself."""
    if pull.kind == "part" and user.said is not None:
        return user.said.parts[int(pull.key)].field
    return f"{pull.kind} {pull.key}" if pull.kind == "item" else pull.kind


def _strongest(text: Half | None, pulls: tuple[Pull, ...], user: User) -> Pull | None:
    """What adds most to an item's text score, if it is like the item at all; not what pushes away."""
    if text is None or not pulls or pulls[0].vector.size != text.size:
        return None
    vectors = np.array([pull.vector for pull in pulls], dtype=np.float64)
    products = vectors @ text.astype(np.float64)
    shares = products * np.array([max(0.0, pull.weight) for pull in pulls])
    best = int(np.argmax(shares))
    if shares[best] <= 0:
        return None
    # Sentences of one text weigh by their length: the one that is most like the item speaks for all of them.
    alike = products / np.maximum(np.linalg.norm(vectors, axis=1), EPSILON)
    group = _group(pulls[best], user)
    together = [at for at, pull in enumerate(pulls) if pull.weight > 0 and _group(pull, user) == group]
    best = max(together, key=lambda at: float(alike[at]))
    # What was read in these very words says shorter what they have to do with the item.
    within = [at for at, pull in enumerate(pulls) if alike[at] >= ALIKE and _is_within(pull, pulls[best], user)]
    best = max(within, key=lambda at: float(alike[at]), default=best)
    return pulls[best] if alike[best] >= ALIKE else None


def _claim(pull: Pull, user: User) -> Claim | None:
    if pull.kind != "claim" or user.profile is None:
        return None
    return named_claims(user.profile)[int(pull.key)]


def _is_within(pull: Pull, statement: Pull, user: User) -> bool:
    """The pull is a claim that rests on words of this sentence of the user's text."""
    claim = _claim(pull, user)
    if claim is None or statement.kind != "part" or user.said is None:
        return False
    part = user.said.parts[int(statement.key)]
    return part.field == claim.evidence.field == "text" and clean_line(claim.evidence.text) in part.text


def _as_was_said(item: Item, pull: Pull, user: User) -> Explanation:
    claim = _claim(pull, user)
    if claim is not None:
        return _as_was_read(item, claim)
    if pull.kind != "part" or user.said is None:
        return Explanation(kind="profile", text="fits what your text says of you", field="profile")
    part: UserPart = user.said.parts[int(pull.key)]
    quote = _quoted(part.text)
    if part.field == "text":
        return Explanation(
            kind="text", text=f"close to what you wrote: “{quote}”", field="text", value=part.text[:VALUE_CHARS]
        )
    label = LABELS.get(part.field, part.field)
    named = _attribute_named(item, part.text)
    suffix = f" ({named}: {part.text})" if named else ""
    return Explanation(
        kind="interest" if part.field == "interests" else "attribute",
        text=f"matches {label} “{quote}”{suffix}",
        field=part.field,
        value=part.text[:VALUE_CHARS],
    )


def _as_was_read(item: Item, claim: Claim) -> Explanation:
    words = claim.evidence
    did = "wrote" if words.field == "text" else "picked"
    named = _attribute_named(item, claim.label)
    suffix = f" ({named}: {claim.label})" if named else ""
    said = _quoted(claim.label.replace("-", " "))  # a taxonomy's ids
    return Explanation(
        kind="profile",
        text=f"about {said}, because you {did} “{_quoted(words.text)}”{suffix}",
        field=words.field,
        value=words.text[:VALUE_CHARS],
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
