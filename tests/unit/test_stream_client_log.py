"""An outage is logged once in a while, not twenty times a second."""

from __future__ import annotations

import logging

import pytest

from glowplug.stream.client_log import Sparing


def test_a_kind_of_line_is_logged_once_in_half_a_minute_with_the_number_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    sparing = Sparing(logging.getLogger("test"), clock=lambda: now)
    for second in range(40):
        now = float(second)
        sparing.log(logging.ERROR, "%s [%s] %s", "FAIL", "client", f"refused {second}")
    sparing.log(logging.ERROR, "%s [%s] %s", "FATAL", "client", "another kind")

    assert [record.getMessage() for record in caplog.records] == [
        "FAIL [client] refused 0",
        "FAIL [client] refused 30 (and 29 lines like it)",
        "FATAL [client] another kind",
    ]
