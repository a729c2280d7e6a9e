"""What the viewer sees: from events to rich renderables. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from glowplug.demo.marked import AVOIDED, PREFERRED, WANTED, claim_lines, harmless, marked, spans
from glowplug.events import Event, Interaction, ItemUpsert, Recommendations, UserProfile, UserUpsert
from glowplug.profiles.choice import Choice
from glowplug.settings import Settings

SHOWN = 8  # rows of a list: more scroll the sentence above them off a small screen
SAID_WIDTH = 56  # of an audience's words, likewise
GONE = 5  # titles named of what left a list
TITLE_WIDTH = 34  # with the narrow columns this leaves half of 100 columns to the explanation
BESIDE_WIDTH = 25  # of a title where two lists stand side by side: a third of 100 columns for the explanation
LANGUAGES = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French",
    "hi": "Hindi", "ja": "Japanese", "pt": "Portuguese", "zh": "Chinese",
}  # fmt: skip
Catalogue = Mapping[str, ItemUpsert]


@dataclass(frozen=True, slots=True)
class Move:
    """One row of a list beside the list before. was: the rank there, None where it is new."""

    item_id: str
    rank: int
    was: int | None

    @property
    def arrow(self) -> Text:
        if self.was is None:
            return Text("★ new", style="bold green")
        if self.was > self.rank:
            return Text(f"▲ {self.was - self.rank}", style="green")
        if self.was < self.rank:
            return Text(f"▼ {self.rank - self.was}", style="red")
        return Text("=", style="dim")


def moves(before: Sequence[str], after: Sequence[str]) -> list[Move]:
    """Each item of `after`, with its rank in `before`; ranks count from 1."""
    was = {item_id: rank for rank, item_id in enumerate(before, start=1)}
    return [Move(item_id, rank, was.get(item_id)) for rank, item_id in enumerate(after, start=1)]


def language(item: ItemUpsert | None) -> str:
    """The code in the item's attributes, empty where it has none."""
    return str(item.attributes.get("language", "")) if item else ""


def mix(recommendations: Recommendations, catalogue: Catalogue, first: int) -> str:
    """Of the first items, how many are in which language: `5 Chinese, 2 English, 1 French`."""
    counts: dict[str, int] = {}
    for item in recommendations.items[:first]:
        code = language(catalogue.get(item.item_id))
        counts[code] = counts.get(code, 0) + 1
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count} {LANGUAGES.get(code, code or 'unknown')}" for code, count in ranked)


def opening() -> RenderableType:
    return Panel(
        Text.assemble(
            ("Glowplug", "bold"), ": the part that lets a cold engine start.\n"
            "Everything below runs on this machine: a broker, Redis, a language model that reads a hundred "
            "languages, and the consumers between them. Nothing is downloaded, nothing stays.",
        ),
        box=box.HEAVY, border_style="blue",
    )  # fmt: skip


