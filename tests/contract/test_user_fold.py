"""What every UserFold promises: equal facts give equal bits, and nothing but facts decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from glowplug.events import Action, Interaction
from glowplug.heads.described import Described
from glowplug.heads.head import Head, read_head
from glowplug.ranking.blocks import Layout
from glowplug.ranking.fold import (
    TEXT_SPREAD,
    DecayedAverages,
    ItemSpace,
    Part,
    Said,
    Side,
    TextOf,
    UserFold,
    unknown,
)
from glowplug.ranking.fold_with_head import WithHead
from glowplug.ranking.memory import Memory, remember
from glowplug.settings import RankingSettings
from glowplug.training.trending import Trending
from glowplug.vectors import Half
from tests.support.heads import Shelf

RANKING = RankingSettings(history=20)
DAY = Trending(((0, 4.0), (3, 0.5), (20, 0.0)), spread=0.2)  # loud for strangers
START = datetime(2026, 3, 1, tzinfo=UTC)
ACTIONS: list[Action] = ["view", "click", "like", "dislike", "purchase", "rating", "skip"]


class World:
    """A fold, the items as they are now, and the head that serves, if one does."""

    def __init__(self, fold: UserFold, shelf: Shelf, head: Head | None) -> None:
        self.fold, self.head = fold, head
        self.text: dict[str, Half] = dict(
            zip(shelf.data.items.ids, shelf.read.vectors.astype(np.float16), strict=True)
        )
        described = [Described(item_id, f"Title {item_id}", "", {}, text) for item_id, text in self.text.items()]
        self.text["new"] = self.text["b0"]
        self.blocks: dict[str, Half] = {}
        if head is not None:
            described.append(Described("new", "The harbour of number 5", "", {"year": 1960.0}, self.text["new"]))
            self.blocks = dict(zip(self.text, head.items(described), strict=True))
        self.layout = Layout(shelf.read.vectors.shape[1], head.width if head is not None else 0)

    def side(self, said: Said, memory: Memory, epoch: int = 2) -> Side:
        block_of: TextOf = self.blocks.get if self.head is not None else unknown
        space = ItemSpace(self.text.get, self.layout, epoch, head=self.head, block_of=block_of)
        return self.fold.side(said, memory, space)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"), users=40, items=40, likes=12)


@pytest.fixture(
    scope="module", params=["averages", "with a head, without one", "with a head", "with a head and the day"]
)
def world(request: pytest.FixtureRequest, shelf: Shelf) -> World:
    if request.param == "averages":
        return World(DecayedAverages(RANKING), shelf, None)
    if request.param == "with a head, without one":
        return World(WithHead(RANKING), shelf, None)
    place = shelf.plain_head() if request.param == "with a head" else shelf.plain_head("of the day", day=DAY)
    return World(WithHead(RANKING), shelf, read_head(place[0]))


def words(world: World, text: str = "b3", weight: float = 1.0, field: str = "text") -> Said:
    vector = world.text[text]
    return Said(vector=vector, parts=(Part(field, "what they said", weight, vector),), attributes={"age": 30.0})


def deed(at: int, item_id: str, action: Action = "like") -> Interaction:
    value = 0.75 if action == "rating" else None
    moment = START + timedelta(seconds=at)
    return Interaction(
        event_id=f"e{at}", event_time=moment, user_id="u", item_id=item_id, action=action, value=value
    )


def folded(deeds: list[Interaction], memory: Memory | None = None) -> Memory:
    found = memory or Memory()
    for one in deeds:
        found = remember(found, one, RANKING) or found
    return found


deeds = some.lists(
    some.tuples(
        some.sampled_from([*(f"b{at}" for at in range(40)), "new", "nobody knows"]), some.sampled_from(ACTIONS)
    ),
    max_size=30,
).map(lambda found: [deed(at, item_id, action) for at, (item_id, action) in enumerate(found)])


@settings(max_examples=40, deadline=None)
@given(done=deeds, cuts=some.lists(some.integers(0, 30), max_size=4))
def test_the_vector_does_not_depend_on_where_the_log_is_cut(
    world: World, done: list[Interaction], cuts: list[int]
) -> None:
    """A batch's end is a state that is kept, restored, and folded on."""
    at_once = folded(done)
    memory, begin = Memory(), 0
    for end in [*sorted(cuts), len(done)]:
        memory = folded(done[begin:end], memory)
        memory = Memory(memory.history, dict(memory.seen), memory.evidence)  # as user-states gives it back
        world.side(words(world), memory)  # looking at it on the way leaves no trace
        begin = max(begin, end)
    one, other = world.side(words(world), at_once), world.side(words(world), memory)
    assert np.array_equal(one.vector, other.vector)
    assert one.basis == other.basis


