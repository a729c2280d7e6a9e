"""How much the popularity of the day counts beside a head follows from what the latest interactions say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from glowplug.heads.head import read_head
from glowplug.ranking import priors
from glowplug.ranking.counts import Count, Counts
from glowplug.ranking.memory import Memory
from glowplug.settings import DomainSettings, RankingSettings
from glowplug.training import item_search, user_search
from glowplug.training.artifact import write_artifact
from glowplug.training.dataset import Dataset, read_folder
from glowplug.training.features import features
from glowplug.training.fitting import fitted
from glowplug.training.popularity import Popularity
from glowplug.training.prequential import before_the_latest, played
from glowplug.training.recommender_view import entry_of
from glowplug.training.trending import GRID, STEPS, Played, Trending, chosen, trending
from tests.support.heads import Shelf, fake_encoder

K = 5


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


def likes(known: int, users: int, gains: dict[int, float]) -> Played:
    """One like of each user, all at the same step; gains: by column of GRID."""
    values = np.zeros((users, len(GRID)))
    for column, gain in gains.items():
        values[: round(gain * users), column] = 1.0
    return Played(np.arange(users) + 1_000 * known, np.full(users, known), values, values)


def together(*parts: Played) -> Played:
    return Played(*(np.concatenate([getattr(one, name) for one in parts]) for name in Played.__slots__))


def test_the_weight_that_served_best_is_taken_step_by_step() -> None:
    found = chosen(together(likes(0, 50, {8: 0.3, 10: 0.8}), likes(20, 50, {3: 0.5, 10: 0.1})))
    assert (found[0].weight, found[-1].weight) == (GRID[10], GRID[3])
    assert (found[0].likes, found[0].without, found[0].beside) == (50, 0.0, 0.8)


def test_a_gain_that_may_be_luck_moves_nothing() -> None:
    lucky = likes(0, 40, {})
    lucky.values[:2, 5], lucky.values[2, 0] = 1.0, 1.0  # two users gain, one loses
    assert chosen(lucky)[0].weight == 0


def test_likes_of_one_user_are_one_witness() -> None:
    many = likes(0, 60, {6: 0.5})
    assert chosen(many)[0].weight == GRID[6]
    assert chosen(replace(many, user=np.zeros(60, np.int64)))[0].weight == 0


def test_a_handful_of_users_is_no_witness() -> None:
    assert chosen(likes(20, 19, {6: 1.0}))[-1].weight == 0
    assert chosen(likes(20, 20, {6: 0.9}))[-1].weight == GRID[6]


def test_of_whom_less_is_known_popularity_counts_no_less() -> None:
    found = chosen(likes(6, 50, {4: 0.5}))
    assert [one.weight for one in found] == [GRID[4]] * (STEPS.index(6) + 1) + [0.0]


def test_a_weight_holds_from_its_step_to_the_next() -> None:
    found = Trending(((0, 4.0), (1, 2.0), (20, 0.1)))
    assert [found.of(known) for known in (0, 1, 19, 20, 500)] == [4.0, 2.0, 2.0, 0.1, 0.1]
    assert Trending().of(3) == 0.0


def test_the_popularity_of_a_moment_is_what_the_recommender_would_have_counted(shelf: Shelf) -> None:
    data, ranking = shelf.data, RankingSettings(popularity_days=0.002, popularity_full=20)
    counts, day = Counts(ranking), Popularity(data, ranking)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    asked = range(0, len(data.user), 97)
    for row in range(asked[-1] + 1):
        now = start + timedelta(seconds=float(data.time[row]))
        if row in asked:
            expected = [
                priors.popularity(priors.decayed(one.weight, one.as_of, now, ranking), ranking)
                for one in (counts.get(0, item_id) for item_id in data.items.ids)
            ]
            assert day.until(row) == pytest.approx(np.array(expected), abs=1e-9)
        if data.positive[row]:
            item_id = data.items.ids[data.item[row]]
            known = counts.get(0, item_id)
            counts.put(0, item_id, counts.plus(known if known.weight else Count(0.0, now), 1.0, now))


def fashion(folder: Path, *, is_followed: bool) -> Dataset:
    """300 strangers come one after the other, and first like what the 20 around them like, or anything."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(300):
        in_fashion = (user // 20 * 7 + 3) % 40
        liked = rng.permutation(40)[:3]
        if is_followed and in_fashion not in liked:
            liked[0] = in_fashion
        rows += [(user, item, 3_600 * (3 * user + at)) for at, item in enumerate(liked)]
    return written(folder, rows)


def written(folder: Path, rows: Sequence[tuple[int, int, int]]) -> Dataset:
    folder.mkdir()
    lines = ["user_id:token\titem_id:token\ttimestamp:float", *(f"u{u}\ti{i}\t{time}" for u, i, time in rows)]
    (folder / "fashion.inter").write_text("\n".join(lines) + "\n", "utf-8")
    return read_folder(folder, DomainSettings())


def rows_of(data: Dataset) -> list[tuple[int, int, int]]:
    return [(int(u), int(i), int(t)) for u, i, t in zip(data.user, data.item, data.time, strict=True)]


def play(data: Dataset, folder: Path) -> Played:
    read = features(data, fake_encoder(folder).encoder, lambda _: None)
    of_items = item_search.START | {channel.name: 0.2 for channel in read.of_words + read.of_items}
    write_artifact(folder / "head", fitted(data, before_the_latest(data), read, of_items, user_search.START))
    ranking = RankingSettings(popularity_days=0.5, popularity_full=100)
    return played(read_head(folder / "head"), data, read, ranking, K, weak=0.2)


@pytest.mark.parametrize("is_followed", [True, False])
def test_strangers_get_the_fashion_of_the_day_where_there_is_one(is_followed: bool, tmp_path: Path) -> None:
    found = chosen(play(fashion(tmp_path / "fashion", is_followed=is_followed), tmp_path))[0]
    assert (found.weight > 0) == is_followed
    assert found.beside > found.without + 0.2 if is_followed else found.beside == found.without


def test_the_order_of_a_file_within_one_time_tells_nothing(tmp_path: Path) -> None:
    """The last day's rows stand by item: each tells that the next one is probably of the same."""
    data = fashion(tmp_path / "fashion", is_followed=False)
    rng = np.random.default_rng(1)
    past = rows_of(data)
    day = 10_000_000
    last = sorted(((user, int(rng.integers(40)), day) for user in range(300, 400)), key=lambda row: row[1])
    one = play(written(tmp_path / "by item", past + last), tmp_path / "one")
    other = play(written(tmp_path / "anyhow", past + [last[at] for at in rng.permutation(100)]), tmp_path / "other")
    strangers = [found.hits[found.known == 0, -1] for found in (one, other)]
    assert len(strangers[0]) == len(strangers[1]) == 100
    assert abs(strangers[0].mean() - strangers[1].mean()) < 0.15


def test_what_a_user_met_before_is_not_asked_for(tmp_path: Path) -> None:
    data = fashion(tmp_path / "fashion", is_followed=False)
    rows = rows_of(data)
    again = [(user, item, 10_000_000 + at) for at, (user, item, _) in enumerate(rows[:50])]
    new = play(written(tmp_path / "again", rows + again), tmp_path)
    assert not {int(user) for user in new.user} & {int(row[0]) for row in again}


def test_a_head_hands_out_the_weight_for_what_it_knows_of_a_user(shelf: Shelf) -> None:
    place, _ = shelf.plain_head(day=Trending(((0, 4.0), (1, 2.0), (2, 0.5)), spread=0.3))
    head, deeds = read_head(place), [entry_of(shelf.data, at) for at in np.flatnonzero(shelf.data.positive)[:9]]
    for known, weight in ((0, 4.0), (1, 2.0), (2, 0.5), (9, 0.5)):
        learned = head.user(Memory(history=tuple(deeds[:known])), {}, lambda _: None)
        assert (learned.known, learned.popularity_weight, learned.popularity_spread) == (known, weight, 0.3)


def test_equal_times_are_never_cut(shelf: Shelf) -> None:
    past = before_the_latest(shelf.data)
    assert shelf.data.time[past].max() < shelf.data.time[~past].min()
    assert 0 < np.count_nonzero(~past) < 0.12 * len(past)


def test_where_nothing_was_liked_lately_nothing_is_said() -> None:
    assert trending(chosen(likes(0, 0, {})), np.ones(3)).weights == tuple((step, 0.0) for step in STEPS)
