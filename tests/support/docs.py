"""Commands in the documentation, and what is wrong with them: nothing is run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glowplug.contract.commands import Command, commands

ROOT = Path(__file__).parents[2]
OURS = ("glowplug", "consumers", "producers")
# From three backticks and "bash" to three backticks. A block that is only an illustration is a `text` block.
_block = re.compile(r"^```bash\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
_target = re.compile(r"^([a-z][\w-]*):", re.MULTILINE)
_assignment = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True, slots=True)
class Written:
    """One command as it stands in a page, without assignments and redirections."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def pages() -> tuple[Path, ...]:
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return tuple(path for path in found if path.is_file())


def written_in(page: str, text: str) -> Iterator[Written]:
    """Every command of the page's bash blocks."""
    for block in _block.finditer(text):
        for line in block["body"].replace("\\\n", " ").splitlines():
            for words in _commands_of(line.removeprefix("$ ")):
                yield Written(page, words)


def _commands_of(line: str) -> Iterator[tuple[str, ...]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if set(token) <= set(";&|()"):
            while words and _assignment.match(words[0]):
                words.pop(0)
            if words:
                yield tuple(words)
            words = []
        else:
            words.append(token)


def fault_of(command: Written) -> str | None:
    """Why the command cannot be typed as it stands; None where it can, or where it is not one of ours."""
    first, *rest = command.words
    name = Path(first).name
    if name == "glowplug":
        return _fault_of_glowplug(tuple(rest))
    if name == "make":
        return _fault_of_make(rest)
    if name in ("python", "python3") and rest[:1] == ["-m"]:
        return _fault_of_module(rest[1:])
    return None


def _fault_of_glowplug(words: tuple[str, ...]) -> str | None:
    if words == ("--help",):
        return None
    found = next((command for command in commands() if words[: len(command.words)] == command.words), None)
    if found is None:
        return f"there is no command glowplug {' '.join(words)}"
    rest = words[len(found.words) :]
    if found.open_ended:
        return _fault_of_flags(f"producers.{found.words[-1]}", rest)
    return _fault_of_options(found, rest)


def _fault_of_options(command: Command, words: tuple[str, ...]) -> str | None:
    known = {flag: option for option in command.options for flag in option.flags}
    arguments = 0
    waiting = iter(words)
    for word in waiting:
        if word in (">", ">>", "<"):
            break
        if not word.startswith("-"):
            arguments += 1
            continue
        flag, has_value, _ = word.partition("=")
        if flag == "--help":
            continue
        if flag not in known:
            return f"glowplug {' '.join(command.words)} has no option {flag}"
        if known[flag].takes_value and not has_value and next(waiting, None) is None:
            return f"{flag} needs a value"
    needed = sum(not name.startswith("[") for name in command.arguments)
    if not needed <= arguments <= len(command.arguments):
        return f"{command.usage} takes {len(command.arguments)} arguments, not {arguments}"
    return None


def _fault_of_make(words: list[str]) -> str | None:
    targets = set(_target.findall((ROOT / "Makefile").read_text("utf-8")))
    asked = [word for word in words if not word.startswith("-") and "=" not in word]
    return next((f"the Makefile has no target {word}" for word in asked if word not in targets), None)


def _fault_of_module(words: list[str]) -> str | None:
    name = words[0]
    if name.partition(".")[0] not in OURS:
        return None
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None
    if found is None:
        return f"there is no module {name}"
    return _fault_of_flags(name, tuple(words[1:]))


def _fault_of_flags(module: str, words: tuple[str, ...]) -> str | None:
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    return next((f"{module} has no option {flag}" for flag in flags if flag not in _flags_in(module)), None)


@cache
def _flags_in(module: str) -> frozenset[str]:
    """Every --flag in the module's own text, and --help."""
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations:
        spec = importlib.util.find_spec(f"{module}.__main__")
    text = Path(spec.origin).read_text("utf-8") if spec and spec.origin else ""
    return frozenset(re.findall(r'"(--[a-z][\w-]*)"', text)) | {"--help"}