@settings(max_examples=40, deadline=None)
@given(done=deeds)
def test_components_stay_within_what_exact_scores_need(world: World, done: list[Interaction]) -> None:
    for said in (Said(), words(world)):
        vector = world.side(said, folded(done)).vector
        assert vector.dtype == np.float16
        assert vector.shape == (world.layout.dim,)
        assert float(np.abs(vector).max()) <= 1
        assert float(np.linalg.norm(vector.astype(np.float64))) < 2


@settings(max_examples=40, deadline=None)
@given(done=deeds)
def test_shares_of_the_basis_add_up_to_one(world: World, done: list[Interaction]) -> None:
    for said in (Said(), words(world), words(world, field="attributes", weight=0.1)):
        basis = world.side(said, folded(done)).basis
        shares = (basis.text, basis.profile, basis.behaviour, basis.popularity)
        assert all(0 <= share <= 1 for share in shares)
        assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("epoch", [2, 3])
def test_only_the_columns_of_the_own_epoch_are_used(world: World, epoch: int) -> None:
    memory = folded([deed(at, f"b{at}") for at in range(3)])
    vector = world.side(words(world), memory, epoch).vector
    other = world.layout.prior(epoch + 1)
    assert not vector[other].any()
    assert not vector[other.stop :].any() or other.start < world.layout.prior(epoch).start


def test_what_a_user_likes_is_nearer_afterwards(world: World) -> None:
    """On average over items: a like of something is a step towards it, in whichever block."""
    gains = []
    for at in range(40):
        liked = f"b{at}"
        row = world.layout.item(world.text[liked], world.blocks.get(liked)).astype(np.float64)
        before, after = (
            world.side(Said(), folded([deed(0, liked)][:many])).vector.astype(np.float64) for many in (0, 1)
        )
        gains.append(float((after - before) @ row))
    assert np.mean(gains) > 0


def test_an_item_that_is_not_known_yet_changes_nothing(world: World) -> None:
    without = world.side(words(world), Memory())
    assert np.array_equal(world.side(words(world), folded([deed(0, "nobody knows")])).vector, without.vector)


def test_words_of_their_own_are_heard(world: World) -> None:
    one, other = (world.side(words(world, text), Memory()).vector for text in ("b3", "b7"))
    assert not np.array_equal(one, other)


def test_popularity_is_louder_for_strangers_and_drowns_no_words(shelf: Shelf) -> None:
    world = World(WithHead(RANKING), shelf, read_head(shelf.plain_head("of the day", day=DAY)[0]))
    of_head, prior = world.layout.of_head, world.layout.prior(2)
    loud = []
    for likes in (0, 5, 20):
        vector = world.side(Said(), folded([deed(at, f"b{at}") for at in range(likes)])).vector
        loud.append(float(vector[prior][0]) / float(np.linalg.norm(vector[of_head])))
    assert loud[0] > 2 * loud[1] > 0
    assert loud[-1] == 0
    vector = world.side(words(world), Memory()).vector.astype(np.float64)
    text = float(np.linalg.norm(vector[: world.layout.text])) * TEXT_SPREAD
    assert float(vector[prior][0]) * 0.2 < text


def test_a_weight_that_is_set_stands_for_the_one_that_was_learned(shelf: Shelf) -> None:
    settings = RANKING.model_copy(update={"head_popularity": 0.0})
    world = World(WithHead(settings), shelf, read_head(shelf.plain_head("of the day", day=DAY)[0]))
    plain = World(WithHead(RANKING), shelf, read_head(shelf.plain_head()[0]))
    learned = World(WithHead(RANKING), shelf, world.head)
    vectors = [one.side(Said(), Memory()).vector for one in (plain, world, learned)]
    assert np.array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[0], vectors[2])


def test_without_a_head_the_head_s_fold_is_the_other_one_to_the_last_bit(shelf: Shelf) -> None:
    plain, capable = (World(make(RANKING), shelf, None) for make in (DecayedAverages, WithHead))
    memory = folded([deed(at, f"b{at}", ACTIONS[at % 7]) for at in range(12)])
    for said in (Said(), words(plain), replace(words(plain), avoid=plain.text["b9"])):
        one, other = plain.side(said, memory), capable.side(said, memory)
        assert one.vector.tobytes() == other.vector.tobytes()
        assert one.basis == other.basis


def test_likes_of_items_that_the_head_never_saw_count(shelf: Shelf) -> None:
    world = World(WithHead(RANKING), shelf, read_head(shelf.plain_head()[0]))
    assert not np.array_equal(
        world.side(Said(), folded([deed(0, "new")])).vector, world.side(Said(), Memory()).vector
    )
