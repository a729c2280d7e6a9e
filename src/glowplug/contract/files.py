"""The generated files in a checkout: writing them, and saying in what they differ from the code."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glowplug.contract.compatibility import breaks
from glowplug.contract.placement import disagreements
from glowplug.contract.reference import pages
from glowplug.contract.schemas import directions, schemas
from glowplug.errors import BadInputFile
from glowplug.topics import declared

SHOWN_LINES = 6  # of one file's diff: enough to see what changed, `write` and git show the rest


def checkout() -> Path:
    """The folder of the checkout that this code runs from. Raises BadInputFile in an installed wheel."""
    root = Path(__file__).parents[3]
    if not (root / "schemas" / "topics.toml").is_file():
        raise BadInputFile(f"the contract's files are checked in a checkout, {root} is none")
    return root


def generated() -> dict[str, str]:
    """Text of every generated file by its path below the checkout."""
    files = {f"schemas/{name}.json": as_text(schema) for name, schema in schemas().items()}
    return files | {f"docs/reference/{name}": text for name, text in pages().items()}


def as_text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write(root: Path) -> list[str]:
    """Writes what has changed, removes what is left over, and says which."""
    wanted = generated()
    changed = [path for path, text in wanted.items() if _read(root / path) != text]
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(wanted[path], "utf-8")
    left_over = _left_over(root, wanted)
    for path in left_over:
        (root / path).unlink()
    return [f"wrote {path}" for path in changed] + [f"removed {path}" for path in left_over]


def release(root: Path) -> list[str]:
    """Freezes every schema whose version is not frozen yet. A frozen file is never written again."""
    found = []
    for name, schema in schemas().items():
        path = root / "schemas" / "released" / f"{name}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(as_text(schema), "utf-8")
            found.append(f"froze {path.relative_to(root)}")
    return found


def check(root: Path) -> list[str]:
    """One line or small diff for each thing wrong; empty when files, code and releases agree."""
    wanted = generated()
    found = [
        _difference(path, _read(root / path), text) for path, text in wanted.items() if _read(root / path) != text
    ]
    found += [f"{path}: no code makes this file" for path in _left_over(root, wanted)]
    found += [f"topics.toml: {line}" for line in disagreements(declared())]
    return found + _broken_promises(root)


def _broken_promises(root: Path) -> list[str]:
    current = {schema["title"]: schema for schema in schemas().values()}
    frozen = sorted((root / "schemas" / "released").glob("*.json"))
    found = [
        f"schemas/released/{name}.json is missing: `python -m glowplug.contract release` freezes it"
        for name in sorted(schemas().keys() - {path.stem for path in frozen})
    ]
    for path in frozen:
        released = json.loads(path.read_text("utf-8"))
        title = str(released["title"])
        if title not in current:
            found.append(f"{path.name}: was released, and no model writes or reads {title} any more")
            continue
        found += [
            f"{path.name}: {reason} (released; a breaking change needs a new `type`)"
            for reason in breaks(released, current[title], directions()[title])
        ]
    return found


def _left_over(root: Path, wanted: Mapping[str, str]) -> list[str]:
    there = [*(root / "schemas").glob("*.json"), *(root / "docs" / "reference").glob("*.md")]
    return sorted(path for path in (str(file.relative_to(root)) for file in there) if path not in wanted)


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def _difference(path: str, found: str | None, wanted: str) -> str:
    if found is None:
        return f"{path}: is missing (`make schemas` writes it)"
    diff = list(difflib.unified_diff(found.splitlines(), wanted.splitlines(), lineterm="", n=0))
    lines = [line for line in diff if not line.startswith(("---", "+++", "@@"))]
    more = f"\n  … {len(lines) - SHOWN_LINES} more" if len(lines) > SHOWN_LINES else ""
    shown = "".join(f"\n  {line}" for line in lines[:SHOWN_LINES])
    return f"{path}: differs from the code (`make schemas` writes it){shown}{more}"
