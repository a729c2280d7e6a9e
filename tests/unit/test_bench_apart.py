"""What a bench says of the stack that it measured."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import Any

import pytest

from bench.apart import Apart, profiles_of, take_profiles
from glowplug.observe.health import Health
from glowplug.observe.server import serve
from glowplug.settings import load


class Told(Health):
    def __init__(self, more: dict[str, Any]) -> None:
        super().__init__()
        self._more = more

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | self._more


@pytest.mark.parametrize(
    ("more", "profiles"),
    [({"profiles": "encoder (auto: no CUDA device here)"}, "encoder (auto: no CUDA device here)"), ({}, "auto")],
    ids=["glowplug up", "a single consumer"],
)
def test_the_figures_name_the_profile_model_that_ran(more: dict[str, Any], profiles: str) -> None:
    health = Told(more)
    health.set("recommender", "ok")
    settings = load(observe={"port": 0}, profiles={"model": "auto"})
    with closing(serve(settings.observe, health)) as page:
        there = settings.observe.model_copy(update={"port": page.port})
        stack = Apart(settings.model_copy(update={"observe": there}), "builtin", None)
        assert stack.profiles() == profiles


def test_profiles_run_as_the_settings_say_unless_an_option_names_a_model() -> None:
    parser = argparse.ArgumentParser()
    take_profiles(parser)
    assert profiles_of(parser.parse_args([])) == {}
    assert profiles_of(parser.parse_args(["--profiles", "off"])) == {"GLOWPLUG_PROFILES__MODEL": "off"}
    with pytest.raises(SystemExit):
        parser.parse_args(["--profiles", "of"])