def running(
    settings: Settings, fingerprint: str, profiles: Choice, consumers: Sequence[str], limits: str
) -> RenderableType:
    """Where everything is, and what the broker is not."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("  Kafka", Text.assemble(settings.kafka.bootstrap_servers, "  ", (limits, "dim")))
    table.add_row("  Redis", settings.redis.url)
    table.add_row("  model", f"{settings.encoder.model} ({fingerprint})")
    is_off = profiles.settings.model == "off"
    table.add_row("  profiles", "off" if is_off else f"by {profiles}, from the words of users")
    table.add_row("  consumers", ", ".join(consumers))
    return Group(table, Text())


def loaded(items: int, users: int, interactions: int, seconds: float) -> RenderableType:
    return note(
        (f"{items} items in nine languages, {users} users and {interactions:,} interactions", "bold"),
        f" went in and were worked off in {seconds:.1f} s.",
    )


def closing(*, was_kept: bool) -> RenderableType:
    more = "" if was_kept else " `make demo KEEP=1` keeps it up for events of your own."
    return Text(f"\nEverything is stopped, nothing is left.{more}", style="bold")


def list_table(recommendations: Recommendations, catalogue: Catalogue) -> RenderableType:
    table = _table("#", "title", "domain", "lang", "score", "why")
    for item in recommendations.items[:SHOWN]:
        known = catalogue.get(item.item_id)
        table.add_row(
            str(item.rank), _line(item.title), known.domain if known else "", language(known),
            f"{item.score:.3f}", _line(item.explanation.text),
        )  # fmt: skip
    return Padding(table, (0, 0, 0, 2))


def is_plain(console: Console) -> bool:
    """Styles do not show there, or are not wanted: no terminal, or NO_COLOR."""
    return console.no_color or not console.is_terminal


def read_panel(user: UserUpsert, profile: UserProfile, *, is_plain: bool) -> RenderableType:
    """Their own words with the evidence marked, and what was read in it; picked interests are evidence as well."""
    words = marked(user.text, spans(profile, "text"), is_plain=is_plain)
    legend = [marked(pen.name, [pen.around(pen.name)], is_plain=is_plain) for pen in (WANTED, AVOIDED, PREFERRED)]
    title = Text.assemble("What was read in these words: ", Text(", ").join(legend))
    panel = Panel(
        Group(Text.assemble("“", words, "”"), *claim_lines(profile, is_plain=is_plain)),
        title=title, title_align="left", box=box.ROUNDED, border_style="cyan", padding=(0, 1),
    )  # fmt: skip
    return Group(Text(), panel)


def compared_table(first: Recommendations, refined: Recommendations, catalogue: Catalogue) -> RenderableType:
    """The first rows of both lists side by side, and how far each item of the refined one moved."""
    table = _table("#", "first list", "moved", "refined list", "lang", "why now")
    before = [item.item_id for item in first.items]
    after = [item.item_id for item in refined.items]
    rows = zip(first.items[:SHOWN], refined.items[:SHOWN], moves(before, after), strict=False)
    for was, item, move in rows:
        table.add_row(
            str(item.rank), _line(was.title), move.arrow, _line(item.title), language(catalogue.get(item.item_id)),
            _line(item.explanation.text),
        )  # fmt: skip
    return Padding(Group(table, _fallen(first, after)), (0, 0, 0, 2))


def _fallen(first: Recommendations, after: Sequence[str]) -> Text:
    """What stood among the first rows and no longer does, with its ranks."""
    now = {item_id: rank for rank, item_id in enumerate(after, start=1)}
    fallen = [item for item in first.items[:SHOWN] if now.get(item.item_id, SHOWN + 1) > SHOWN]
    named = (f"{harmless(item.title)} ({item.rank} → {now.get(item.item_id, 'off')})" for item in fallen)
    return Text(f"no longer among the first {SHOWN}: {', '.join(named)}" if fallen else "", style="dim")


def moved_table(
    before: Sequence[str], after: Recommendations, catalogue: Catalogue, rows: int = SHOWN
) -> RenderableType:
    """The first rows of the list after, each with how far it moved since `before`, item ids by rank."""
    table = _table("#", "moved", "title", "lang", "score", "why")
    ids = [item.item_id for item in after.items]
    for item, move in zip(after.items[:rows], moves(before, ids), strict=False):
        table.add_row(
            str(item.rank), move.arrow, _line(item.title), language(catalogue.get(item.item_id)),
            f"{item.score:.3f}", _line(item.explanation.text),
        )  # fmt: skip
    gone = [harmless(catalogue[item_id].title) for item_id in before if item_id not in set(ids)][:GONE]
    left = Text(f"off the list: {', '.join(gone)}", style="dim") if gone else Text()
    return Padding(Group(table, left), (0, 0, 0, 2))


def audience_table(
    members: Iterable[tuple[UserUpsert | None, str, float]], entered: Mapping[str, int]
) -> RenderableType:
    """members: (the user, their id, score), best first. entered: rank of the item in a user's new list, by id."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("user", no_wrap=True)
    table.add_column("says of themselves", max_width=SAID_WIDTH)
    table.add_column("score", justify="right", min_width=len("0.000"))
    table.add_column("on their list", justify="right", min_width=len("on their list"))
    for user, user_id, score in members:
        rank = entered.get(user_id)
        table.add_row(user_id, Text(harmless(said(user))), f"{score:.3f}", f"now {rank}." if rank else "—")
    return Padding(table, (0, 0, 0, 2))


