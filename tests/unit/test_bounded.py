"""Calls into a client that may hang."""

from __future__ import annotations

import threading

import pytest

from glowplug.stream.bounded import bounded
from glowplug.stream.reader import ClientsLost
from tests.support.waiting import wait_until

SOON_S = 5.0


def test_what_the_call_returns_or_raises_comes_through() -> None:
    assert bounded(lambda: 7, SOON_S, lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 // 0, SOON_S, lambda: None)


def test_a_call_that_hung_ends_once_it_is_woken_and_what_it_did_is_not_known() -> None:
    before = set(threading.enumerate())
    awake = threading.Event()
    with pytest.raises(ClientsLost, match="did not answer"):
        bounded(awake.wait, 0.01, awake.set)
    wait_until(lambda: set(threading.enumerate()) <= before, SOON_S, "a thread of the call lives on")


def test_a_call_that_was_given_up_is_woken_until_it_ends_and_then_nothing_is_left_of_it() -> None:
    before = set(threading.enumerate())
    awake = threading.Event()
    tries: list[int] = []

    def wake() -> None:
        tries.append(1)
        if len(tries) == 5:  # the broker is back
            awake.set()

    with pytest.raises(ClientsLost, match="did not answer"):
        bounded(awake.wait, 0.01, wake, wakes=2, again_s=0.01)
    wait_until(lambda: set(threading.enumerate()) <= before, SOON_S, "a thread of the call lives on")
    assert len(tries) == 5
