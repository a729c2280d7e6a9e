"""Where `glowplug up` listens unless told otherwise: where clients look when they are told nothing."""

from __future__ import annotations

KAFKA_PORT = 9_092
REDIS_PORT = 6_379