def said(user: UserUpsert | None) -> str:
    """What is known of a user, in their words."""
    if user is None:
        return ""
    return (
        user.text or ", ".join(user.interests) or ", ".join(f"{k} {_plain(v)}" for k, v in user.attributes.items())
    )


def event_panel(event: Event, what: str) -> RenderableType:
    """The event that is about to be sent, as people read it."""
    lines = [Text(what, style="bold")]
    if isinstance(event, UserUpsert):
        lines.append(Text(f"“{harmless(event.text)}”", style="italic"))
        lines.append(Text(f"interests: {harmless(', '.join(event.interests))}", style="cyan"))
    elif isinstance(event, ItemUpsert):
        lines.append(Text(f"“{event.title}. {event.description}”", style="italic"))
        lines.append(Text(", ".join(f"{k} {_plain(v)}" for k, v in event.attributes.items()), style="cyan"))
    return Panel(Group(*lines), box=box.ROUNDED, border_style="cyan", padding=(0, 1))


def deed_line(event: Interaction, catalogue: Catalogue, published_ms: float) -> RenderableType:
    done = {"click": "clicks", "like": "likes", "purchase": "buys", "dislike": "dislikes"}.get(
        event.action, event.action
    )
    item = catalogue[event.item_id]
    return note(
        "Ada ", (done, "bold"), f" “{item.title}” ({item.domain}): a new list after ",
        (f"{published_ms:.0f} ms", "bold green"),
    )  # fmt: skip


def heading(number: int, title: str) -> RenderableType:
    return Group(Text(), Text(f"{number}  {title}", style="bold white on blue"), Text())


def timing(recommendations: Recommendations, published_ms: float, visible_ms: float) -> RenderableType:
    """How fast: event time to the record read back from the topic, and to the list read back from Redis."""
    return note(
        (f"{published_ms:.0f} ms", "bold green"), " after the event the list is on its topic, ",
        (f"{visible_ms:.0f} ms", "bold green"), " in Redis.\n",
        (basis_of(recommendations), "dim"),
    )  # fmt: skip


def refined_timing(refined: Recommendations, read_ms: float, published_ms: float) -> RenderableType:
    """Event time to the profile, and to the list that rests on it, each read back from its topic."""
    return note(
        (f"{read_ms:.0f} ms", "bold green"), " after the event the profile is there, ",
        (f"{published_ms:.0f} ms", "bold green"), " after it the refined list.\n",
        (basis_of(refined), "dim"),
    )  # fmt: skip


def basis_of(recommendations: Recommendations) -> str:
    """Why the list was made, and what it rests on."""
    basis = recommendations.basis
    shares = {
        "their words": basis.text,
        "profile": basis.profile,
        "behaviour": basis.behaviour,
        "popularity": basis.popularity,
    }
    rests = ", ".join(f"{share:.0%} {name}" for name, share in shares.items() if share >= 0.005)
    return f"stage {recommendations.stage}, reason {recommendations.reason}; rests on {rests}"


def note(*parts: str | tuple[str, str]) -> RenderableType:
    return Padding(Text.assemble(*parts), (0, 0, 0, 2))


def _table(*columns: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        expand=columns[-1].startswith("why"),
    )
    for name in columns:
        if name.endswith("list"):
            table.add_column(name, width=BESIDE_WIDTH, no_wrap=True, overflow="ellipsis")
        elif name == "title":
            table.add_column(
                name, min_width=TITLE_WIDTH - 10, max_width=TITLE_WIDTH, no_wrap=True, overflow="ellipsis"
            )
        elif name.startswith("why"):
            table.add_column(name, ratio=1)
        else:
            side: JustifyMethod = "right" if name in ("#", "score") else "left"
            table.add_column(name, no_wrap=True, min_width=max(2, len(name)), justify=side)
    return table


def _line(text: str) -> Text:
    return Text(harmless(text).replace("\n", " "))


def _plain(value: float | str | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else value
