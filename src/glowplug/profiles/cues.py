"""Cues: words of many languages that say what a text makes of the things it names (cues.json, on folded text)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Stance = Literal["wanted", "avoided", "neither"]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cue:
    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one clause under one cue. by: that cue's kind; empty where none decides.

    is_others, is_past: as the holder and the time of the sentence stand at its end."""

    start: int
    end: int
    stance: Stance
    by: str = ""
    sentence: int = 0
    is_first: bool = False  # of its clause
    is_others: bool = False
    is_past: bool = False


@cache
def pattern(kind: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{source})" for source in _sources()[kind]))


@cache
def _sources() -> dict[str, list[str]]:
    loaded: dict[str, list[str]] = json.loads(files("glowplug.profiles").joinpath("cues.json").read_text("utf-8"))
    return loaded
