"""The jars of Apache Kafka, fetched once by Maven into the user's cache folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from glowplug.embedded.places import cache_folder
from glowplug.errors import Unreachable, shown

KAFKA = "4.3.1"
JAVA = 17  # the oldest that Kafka 4's broker runs on
FETCH_S = 600.0  # 44 MB: six seconds on a good line, ten minutes on a bad one

# slf4j stands before kafka, which would pull the 1.7 line, whose bindings the 2.0 line ignores.
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>glowplug</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-api</artifactId><version>2.0.17</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>2.0.17</version></dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version>
    </dependency>
  </dependencies>
</project>
"""
GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def java() -> str:
    """The java program of version 17 or later, from JAVA_HOME or PATH. Raises Unreachable."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else "java"
    try:
        told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError:
        told = ""
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < JAVA:
        found = f"{program} is version {version[1]}" if version else f"{program} does not run"
        raise Unreachable(
            f"Apache Kafka needs Java {JAVA} or later and {found}: install a JRE "
            f"(Debian: apt install openjdk-17-jre-headless), or use your own broker with --bootstrap-servers"
        )
    return program


def jars() -> Path:
    """The folder of the jars; fetched when it is not there yet. Raises Unreachable.

    A folder is complete or absent: Maven fills one beside it, which is then renamed.
    """
    folder = cache_folder() / f"kafka-{KAFKA}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Unreachable(
            f"The jars of Apache Kafka {KAFKA} are fetched once by Maven, and mvn is not on PATH: install it "
            f"(Debian: apt install maven), or use your own broker with --bootstrap-servers"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".kafka-") as scratch:
        pom = Path(scratch) / "pom.xml"
        pom.write_text(POM, "utf-8")
        filled = Path(scratch) / "jars"
        # --strict-checksums: a jar that does not match what the registry says of it is not used.
        command = [maven, "--batch-mode", "--quiet", "--strict-checksums", "--file", str(pom), GOAL]
        try:
            done = subprocess.run(
                [*command, f"-DoutputDirectory={filled}"],
                capture_output=True,
                text=True,
                check=False,
                timeout=FETCH_S,
            )
        except subprocess.TimeoutExpired as error:
            raise Unreachable(
                f"Maven did not fetch Apache Kafka {KAFKA} within {FETCH_S:.0f} s: {_fix()}"
            ) from error
        if done.returncode != 0 or not filled.is_dir():
            said = next((line for line in done.stdout.splitlines() if "[ERROR]" in line), done.stdout + done.stderr)
            raise Unreachable(f"Maven could not fetch Apache Kafka {KAFKA} ({shown(said.strip())}): {_fix()}")
        try:
            filled.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, with the same jars
                raise
    return folder


def _fix() -> str:
    return "check the network and Maven's settings.xml, or use your own broker with --bootstrap-servers"
