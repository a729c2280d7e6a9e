"""How the native libraries' threads wait for each other."""

from __future__ import annotations

import os

VARIABLE = "OMP_WAIT_POLICY"


def wait_passively() -> None:
    """Makes OpenMP threads sleep while they wait, unless the environment says otherwise.

    They spin by default, which is best on an idle machine and a disaster beside a broker: measured on two cores
    with one other busy process, a text took 860 ms instead of 16. OpenMP reads the variable when torch or faiss
    is first imported, so this comes before that; later it does nothing.
    """
    os.environ.setdefault(VARIABLE, "PASSIVE")
