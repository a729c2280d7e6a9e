"""Files made once and kept: where they live, and how two processes that make the same one do not meet."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from glowplug.errors import ModelMissing, shown

APPLICATION = "glowplug"


def cache_folder(configured: Path | None) -> Path:
    """`encoder.cache_dir`, else this user's cache folder by the platform's convention. It need not exist yet."""
    if configured is not None:
        return configured.expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / APPLICATION / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / APPLICATION
    base = os.environ.get("XDG_CACHE_HOME", "")  # the XDG specification: relative paths are invalid, ignore them
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / APPLICATION


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make` unless it is there already.

    `make` fills a temporary folder beside it, which is then renamed: a reader sees all of it or nothing, a killed
    process leaves nothing under that name, and of two that make it at once the later one finds the first's.
    Raises ModelMissing when the place cannot be written.
    """
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise ModelMissing(
            f"the cache folder {shown(str(folder.parent))} cannot be written ({error.strerror}); "
            "set encoder.cache_dir to one that can"
        ) from error
    try:
        make(draft)
        _settle(draft)
        try:
            draft.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    except OSError as error:
        raise ModelMissing(
            f"{shown(str(folder))} cannot be written ({error.strerror}); "
            "free some space, or set encoder.cache_dir to another folder"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _settle(folder: Path) -> None:
    """Flushed to disk, so that a power cut cannot leave half a file under the final name, and readable to all:
    a service under another account may share the cache, and mkdtemp and safetensors make things private."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
            continue
        path.chmod(0o644)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
