"""The folder that recommenders share: heads that were promoted, and one file that says which of them serves.

promoted.json         the pointer and the history, replaced as a whole
0123456789ab/         a head by its fingerprint; never changed once it is there
"""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from glowplug.errors import BadInputFile, BadSettings, shown

POINTER = "promoted.json"
# What `glowplug train` writes, but for its curves.
FILES = ("head.safetensors", "head.json", "card.json", "model_card.md", "per_user.parquet")
FINGERPRINT = r"^head:[0-9a-f]{12}$"
Fingerprint = Annotated[str, Field(pattern=FINGERPRINT)]


class Step(BaseModel):
    """One promotion, or the undoing of one. head: what serves from then on; None: no head. gain: of what was
    judged, in one sentence."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    action: Literal["promote", "back"]
    head: Fingerprint | None
    at: AwareDatetime
    gain: str = ""


class Pointer(BaseModel):
    """serving: the head in force, None where none is. history: how it came to that, oldest first."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    serving: Fingerprint | None = None
    history: tuple[Step, ...] = ()

    def then(self, step: Step) -> Pointer:
        return Pointer(serving=step.head, history=(*self.history, step))

    @property
    def before(self) -> Step | None:
        """The promotion that `back` undoes: the latest that is not undone yet."""
        standing = self._standing()
        return standing[-1] if standing else None

    @property
    def beneath(self) -> str | None:
        """What served before that one."""
        standing = self._standing()
        return standing[-2].head if len(standing) > 1 else None

    def _standing(self) -> list[Step]:
        found: list[Step] = []
        for step in self.history:
            if step.action == "promote":
                found.append(step)
            elif found:
                found.pop()
        return found


def read_pointer(folder: Path) -> Pointer:
    """An empty one where nothing was promoted yet. Raises BadInputFile."""
    path = folder / POINTER
    try:
        return Pointer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Pointer()
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise BadInputFile(
            f"{shown(str(path))} cannot be read ({reason}): remove it and promote a head anew"
        ) from error


def write_pointer(folder: Path, pointer: Pointer) -> None:
    """Atomically: whoever reads finds the old one or the new one, whole. Raises BadSettings."""
    body = pointer.model_dump_json(indent=2).encode() + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f".{POINTER}.", dir=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).chmod(0o644)  # recommenders may run under another account
        Path(draft).replace(folder / POINTER)
    except OSError as error:
        raise BadSettings(f"ranking.heads: {shown(str(folder))} cannot be written: {error.strerror}") from error


def place_of(folder: Path, fingerprint: str) -> Path:
    return folder / fingerprint.removeprefix("head:")


def keep(folder: Path, head: Path, fingerprint: str) -> None:
    """Copy the files of `head` to their place; a head that is there stays as it is. Raises BadSettings."""
    place = place_of(folder, fingerprint)
    if place.is_dir():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".head.", dir=folder) as temporary:
            draft = Path(temporary) / "draft"
            draft.mkdir(mode=0o755)
            for name in FILES:
                if (head / name).is_file():
                    shutil.copy(head / name, draft / name)
            draft.rename(place)
    except OSError as error:
        raise BadSettings(f"ranking.heads: {shown(str(folder))} cannot be written: {error.strerror}") from error


def step(action: Literal["promote", "back"], head: str | None, at: datetime, gain: str = "") -> Step:
    return Step(action=action, head=head, at=at, gain=gain)
