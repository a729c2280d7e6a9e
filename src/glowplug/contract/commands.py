"""The commands of `glowplug` and their options, for the reference page and the test of the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typer.main import get_command

from glowplug.cli import app


@dataclass(frozen=True, slots=True)
class Option:
    flags: tuple[str, ...]
    meaning: str
    takes_value: bool


@dataclass(frozen=True, slots=True)
class Command:
    """words: `("data", "ml-100k")`. arguments: those that may be left out in brackets. open_ended: what follows is
    another program's to check (publish)."""

    words: tuple[str, ...]
    arguments: tuple[str, ...]
    options: tuple[Option, ...]
    meaning: str
    open_ended: bool

    @property
    def usage(self) -> str:
        return " ".join(["glowplug", *self.words, *self.arguments, *(["…"] if self.open_ended else [])])


def commands() -> tuple[Command, ...]:
    """Every command that does something, in the order of --help."""
    return tuple(_commands(get_command(app), ()))


def _commands(found: Any, words: tuple[str, ...]) -> Iterator[Command]:
    # `Any`: typer carries its own copy of click, whose types are no public names.
    if hasattr(found, "commands"):
        for name, inner in found.commands.items():
            yield from _commands(inner, (*words, name))
        return
    options = [param for param in found.params if param.param_type_name == "option"]
    yield Command(
        words=words,
        arguments=tuple(_named(param) for param in found.params if param.param_type_name == "argument"),
        options=tuple(
            Option((*param.opts, *param.secondary_opts), param.help or "", not param.is_flag)
            for param in options
            if "--help" not in param.opts
        ),
        meaning=(found.help or "").strip(),
        open_ended=bool(found.context_settings.get("ignore_unknown_options")),
    )


def _named(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"
