"""What becomes of the items does not depend on how the log is cut into batches, nor on restarts between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count, pairwise

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from glowplug.events import ItemCreated, ItemDeleted, ItemUpdated
from glowplug.settings import DomainSettings, StreamSettings
from glowplug.stream.step import Outgoing, Record
from tests.support.embedding import BY_EVENT, YEAR, absorbed, created, deleted, opened, record, run, updated

VALUES = (
    created(title="one"), updated(title="two"), updated(title="two", available=False), updated(title=""),
    updated(title="BOOM"), updated(title="x", attributes={"year": "bad"}), deleted(), None, b"{",
)  # fmt: skip
Log = list[Record]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    offset = count()
    log: Log = []
    for _ in range(draw(st.integers(1, 12))):
        key = draw(st.sampled_from(["a", "b"]))
        value = draw(st.sampled_from(VALUES))
        if isinstance(value, ItemCreated | ItemUpdated | ItemDeleted):
            version = draw(st.none() | st.integers(0, 5))
            value = value.model_copy(update={"item_id": key, "version": version})
        log.append(record(next(offset), value, key))
    return log


def outcome(pieces: Iterable[Sequence[Record]], stream: StreamSettings, *, restarts: bool) -> object:
    """Output table by key, and dead letters by offset, of a log cut into `pieces`."""
    domain = DomainSettings(item_attributes={"year": YEAR})
    embedder = opened(stream, domain=domain)
    written: list[Outgoing] = []
    dead: dict[int, str] = {}
    for piece in pieces:
        outgoing, letters = run(embedder, *piece)
        written += outgoing
        dead |= {letter.record.offset: letter.error.cause for letter in letters}
        if restarts:
            embedder = absorbed(written, opened(stream, domain=domain))
    return {one.key: (one.headers, orjson.loads(one.value or b"null")) for one in written}, dead


@settings(deadline=None, max_examples=150)
@given(logs(), st.sets(st.integers(1, 11)), st.sampled_from([StreamSettings(), BY_EVENT]), st.booleans())
def test_the_outcome_does_not_depend_on_how_the_log_is_cut(
    log: Log, cuts: set[int], stream: StreamSettings, restarts: bool
) -> None:
    edges = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    pieces = [log[start:end] for start, end in pairwise(edges)]
    one_by_one = [[one] for one in log]
    assert outcome(pieces, stream, restarts=restarts) == outcome(one_by_one, stream, restarts=False)
