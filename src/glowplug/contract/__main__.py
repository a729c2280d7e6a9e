"""python -m glowplug.contract write | check | release."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from glowplug.contract import files
from glowplug.errors import Fatal

USAGE = """usage: python -m glowplug.contract write | check | release
  write    generate schemas/*.json and docs/reference/*.md from the code
  check    fail when they differ from it, or when a change breaks a released schema
  release  freeze the current schemas under schemas/released/"""


def main(arguments: list[str]) -> int:
    """The exit status: 0 well, 1 `check` found something, 2 wrong usage, else of the Fatal."""
    commands: dict[str, Callable[[Path], list[str]]] = {
        "write": files.write,
        "check": files.check,
        "release": files.release,
    }
    if len(arguments) != 1 or arguments[0] not in commands:
        sys.stderr.write(USAGE + "\n")
        return 2
    try:
        lines = commands[arguments[0]](files.checkout())
    except Fatal as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    failed = arguments[0] == "check" and bool(lines)
    out = sys.stderr if failed else sys.stdout
    out.writelines(f"{line}\n" for line in lines)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
