"""A fixed TCP port in front of one that cannot be chosen: bytes in, bytes out."""

from __future__ import annotations

import contextlib
import socket
import threading

CHUNK = 65_536  # bytes moved at once


class Forwarder:
    """Listens on 127.0.0.1:`port` and connects each caller to 127.0.0.1:`target`. OSError: the port is in use."""

    def __init__(self, port: int, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, name="forwarder", daemon=True).start()

    def close(self) -> None:
        """No new callers; open connections end with their clients."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # close alone does not wake a thread in accept
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                caller, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    caller.close()
                    continue
                for source, sink in ((caller, server), (server, caller)):
                    threading.Thread(target=_pump, args=(source, sink), name="forwarder", daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError), source:
        while chunk := source.recv(CHUNK):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
