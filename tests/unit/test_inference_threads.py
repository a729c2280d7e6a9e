"""OpenMP threads sleep while they wait, unless the environment says otherwise."""

from __future__ import annotations

import os

import pytest

from glowplug.inference.threads import VARIABLE, wait_passively


def test_threads_wait_passively_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "ACTIVE")  # so that the variable is put back as it was
    monkeypatch.delenv(VARIABLE)
    wait_passively()
    assert os.environ[VARIABLE] == "PASSIVE"


def test_what_the_environment_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "ACTIVE")
    wait_passively()
    assert os.environ[VARIABLE] == "ACTIVE"
