"""Consumers that share one encoder: turns, users first, and the memory for short texts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from itertools import repeat

import numpy as np
import pytest
from prometheus_client import REGISTRY

from glowplug.inference import shared as shared_module
from glowplug.inference.deference import MOST_S
from glowplug.inference.encoder import BEHIND_TOKENS, KINDS, Kind, TokenBatch, Vectors
from glowplug.inference.fake import BATCH, FakeEncoder
from glowplug.inference.shared import MEMO_CHARS, SharedEncoder, in_front
from glowplug.inference.turnstile import Turnstile
from tests.support.waiting import wait_until

DEADLINE_S = 10.0


class Gated(FakeEncoder):
    """Its first pass waits until it is told to go on; `passes` says in which order kinds came through."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.go_on = threading.Event(), threading.Event()
        self.passes: list[tuple[Kind, int]] = []
        self.inside = 0

    def forward(self, batch: TokenBatch) -> Vectors:
        self.inside += 1
        assert self.inside == 1, "two passes at once"
        self.passes.append((batch.kind, len(batch.rows)))
        self.started.set()
        assert self.go_on.wait(DEADLINE_S)
        self.inside -= 1
        return super().forward(batch)


def started(target: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=target)
    thread.start()
    return thread


def stands(turnstile: Turnstile, count: int) -> bool:
    return turnstile.waiting() == count


def saved(kind: Kind) -> float:
    return REGISTRY.get_sample_value("glowplug_inference_saved_total", {"kind": kind}) or 0.0


def test_a_user_goes_before_the_waiting_batches_of_items() -> None:
    inner = Gated()
    shared = SharedEncoder(inner, memo=0)
    items = [f"item {at}" for at in range(3 * BATCH)]
    threads = [started(lambda: shared.encode(items, "item"))]
    assert inner.started.wait(DEADLINE_S)
    threads.append(started(lambda: shared.encode(["another import"], "item")))
    wait_until(partial(stands, shared._turnstile, 1), DEADLINE_S, "the second caller waits")
    threads.append(started(lambda: shared.encode(["I like jazz"], "user")))
    wait_until(partial(stands, shared._turnstile, 2), DEADLINE_S, "the user waits")
    inner.go_on.set()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert [kind for kind, _rows in inner.passes[:3]] == ["item", "user", "item"]
    assert inner.passes[2] == ("item", 1)  # the other caller's, not the next of the long import
    assert len(inner.passes) == 5


def test_an_endless_stream_of_users_does_not_stop_the_items() -> None:
    turnstile, order = Turnstile(2), list[str]()

    def take(rank: int, name: str) -> None:
        with turnstile.turn(rank):
            order.append(name)

    with turnstile.turn(0):
        threads = []
        for at, (rank, name) in enumerate([(1, "item"), *((0, f"user {n}") for n in range(4))]):
            threads.append(started(partial(take, rank, name)))
            wait_until(partial(stands, turnstile, at + 1), DEADLINE_S, "it stands in line")
    for thread in threads:
        thread.join(DEADLINE_S)
    assert order == ["user 0", "user 1", "item", "user 2", "user 3"]


