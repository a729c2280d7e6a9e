"""A call into the client that may never come back, given up after a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from glowplug.stream.reader import ClientsLost

T = TypeVar("T")

AGAIN_S = (
    5.0  # a broker that was away is noticed to be back within this time, and costs one question while it is away
)


def bounded(
    call: Callable[[], T], timeout_s: float, wake: Callable[[], object], wakes: int = 3, again_s: float = AGAIN_S
) -> T:
    """What `call` returns or raises, if it does so in time. Else ClientsLost: what it did is not known.

    wake: tried after `timeout_s`, up to `wakes` times: it makes the client look again, so that the call comes back
    and its thread ends. While that thread lives it keeps the client, with all threads and connections of it; so one
    that has been given up is woken on, every `again_s`, until it ends.
    """
    calling = _Calling(call)
    if calling.has_ended(timeout_s):
        return calling.result()
    for _ in range(wakes):
        wake()
        if calling.has_ended(timeout_s / wakes):
            break
    calling.wake_on(wake, again_s)
    raise ClientsLost(f"the client did not answer within {timeout_s:g} s")


class _Calling(Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._returned: list[T] = []
        self._raised: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="glowplug-bounded", daemon=True)
        self._thread.start()

    def has_ended(self, within_s: float) -> bool:
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def wake_on(self, wake: Callable[[], object], every_s: float) -> None:
        def run() -> None:
            while not self.has_ended(every_s):
                wake()

        threading.Thread(target=run, name="glowplug-waking", daemon=True).start()

    def result(self) -> T:
        if self._raised is not None:
            raise self._raised
        return self._returned[0]

    def _run(self) -> None:
        try:
            self._returned.append(self._call())
        except BaseException as error:  # noqa: BLE001  raised again, in the thread that waits
            self._raised = error
