"""Drives a stream of events through a running stack: the import, then the replay, keeping the account."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from glowplug.errors import NotInTime
from glowplug.settings import Settings
from producers.prequential import Account
from producers.publish import publish
from producers.timeline import Moment
from producers.turns import Turns
from producers.wire import Wire

POLL_S = 0.05  # a list that arrives ends a poll at once; this bounds how late a deadline is noticed
DEADLINE_S = 10.0  # a thousand times what a list takes on an idle stack
IMPORT_S = 1_800.0  # the last answer of an import: half an hour of embedding
QUIET_S = 3.0  # beyond the window of item-caused lists: those made anew in the background are through, too


def replay(
    moments: Sequence[Moment],
    start: int,
    settings: Settings,
    turns: Turns,
    account: Account,
    *,
    deadline_s: float = DEADLINE_S,
    gate: Callable[[], None] | None = None,
    advance: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Imports `moments[:start]`, waits until all is quiet, and replays the rest, of which `turns` tells the order.

    deadline_s: longest wait for the list that an event causes; afterwards its user goes on without.
    gate:       called before each event; may wait, for a broker that must not be overrun.
    Raises Unreachable, BadTopics, BrokerUnavailable; NotInTime when the import is not worked off.
    """
    with Wire(settings, gate) as wire:
        began = clock()
        if start:
            _import(moments[:start], settings, wire, account, advance, clock)
        imported = clock()
        _play(wire, account, turns, deadline_s, advance, clock)
        seconds = clock() - imported
    events = len(moments) - start
    return {
        "imported": start,
        "import_seconds": round(imported - began, 1),
        "events": events,
        "seconds": round(seconds, 1),
        "events_per_s": round(events / max(seconds, 1e-3), 1),
        **account.figures(),
    }


def _import(
    moments: Sequence[Moment],
    settings: Settings,
    wire: Wire,
    account: Account,
    advance: Callable[[int], None],
    clock: Callable[[], float],
) -> None:
    """Kind by kind: an interaction that overtakes its user's sign-up would be answered under the sign-up's name."""

    def between() -> None:
        wire.wait_for_room()
        hear()

    def hear(timeout_s: float = 0.0) -> bool:
        heard = list(wire.heard(timeout_s))
        for user_id, listed, covers in heard:
            account.hear(user_id, listed, covers, clock())
        return bool(heard)

    for topic in ("items", "users", "interactions"):
        chosen = [moment for moment in moments if moment.topic == topic]
        for moment in chosen:
            account.learn(moment, clock())
        publish((moment.value for moment in chosen), settings, gate=between)
        advance(len(chosen))
        # Items show in lists only; what they cause may wait for the end of a user's window.
        quiet_s = settings.ranking.window_s + QUIET_S if topic == "interactions" else 0.0
        last = clock()
        end = last + IMPORT_S
        while account.awaited or clock() - last < quiet_s:
            if hear(POLL_S):
                last = clock()
            if clock() > end:
                raise NotInTime(
                    f"{len(account.awaited):,} users have no list for the last of their imported events after "
                    f"{IMPORT_S:.0f} s: does `glowplug up` run, and are these events new to it (repeats get none)?"
                )
    account.forget_delays()


def _play(
    wire: Wire,
    account: Account,
    turns: Turns,
    deadline_s: float,
    advance: Callable[[int], None],
    clock: Callable[[], float],
) -> None:
    deadlines: deque[tuple[float, str, str]] = deque()
    while not turns.is_done or deadlines:
        now = clock()
        moment = turns.next(now)
        pause = 0.0
        if moment is None:
            wait = turns.pause(now)
            pause = POLL_S if wait is None else min(POLL_S, wait)
        else:
            wire.wait_for_room()
            account.test(moment)
            now = clock()
            if account.learn(moment, now):
                deadlines.append((now + deadline_s, moment.user_id, moment.event_id))
            else:
                turns.answered(moment.user_id)
            wire.send(moment.topic, moment.key, moment.value)
            advance(1)
        for user_id, listed, covers in wire.heard(pause):
            if account.hear(user_id, listed, covers, clock()):
                turns.answered(user_id)
        now = clock()
        while deadlines and (deadlines[0][0] <= now or not _is_awaited(account, *deadlines[0][1:])):
            _, user_id, event_id = deadlines.popleft()
            if _is_awaited(account, user_id, event_id):
                account.unanswered += 1
                turns.answered(user_id)


def _is_awaited(account: Account, user_id: str, event_id: str) -> bool:
    return account.awaited.get(user_id, ("", 0.0))[0] == event_id
