"""The catalogue goes in, with a bar for what is sent and one for what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from glowplug.demo.catalogue import moved_to
from glowplug.demo.outside import Heard, Outside
from glowplug.embedded.pacing import LagGate
from glowplug.embedded.stack import Stack
from glowplug.errors import NotInTime
from glowplug.events import Input, Interaction, ItemCreated, UserCreated
from producers.publish import publish

EMBEDDED_S = 180.0  # 350 texts: five seconds on two quick cores, thirty times that on a slow shared one
IDLE_S = 120.0
Read = TypeVar("Read", bound=Input)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the product itself knows: its items and users by id. seconds: until everything was worked off."""

    items: dict[str, ItemCreated]
    users: dict[str, UserCreated]
    interactions: int
    seconds: float


def load_catalogue(stack: Stack, outside: Outside, console: Console) -> Loaded:
    """Raises NotInTime, and what `publish` raises."""
    start = datetime.now(UTC)
    lines = {name: list(moved_to(start, name)) for name in ("items.jsonl", "users.jsonl", "interactions.jsonl")}
    items = {item.item_id: item for item in _events(ItemCreated, lines["items.jsonl"])}
    users = {user.user_id: user for user in _events(UserCreated, lines["users.jsonl"])}
    interactions = list(_events(Interaction, lines["interactions.jsonl"]))
    with Progress(
        TextColumn("  {task.description:<38}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as bars:
        sending = _Sending(stack, bars)
        sending.send("items sent", lines["items.jsonl"])
        _follow(outside, bars, "items read by the model", items.keys(), lambda heard: heard.vectors)
        sending.send("users sent", lines["users.jsonl"])
        _follow(outside, bars, "users with a first list", users.keys(), lambda heard: heard.lists.keys())
        sending.send("clicks, likes, purchases … sent", lines["interactions.jsonl"])
        if stack.settings.profiles.model != "off":
            _follow(outside, bars, "users' own words read", users.keys(), lambda heard: heard.profiles.keys())
        task = bars.add_task("all of them folded into lists", total=1)
        settle(stack, IDLE_S, "working off the catalogue")
        bars.update(task, completed=1)
    return Loaded(items, users, len(interactions), (datetime.now(UTC) - start).total_seconds())


def settle(stack: Stack, deadline_s: float, what: str) -> None:
    """Until nothing waits anywhere in the stack. Raises NotInTime."""
    try:
        stack.wait_idle(deadline_s)
    except TimeoutError as error:
        raise NotInTime(
            f"{what} did not end within {deadline_s:.0f} s ({stack.lag()} records still wait)"
        ) from error


class _Sending:
    """Paced by the stack's lag, as the built-in broker needs it."""

    def __init__(self, stack: Stack, bars: Progress) -> None:
        self._stack = stack
        self._bars = bars
        self._gate = LagGate(stack.lag)

    def send(self, what: str, lines: list[bytes]) -> None:
        task = self._bars.add_task(what, total=len(lines))
        publish(lines, self._stack.settings, gate=self._gate, advance=lambda _: self._bars.advance(task))


def _follow(outside: Outside, bars: Progress, what: str, wanted: Set[str], of: Callable[[Heard], Set[str]]) -> None:
    task = bars.add_task(what, total=len(wanted))

    def look(heard: Heard) -> bool:
        done = len(wanted & of(heard))
        bars.update(task, completed=done)
        return done == len(wanted)

    outside.wait(look, EMBEDDED_S, f"{what}: all {len(wanted)}")


def _events(kind: type[Read], lines: list[bytes]) -> Iterator[Read]:
    return (kind.model_validate_json(line) for line in lines)
