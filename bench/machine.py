"""What every result says of the machine and of the code it was measured on, and how it is written down."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from glowplug import __version__

CPUINFO = Path("/proc/cpuinfo")


def described() -> dict[str, Any]:
    """Processor, cores, memory, versions, commit and date."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "glowplug": __version__,
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "-m", *_module(), *sys.argv[1:]]),
    }


def write(path: Path, figures: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": described(), **figures}, indent=2) + "\n", encoding="utf-8")


def _module() -> list[str]:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return [spec.name.removesuffix(".__main__")] if spec else [sys.argv[0]]


def _cpu() -> str:
    if CPUINFO.exists():
        fields = dict(line.split(":", 1) for line in CPUINFO.read_text("utf-8").splitlines() if ":" in line)
        names = {key.strip(): value.strip() for key, value in fields.items()}
        # A virtual machine may hide the model's name: family and model number still tell it.
        return f"{names.get('model name', '')} family {names.get('cpu family')} model {names.get('model')}".strip()
    return platform.processor()


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return found.stdout.strip()
