"""One Kafka process of this machine: configured, its storage formatted once, started."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from glowplug.embedded.kafka_jars import jars, java
from glowplug.embedded.process import Process
from glowplug.errors import BadSettings, Unreachable

JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # quick to start
LOG = "log"  # its folder of topics, or of the cluster's metadata


def run_node(folder: Path, properties: Mapping[str, str], *, cluster: str, heap: str, output: Path) -> Process:
    """`folder` holds all that it keeps; `cluster` is the id that it is formatted for, if it is not yet.

    heap: as Java's -Xmx. output: the file that its log goes to.
    Raises Unreachable when Java or the jars are missing or it cannot be formatted; BadSettings (the folder).
    """
    command = [java(), f"-Xmx{heap}", *JVM]
    classes = ["-cp", f"{jars()}/*"]
    config = folder / "server.properties"
    lines = {"log.dirs": str(folder / LOG), **properties}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text("".join(f"{name}={value}\n" for name, value in lines.items()), "utf-8")
    except OSError as error:
        raise BadSettings(f"the data folder {folder} cannot be written: {error.strerror}") from error
    if not (folder / LOG / "meta.properties").exists():
        _format([*command, *classes], folder, config, cluster)
    # slf4j-simple writes to stderr; the broker's information is read only after a failure.
    dated = "-Dorg.slf4j.simpleLogger.showDateTime=true"
    return Process([*command, dated, *classes, "kafka.Kafka", str(config)], output)


def _format(command: list[str], folder: Path, config: Path, cluster: str) -> None:
    done = subprocess.run(
        [*command, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Unreachable(f"Apache Kafka could not format {folder}: {(done.stdout + done.stderr).strip()}")
