"""What the commands print: topics, settings, and a user's list, as tables."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from glowplug.events import Recommendations
from glowplug.setting_list import setting_list, value_in_force
from glowplug.settings import Settings
from glowplug.stream.topic_fit import TopicAction

PIPED_WIDTH = 400  # columns where nobody looks at a terminal: each setting stays on one line, for grep


def print_topics(actions: Iterable[TopicAction], console: Console | None = None) -> None:
    table = new_table("topic", "partitions", "cleanup", "")
    for action in actions:
        table.add_row(*map(plain, (action.name, str(action.partitions), action.cleanup, action.outcome)))
    (console or stdout()).print(table)


def print_settings(settings: Settings, *, only_changed: bool = False, console: Console | None = None) -> None:
    """Name, value, default, environment variable and meaning of each; what is not as by default stands out."""
    table = new_table("setting", "value", "default", "environment", "meaning")
    for row in setting_list():
        value = value_in_force(settings, row.name)
        changed = bool(value) and value != row.default
        if only_changed and not changed:
            continue
        cells = [plain(cell) for cell in (row.name, value, row.default, row.variable, row.description)]
        if changed:
            cells[1].stylize("bold yellow")
        table.add_row(*cells)
    (console or stdout()).print(table)


def print_recommendations(found: Recommendations, console: Console | None = None) -> None:
    """The list as a table: rank, item, score, and the explanation as it was published."""
    out = console or stdout()
    out.print(
        plain(
            f"user {found.user_id}: {found.stage} list because of {found.reason}, "
            f"generated {found.generated_at:%Y-%m-%d %H:%M:%S %Z}"
        )
    )
    if not found.items:
        out.print("the list is empty: no item is known that is available and that the user has not met")
        return
    table = new_table("#", "item", "title", "score", "why")
    for item in found.items:
        cells = (str(item.rank), item.item_id, item.title, f"{item.score:.3f}", item.explanation.text)
        table.add_row(*map(plain, cells))
    out.print(table)


def new_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def plain(text: str) -> Text:
    """`text` as it is: no markup, and no control characters that would steer the terminal."""
    return Text("".join(char if char.isprintable() else "�" for char in text))


def stdout() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)
