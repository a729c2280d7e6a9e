"""A replay beside another one: the head learns from what lies before the tail alone, and users are compared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.past import write_past
from glowplug.data.ml100k import convert
from glowplug.errors import BadInputFile
from glowplug.settings import DomainSettings
from glowplug.training.dataset import read_folder
from producers.prequential import Account, Popularity
from producers.timeline import Moment, cut, read
from tests.support.shelf import write_shelf

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ITEMS = [f"i{at}" for at in range(10)]


def test_the_past_ends_where_the_tail_begins(tmp_path: Path) -> None:
    source = write_shelf(tmp_path / "shelf", users=20, items=30, likes=10)
    convert(source, tmp_path / "events")
    moments = read(tmp_path / "events", 900_000, seed=0)
    past = write_past(source, tmp_path / "past", moments[: cut(moments, 50)])
    known, everything = (read_folder(folder, DomainSettings()) for folder in (past, source))
    assert (len(known.user), len(everything.user)) == (150, 200)
    pairs = [
        {(data.users.ids[user], data.items.ids[item]) for user, item in zip(data.user, data.item, strict=True)}
        for data in (known, everything)
    ]
    tail = {(moment.user_id, moment.item_id) for moment in moments[cut(moments, 50) :]}
    assert pairs[0] == pairs[1] - tail


def test_a_head_needs_atomic_files(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    with pytest.raises(BadInputFile, match="give them with --data"):
        write_past(tmp_path / "events", tmp_path / "past", [])


def account(lists: dict[str, list[str]]) -> Account:
    """Each user likes i0 and i1, one after the other, and has one list all the time."""
    kept = Account({name: Popularity(ITEMS) for name in ("popularity", "recent_popularity")}, 3)
    for user, ids in lists.items():
        for at, item_id in enumerate(("i0", "i1")):
            kept.hear(user, ids, (), 0.0)
            moment = Moment(
                NOON + timedelta(seconds=at), "interactions", user, f"e{at}", b"", user, item_id, is_like=True
            )
            kept.test(moment)
            kept.learn(moment, 0.0)
    return kept


def test_two_replays_are_compared_user_by_user() -> None:
    good = account({"ada": ["i0", "i1"], "bo": ["i0", "i5"], "cy": ["i0", "i1"]})
    bad = account({"ada": ["i0", "i4"], "bo": ["i4", "i5"], "cy": ["i6", "i1"]})
    lead = good.lead_over(bad)
    assert lead["mean"] == pytest.approx(3 / 6)  # one like of two each
    assert lead["margin_95"] == 0  # the same for everybody
    assert bad.lead_over(good)["mean"] == pytest.approx(-3 / 6)
    one_sided = account({"ada": ["i0", "i1"], "bo": ["i4", "i5"], "cy": ["i6", "i1"]})
    assert one_sided.lead_over(bad)["mean"] == pytest.approx(1 / 6, abs=1e-4)
    assert one_sided.lead_over(bad)["margin_95"] > 0
