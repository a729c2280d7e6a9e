"""The whole demo, as a newcomer starts it."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

RUN_S = 240  # half a minute on two quick cores
TORCHS_OWN_CACHE = f"torchinductor_{getpass.getuser()}"  # torch makes this folder when it is imported
ROOT = Path(__file__).parents[2]


@pytest.mark.embedded
@pytest.mark.model
def test_the_demo_plays_all_five_acts_and_ends_by_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "glowplug.demo"],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=RUN_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    for sentence in (
        "348 items in nine languages",
        "1  A brand-new user signs up",
        "2  A Chinese user does",
        "3  A brand-new item is listed",
        "4  A user clicks, and the list moves",
        "5  An item is withdrawn",
        "off the list: Pocket Star Tracker for Cameras",
        "[-Video games-]",
        "[-甜点-",
    ):
        assert sentence in done.stdout
    assert done.stdout.count(" after it the refined list.") == 2
    assert done.stdout.count("stage refined, reason ") >= 2
    mixes = re.findall(r"Languages of the first 8: (.*)\.", done.stdout)
    assert len(mixes) == 2
    assert "Chinese" in mixes[1]
    assert "," in mixes[1], "a Chinese user finds Chinese items and others"
    assert done.stderr == ""
    assert [path.name for path in tmp_path.iterdir() if path.name != TORCHS_OWN_CACHE] == []
