"""What the producers' command lines have in common."""

from __future__ import annotations

import argparse

from glowplug.ports import KAFKA_PORT
from glowplug.settings import Settings, load

UP = f"127.0.0.1:{KAFKA_PORT}"  # where `glowplug up` listens unless told otherwise
SERVERS = f"host:port,…; default: kafka.bootstrap_servers, else {UP}"  # what --bootstrap-servers takes


def settings_for(bootstrap_servers: str | None) -> Settings:
    """Those in force; without any broker named, the one that `glowplug up` starts."""
    settings = load()
    servers = bootstrap_servers or settings.kafka.bootstrap_servers or UP
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap_servers": servers})})


def positive(text: str) -> float:
    """An argument's type: a number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value
