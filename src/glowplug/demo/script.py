"""The five acts: a new user, a Chinese one, a new item, a user who changes, an item that goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console

from glowplug.demo import cast, pages
from glowplug.demo.loading import Loaded, settle
from glowplug.demo.outside import Arrived, Heard, Outside, answering, names, refining
from glowplug.embedded.stack import Stack
from glowplug.errors import NotInTime
from glowplug.events import ItemUpsert, Recommendations, UserCreated, UserUpsert
from glowplug.serving.view import RedisView

STEP_S = 20.0  # each takes well under a second; a machine under load gets some patience
REDIS_LOOK_S = 0.002  # a round trip to a server on this machine takes a tenth of that
AUDIENCE_ROWS = 8
WITHDRAWN_ROWS = 5  # the change is one line; the rest has just been seen
LIST_WINDOW_S = 3.0  # ranking.window_s holds back a second item-caused list for one second


class Play:
    """Sends, waits, shows; each act raises NotInTime where what it promises does not happen."""

    def __init__(self, stack: Stack, outside: Outside, view: RedisView, loaded: Loaded, console: Console) -> None:
        self._stack = stack
        self._outside = outside
        self._view = view
        self._console = console
        self._is_plain = pages.is_plain(console)
        self._items: dict[str, ItemUpsert] = dict(loaded.items)
        self._users: dict[str, UserUpsert] = dict(loaded.users)

    def run(self) -> None:
        self.new_user(1, "A brand-new user signs up", "Ada signs up. Nothing is known but her words:", cast.ada)
        self.new_user(2, "A Chinese user does", "小梅 (Mei) signs up, in Chinese:", cast.mei)
        self.new_item()
        self.user_acts()
        self.item_withdrawn()

    def new_user(self, number: int, title: str, what: str, event: Callable[[datetime], UserCreated]) -> None:
        self._console.print(pages.heading(number, title))
        user = event(datetime.now(UTC))
        self._outside.send(user)
        self._console.print(pages.event_panel(user, what))
        self._users[user.user_id] = user
        arrived, visible_ms = self._answer(user.user_id, user.event_id, user.event_time)
        self._console.print(pages.timing(arrived.event, arrived.ms_since(user.event_time), visible_ms))
        if self._stack.settings.profiles.model == "off":
            self._show_list(arrived.event)
            return
        profile, refined = self._outside.wait(
            lambda heard: refining(heard, user.user_id, user.event_id), STEP_S, f"a refined list of {user.user_id}"
        )
        self._console.print(pages.read_panel(user, profile.event, is_plain=self._is_plain))
        read_ms, refined_ms = profile.ms_since(user.event_time), refined.ms_since(user.event_time)
        self._console.print(pages.refined_timing(refined.event, read_ms, refined_ms))
        if refined is arrived:  # on a busy machine the recommender can read both at once
            self._console.print(pages.note("The profile came with the words: the first list is refined already."))
            self._show_list(refined.event)
        else:
            self._console.print(pages.compared_table(arrived.event, refined.event, self._items))
            self._show_mix(refined.event)

    def _show_list(self, event: Recommendations) -> None:
        self._console.print(pages.list_table(event, self._items))
        self._show_mix(event)

    def _show_mix(self, event: Recommendations) -> None:
        mix = pages.mix(event, self._items, pages.SHOWN)
        self._console.print(pages.note(f"Languages of the first {pages.SHOWN}: {mix}."))

    def new_item(self) -> None:
        self._console.print(pages.heading(3, "A brand-new item is listed"))
        settle(self._stack, STEP_S, "what the new users caused")
        before = self._outside.now(lambda heard: {user: heard.latest(user) for user in self._users})
        item = cast.tracker(datetime.now(UTC))
        self._outside.send(item)
        self._items[item.item_id] = item
        self._console.print(pages.event_panel(item, "Listed a moment ago, and clicked by nobody yet:"))
        scores = self._audience(item.item_id)
        audience_ms = self._outside.now(lambda heard: heard.audiences[item.item_id][-1].ms_since(item.event_time))
        due = {user for user, score in scores.items() if _beats(score, before.get(user))}
        self._wait_quietly(lambda heard: due <= heard.holders(item.item_id), LIST_WINDOW_S)
        settle(self._stack, STEP_S, "matching the new item with all users")
        entered = self._outside.now(lambda heard: _ranks(heard, item.item_id))
        if not entered:
            raise NotInTime(f"the new item entered no list within {STEP_S:.0f} s")
        first_ms, last_ms = self._outside.now(
            lambda heard: _span(heard, set(entered), item.item_id, item.event_time)
        )
        best = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:AUDIENCE_ROWS]
        self._console.print(
            pages.note(
                "After ", (f"{audience_ms:.0f} ms", "bold green"), " the audience event names its best users of ",
                f"{len(self._users)}; it entered ", (f"{len(entered)} lists", "bold"), ", published after ",
                (f"{first_ms:.0f} to {last_ms:.0f} ms", "bold green"), ".",
            )
        )  # fmt: skip
        rows = [(self._users.get(user), user, score) for user, score in best]
        self._console.print(pages.audience_table(rows, entered))
        if set(entered) == due:
            self._console.print(
                pages.note("These are exactly the lists whose last place it beats, by the scores in the events.")
            )

    def user_acts(self) -> None:
        self._console.print(pages.heading(4, "A user clicks, and the list moves"))
        before = self._latest(cast.ADA)
        by_title = {item.title: item for item in self._items.values()}
        for number, (action, title) in enumerate(cast.ADAS_DEEDS, start=1):
            event = cast.deed(number, action, by_title[title].item_id, datetime.now(UTC))
            self._outside.send(event)
            arrived, visible_ms = self._answer(cast.ADA, event.event_id, event.event_time)
            self._console.print(pages.deed_line(event, self._items, arrived.ms_since(event.event_time)))
        self._console.print(pages.timing(arrived.event, arrived.ms_since(event.event_time), visible_ms))
        self._console.print(pages.moved_table([item.item_id for item in before.items], arrived.event, self._items))

    def item_withdrawn(self) -> None:
        self._console.print(pages.heading(5, "An item is withdrawn"))
        settle(self._stack, STEP_S, "what Ada's clicks caused")
        holders = self._outside.now(lambda heard: heard.holders(cast.TRACKER))
        before = self._latest(cast.ADA)
        event = cast.withdrawn(datetime.now(UTC))
        self._outside.send(event)
        self._console.print(pages.note(f"“{event.title}” is sold out; it stands on {len(holders)} lists."))
        self._outside.wait(
            lambda heard: not heard.holders(cast.TRACKER),
            STEP_S,
            "the withdrawn item's disappearance from all lists",
        )
        first_ms, last_ms = self._outside.now(lambda heard: _span(heard, holders, None, event.event_time))
        self._until_redis(lambda: all(not self._shows(user, cast.TRACKER) for user in holders), "withdrawing it")
        redis_ms = (datetime.now(UTC) - event.event_time).total_seconds() * 1_000
        self._console.print(
            pages.note(
                "It left the first list after ", (f"{first_ms:.0f} ms", "bold green"), ", the last after ",
                (f"{last_ms:.0f} ms", "bold green"), "; after ", (f"{redis_ms:.0f} ms", "bold green"),
                " no list in Redis names it.",
            )
        )  # fmt: skip
        ids = [item.item_id for item in before.items]
        self._console.print(pages.moved_table(ids, self._latest(cast.ADA), self._items, rows=WITHDRAWN_ROWS))

    def _latest(self, user_id: str) -> Recommendations:
        return self._outside.wait(lambda heard: heard.latest(user_id), STEP_S, f"a list of {user_id}")

    def _answer(self, user_id: str, event_id: str, sent: datetime) -> tuple[Arrived[Recommendations], float]:
        """The list that answers the event, and the milliseconds from the event until Redis had it too."""
        arrived = self._outside.wait(
            lambda heard: answering(heard, user_id, event_id), STEP_S, f"a list that answers {event_id}"
        )

        def visible() -> bool:
            stored = self._view.recommendations(user_id)
            return stored is not None and stored.generated_at >= arrived.event.generated_at

        self._until_redis(visible, f"writing the list of {user_id}")
        return arrived, (datetime.now(UTC) - sent).total_seconds() * 1_000

    def _audience(self, item_id: str) -> dict[str, float]:
        """Score by user, once every user's partition has named its best."""

        def complete(heard: Heard) -> dict[str, float] | None:
            parts = {each.event.partition: each.event for each in heard.audiences.get(item_id, ())}
            if sum(part.users_in_partition for part in parts.values()) < len(self._users):
                return None
            return {member.user_id: member.score for part in parts.values() for member in part.users}

        return self._outside.wait(complete, STEP_S, "the audience of the new item, from all partitions")

    def _shows(self, user_id: str, item_id: str) -> bool:
        stored = self._view.recommendations(user_id)
        return stored is not None and names(stored, item_id)

    def _until_redis(self, reached: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + STEP_S
        while not reached():
            if time.monotonic() > end:
                raise NotInTime(f"{what} did not reach Redis within {STEP_S:.0f} s")
            time.sleep(REDIS_LOOK_S)

    def _wait_quietly(self, look: Callable[[Heard], bool], deadline_s: float) -> None:
        """As `wait`, for what a list made meanwhile for another reason may have settled otherwise."""
        try:
            self._outside.wait(look, deadline_s, "")
        except NotInTime:
            return


def _beats(score: float, listed: Recommendations | None) -> bool:
    return listed is not None and (not listed.items or score > listed.items[-1].score)


def _ranks(heard: Heard, item_id: str) -> dict[str, int]:
    """The item's rank in the latest list of each user who has it."""
    return {
        user: item.rank
        for user, arrived in heard.lists.items()
        for item in arrived[-1].event.items
        if item.item_id == item_id
    }


def _span(heard: Heard, users: set[str], item_id: str | None, sent: datetime) -> tuple[float, float]:
    """Milliseconds from `sent` to the first and to the last of the users' lists that came after it.

    item_id: count only lists that name it.
    """
    times = [
        next(
            each.ms_since(sent)
            for each in heard.lists[user]
            if each.at >= sent and (item_id is None or names(each.event, item_id))
        )
        for user in users
    ]
    return min(times, default=0.0), max(times, default=0.0)
