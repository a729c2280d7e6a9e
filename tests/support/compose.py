"""docker-compose.yml as this machine sees it: what each service would run, with which environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OURS = "glowplug:"  # the image of our services
STOP_S = 30.0  # as stop_grace_period
_variable = re.compile(r"\$\{(\w+):-([^}]*)\}")


def yaml_of(path: Path) -> Any:
    """The file's content, anchors and merges resolved."""
    return YAML(typ="safe", pure=True).load(path.read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Service:
    """One of docker-compose.yml. content: all that is said of it."""

    name: str
    content: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> tuple[str, ...]:
        return tuple(self.content.get("command", ()))

    @property
    def consumer(self) -> str | None:
        """The consumer that it runs."""
        return self.command[2] if self.command[:2] == ("glowplug", "consume") else None

    @property
    def is_default(self) -> bool:
        """It starts unless it is left out; the others belong to a profile."""
        return "profiles" not in self.content

    @property
    def is_ours(self) -> bool:
        return str(self.content["image"]).startswith(OURS)


def services(variables: Mapping[str, str] | None = None) -> dict[str, Service]:
    """By name. variables: of the shell that compose runs in, for what stands there as `${NAME:-default}`."""
    found: dict[str, Any] = yaml_of(ROOT / "docker-compose.yml")["services"]
    return {
        name: Service(name, content, _interpolated(content.get("environment", {}), variables or {}))
        for name, content in found.items()
    }


def _interpolated(environment: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    return {
        name: _variable.sub(lambda match: variables.get(match[1]) or match[2], str(value))
        for name, value in environment.items()
    }


def local(command: Sequence[str]) -> list[str]:
    """The command as the image would run it, behind its entrypoint, with this environment's programs."""
    program = Path(sys.executable).with_name(command[0])
    return [str(DEPLOY / "entrypoint.sh"), str(program), *command[1:]]


@contextmanager
def running(command: Sequence[str], variables: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A local process until the end of the block; killed where SIGTERM does not end it in time."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, cwd=log.parent, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            finally:
                process.kill()
