"""Runs a program that cannot outlive its owner, who holds the other end of stdin: `leash.py PROGRAM ARGUMENTS…`.

Prints the program's pid. The letter `t` on stdin terminates the program; the end of stdin, which comes however
the owner dies, kills it. Linux' PR_SET_PDEATHSIG is no substitute: it fires when the owner's thread ends.
This file is run by path, so it imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    # stdout was for the pid alone; the program writes where our stderr goes.
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno())
    sys.stdout.write(f"{program.pid}\n")
    sys.stdout.flush()
    threading.Thread(target=_obey, args=(program,), daemon=True).start()
    return abs(program.wait())


def _obey(program: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        while order := os.read(sys.stdin.fileno(), 1):
            if order == b"t":
                program.terminate()
    program.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