def test_work_behind_comes_after_everybody_else_in_small_passes() -> None:
    inner = Gated()
    shared = SharedEncoder(inner, memo=0)
    texts = [f"{at}".ljust(BEHIND_TOKENS // 2, "x") for at in range(5)]  # the fake has a token a character
    threads = [started(lambda: shared.behind().encode(texts, "user"))]
    assert inner.started.wait(DEADLINE_S)
    for at, kind in enumerate(KINDS):
        threads.append(started(partial(shared.encode, ["somebody waits for it"], kind)))
        wait_until(partial(stands, shared._turnstile, at + 1), DEADLINE_S, "it stands in line")
    inner.go_on.set()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert inner.passes == [("user", 2), ("user", 1), ("item", 1), ("user", 2), ("user", 1)]


def test_work_behind_is_cut_so_that_nobody_waits_long_for_a_pass() -> None:
    inner, plain = Gated(), FakeEncoder()
    inner.go_on.set()
    texts = ["x" * length for length in (3, BEHIND_TOKENS, 5, 7, 2 * BEHIND_TOKENS, 4)]
    vectors = SharedEncoder(inner, memo=0).behind().encode(texts, "user")
    assert [rows for _, rows in inner.passes] == [1, 1, 2, 1, 1]
    np.testing.assert_array_equal(vectors, plain.encode(texts, "user"))


def test_no_pass_of_the_work_behind_begins_while_a_users_text_is_under_way() -> None:
    inner = Gated()
    shared = SharedEncoder(inner, memo=0)
    user = started(lambda: shared.encode(["somebody waits for it"], "user"))
    assert inner.started.wait(DEADLINE_S)  # the turn is taken, and the call goes on behind it
    behind = started(lambda: shared.behind().encode(["nobody does"], "user"))
    wait_until(lambda: shared._users.waiting() == 1, DEADLINE_S, "it gives way")
    assert shared._turnstile.waiting() == 0  # it does not even stand in line
    inner.go_on.set()
    user.join(DEADLINE_S)
    behind.join(DEADLINE_S)
    assert len(inner.passes) == 2


def test_users_without_end_do_not_stop_the_work_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_module, "GIVES_WAY_S", 0.0)
    inner = Gated()
    inner.go_on.set()
    shared = SharedEncoder(inner, memo=0)
    with shared._users.here():
        shared.behind().encode(["nobody waits for it"], "user")
    assert len(inner.passes) == 1


class Visited(FakeEncoder):
    """While a pass of it goes on, as many users come as `visits` says of it, and in each pause as `busy` does."""

    def __init__(self, visits: list[int], busy: Iterable[int] = repeat(1)) -> None:
        super().__init__()
        self.visits, self.busy = visits, iter(busy)
        self.shared = SharedEncoder(self, memo=0, pause=self.pause)
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.come(next(self.busy))

    def come(self, users: int) -> None:
        for _ in range(users):
            with self.shared._users.here():
                pass

    def forward(self, batch: TokenBatch) -> Vectors:
        self.come(self.visits.pop(0))
        return super().forward(batch)

    def read(self, texts: int) -> list[float]:
        """The pauses before each of as many passes, together."""
        found = []
        for at in range(texts):
            before = len(self.pauses)
            self.shared.behind().encode([f"{at}"], "user")
            found.append(sum(self.pauses[before:]))
        return found


def test_work_behind_that_was_in_the_way_stays_away_the_longer_the_more_often() -> None:
    encoder = Visited([1, 2, 1, 1, 1, 0, 0, 1, 0, 0])
    assert encoder.read(10) == pytest.approx([0, 0.02, 0.08, 0.32, 1.28, MOST_S, 0.75, 0.375, MOST_S, 0.75])


def test_once_nobody_comes_it_comes_back() -> None:
    encoder = Visited([1, 1, 1, 1, 0, 0, 0], repeat(0))
    assert encoder.read(7) == pytest.approx([0, 0.02, 0.08, 0.25, 0.02, 0, 0])


def test_a_user_now_and_then_is_no_rush() -> None:
    encoder = Visited([1, 1, 1, 1, 0], [0, *(0, 0), *(1, 0, 0, 0, 0, 0), 0])
    assert encoder.read(5) == pytest.approx([0, 0.02, 0.08, 0.3, 0.02])


def test_while_a_user_is_still_there_it_is_not_quiet() -> None:
    encoder = Visited([1, 1, 1, 1, 0], repeat(0))
    before = encoder.read(3)
    with encoder.shared._users.here():
        (left,) = encoder.read(1)
    assert [*before, left] == pytest.approx([0, 0.02, 0.08, 0.32])


def test_work_behind_that_is_in_nobodys_way_never_stays_away() -> None:
    assert Visited([0] * 20).read(20) == [0] * 20


def test_what_nobody_can_wait_for_yet_is_done_in_front() -> None:
    encoder = Gated()
    encoder.go_on.set()
    shared = SharedEncoder(encoder, memo=0)
    in_front(shared.behind()).encode(["a word"] * BATCH, "user")
    assert encoder.passes == [("user", 1)]
    encoder.passes.clear()
    in_front(shared.behind()).encode([f"word number {number}" for number in range(BATCH)], "user")
    assert encoder.passes == [("user", BATCH)]
    assert in_front(shared) is shared


def test_an_endless_stream_before_it_does_not_stop_the_work_behind() -> None:
    turnstile, order = Turnstile(2, 3), list[str]()

    def take(rank: int, name: str) -> None:
        with turnstile.turn(rank):
            order.append(name)

    with turnstile.turn(0):
        threads = []
        for at, (rank, name) in enumerate([(2, "behind"), *((n % 2, f"{n}") for n in range(6))]):
            threads.append(started(partial(take, rank, name)))
            wait_until(partial(stands, turnstile, at + 1), DEADLINE_S, "it stands in line")
    for thread in threads:
        thread.join(DEADLINE_S)
    assert order == ["0", "2", "1", "behind", "4", "3", "5"]


def test_a_pass_that_raises_lets_the_next_one_in() -> None:
    shared = SharedEncoder(FakeEncoder(fails_on="BOOM"), memo=0)
    for _ in range(2):
        try:
            shared.encode(["BOOM"], "item")
        except RuntimeError:
            continue
    assert shared.encode(["fine"], "item").shape == (1, shared.dim)


def test_a_short_text_of_a_user_is_encoded_once() -> None:
    inner = FakeEncoder()
    shared = SharedEncoder(inner, memo=100)
    before = saved("user")
    first, again = shared.encode(["jazz", "hiking"], "user"), shared.encode(["hiking", "jazz", "jazz"], "user")
    assert inner.encoded == 2
    assert saved("user") - before == 3
    np.testing.assert_array_equal(again, first[[1, 0, 0]])


def test_the_memo_keeps_the_most_recently_used() -> None:
    inner = FakeEncoder()
    shared = SharedEncoder(inner, memo=2)
    for text in ("a", "b", "a", "c", "a"):  # c drives b out, not a
        shared.encode([text], "user")
    assert inner.encoded == 3
    shared.encode(["b"], "user")
    assert inner.encoded == 4


def test_long_texts_and_items_are_not_remembered() -> None:
    inner = FakeEncoder()
    shared = SharedEncoder(inner, memo=100)
    long = "x" * (MEMO_CHARS + 1)
    for _ in range(2):
        shared.encode([long], "user")
        shared.encode(["short"], "item")
    assert inner.encoded == 4


def test_a_vector_that_is_not_finite_is_not_remembered() -> None:
    inner = FakeEncoder(nan_on="bad")
    shared = SharedEncoder(inner, memo=100)
    for _ in range(2):
        assert np.isnan(shared.encode(["bad"], "user")).all()
    assert inner.encoded == 2


def test_what_a_caller_does_to_its_vectors_does_not_reach_the_memo() -> None:
    shared = SharedEncoder(FakeEncoder(), memo=100)
    first = shared.encode(["jazz"], "user")
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(shared.encode(["jazz"], "user"), kept)


def test_many_threads_get_what_one_would() -> None:
    shared, plain = SharedEncoder(FakeEncoder(), memo=50), FakeEncoder()
    texts = [f"text {at % 70}" for at in range(200)]
    expected: dict[Kind, Vectors] = {kind: plain.encode(texts, kind) for kind in KINDS}
    results: list[tuple[Kind, Vectors]] = []

    def work(kind: Kind) -> None:
        results.extend((kind, shared.encode(texts, kind)) for _ in range(5))

    threads = [started(partial(work, kind)) for kind in KINDS * 3]
    for thread in threads:
        thread.join(DEADLINE_S)
    assert len(results) == 30
    for kind, vectors in results:
        np.testing.assert_array_equal(vectors, expected[kind])
