"""How long work that nobody waits for stays away after it was in somebody's way."""

from __future__ import annotations

FIRST_S = 0.02  # half of one of its passes
# At twice the sign-ups that a machine keeps up with, first lists come after 79 ms (p50) with .5 s and after 55 with
# 3, where 50 are without any profiles; but a call for eight users, some 17 passes, should hardly last over 20 s.
MOST_S = 1.5
LONGER, SHORTER = 4.0, 0.5  # a pass in three in somebody's way holds the balance: there a machine has no time left


class Deference:
    """Multiplies its pause by LONGER after a pass in whose time somebody came, and by SHORTER after another one.

    So where passes are hardly ever in the way they follow each other, and where people come without end one goes
    now and then: what is left over is made up for when they are gone.
    """

    def __init__(self) -> None:
        self.pause_s = 0.0

    def learn(self, *, was_in_the_way: bool) -> None:
        if was_in_the_way:
            self.pause_s = min(MOST_S, max(FIRST_S, LONGER * self.pause_s))
        else:
            shorter = SHORTER * self.pause_s
            self.pause_s = shorter if shorter >= FIRST_S else 0.0

    def forget(self) -> None:
        """They are gone."""
        self.pause_s = 0.0
