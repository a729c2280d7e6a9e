"""After the play: how to send events of one's own, and every list that comes back, until Ctrl-C."""

from __future__ import annotations

import json
import shlex
import sys
from collections import deque
from datetime import UTC, datetime
from threading import Event

from rich.console import Console, RenderableType
from rich.text import Text

from glowplug.demo.marked import harmless
from glowplug.demo.outside import Arrived, Outside
from glowplug.embedded.stack import Stack
from glowplug.events import Recommendations
from glowplug.settings import Settings

CHECK_S = 1.0  # a server or consumer that ended by itself is noticed within this time
FIRST = 3  # titles shown of a list that arrives
TEXT = "I build wooden boats and sail them badly."
LIKED = "shop-001"


def stay(stack: Stack, outside: Outside, console: Console) -> None:
    """Until KeyboardInterrupt. Raises what ends the stack by itself."""
    for what, command in instructions(stack.settings, sys.executable, datetime.now(UTC)):
        console.print(Text(f"\n{what}", style="bold"))
        console.print(Text(command, style="cyan"), soft_wrap=True)  # folded, it could not be copied
    console.print(Text("\nEach list that is published shows here. Ctrl-C ends it all.", style="bold"))
    arrived: deque[Arrived[Recommendations]] = deque()
    news = Event()

    def told(each: Arrived[Recommendations]) -> None:
        arrived.append(each)
        news.set()

    outside.on_list(told)
    while True:
        news.wait(CHECK_S)
        news.clear()
        while arrived:
            console.print(line(arrived.popleft()))
        stack.check()


def instructions(settings: Settings, python: str, now: datetime) -> list[tuple[str, str]]:
    """(what, command), for another terminal in the same folder. Pure."""
    kafka, redis, observe = settings.kafka, settings.redis, settings.observe
    at = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    user = {"type": "user.created", "event_id": "mine-1", "event_time": at, "user_id": "me", "text": TEXT}
    like = {
        "type": "interaction", "event_id": "mine-2", "event_time": at,
        "user_id": "me", "item_id": LIKED, "action": "like",
    }  # fmt: skip
    send = (
        f"GLOWPLUG_OBSERVE__PORT={observe.port} {shlex.quote(python)} -m producers.publish - "
        f"--bootstrap-servers {kafka.bootstrap_servers}"
    )
    view = f"RedisView('{redis.url}').recommendations('me').model_dump_json(indent=2)"
    read = f'{shlex.quote(python)} -c "from glowplug.serving.view import RedisView; print({view})"'
    return [
        ("Still up. Send a user of your own, from another terminal:", f"echo '{json.dumps(user)}' | {send}"),
        ("Let them like something:", f"echo '{json.dumps(like)}' | {send}"),
        ("Read their list as your product would, from Redis:", read),
        ("See how it fares:", f"http://{observe.host}:{observe.port}/metrics"),
    ]


def line(arrived: Arrived[Recommendations]) -> RenderableType:
    """One list on one line. Pure."""
    event = arrived.event
    first = "; ".join(item.title for item in event.items[:FIRST])
    return Text.assemble(
        (f"{arrived.at.astimezone():%H:%M:%S} ", "dim"), (harmless(event.user_id), "bold"),
        f" {event.stage}, {event.reason}: {harmless(first)} …",
    )  # fmt: skip
