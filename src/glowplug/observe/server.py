"""/metrics and /health over HTTP: one small server of the standard library, on the loopback address by default."""

from __future__ import annotations

import errno
import json
import logging
import socket
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from glowplug.errors import BadSettings, PortInUse
from glowplug.observe.health import Health
from glowplug.settings import ObserveSettings

LINKS = "Glowplug. /metrics: Prometheus metrics. /health: JSON, 200 while work gets done, else 503.\n"
REQUEST_S = 10.0  # a client that sends no request for this long is cut off, so that it holds no thread
LOOK_S = 0.1  # between two looks at whether to stop: `close` takes no longer
logger = logging.getLogger(__name__)

Answer = tuple[HTTPStatus, str, bytes]  # status, content type, body


class Server:
    """A running server. `port` is the real one, also when the settings say 0."""

    def __init__(self, listener: _Listener) -> None:
        self._listener = listener
        self.host = str(listener.server_address[0])
        self.port = int(listener.server_address[1])
        self._thread = Thread(target=listener.serve_forever, args=(LOOK_S,), name="observe", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops answering and gives the port back. Can be called twice."""
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()


def serve(settings: ObserveSettings, health: Health) -> Server:
    """Answers on settings.host and settings.port until `close`.

    Raises PortInUse when somebody else listens there, BadSettings when the address cannot be listened on.
    """
    where = f"{settings.host}:{settings.port}"
    try:
        return Server(_Listener(settings, health))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"observe.port: {where} is in use; stop what listens there, or set observe.port (0: any free one)"
            ) from error
        raise BadSettings(f"observe.host, observe.port: cannot listen on {where}: {error.strerror}") from error


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, settings: ObserveSettings, health: Health) -> None:
        self.address_family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        self.health = health
        super().__init__((settings.host, settings.port), _Request)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  of socketserver
        if not isinstance(sys.exception(), OSError):  # else a client that went away before its answer
            logger.exception("a request could not be answered")

    def server_bind(self) -> None:
        # HTTPServer asks DNS for this machine's full name here, which can take seconds and is never used.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Request(BaseHTTPRequestHandler):
    server: _Listener
    server_version = "glowplug"
    sys_version = ""
    timeout = REQUEST_S

    def do_GET(self) -> None:
        answers: dict[str, Callable[[], Answer]] = {"/": _links, "/metrics": self._metrics, "/health": self._health}
        status, kind, body = answers.get(self.path.partition("?")[0], _nothing)()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815  named by http.server

    def _metrics(self) -> Answer:
        encode, kind = choose_encoder(self.headers.get("Accept", ""))
        return HTTPStatus.OK, kind, encode(REGISTRY)

    def _health(self) -> Answer:
        health = self.server.health
        status = HTTPStatus.OK if health.is_serving() else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", json.dumps(health.to_json(), ensure_ascii=False).encode() + b"\n"

    def log_message(self, format: str, *args: object) -> None:
        logger.debug(format, *args)


def _links() -> Answer:
    return HTTPStatus.OK, "text/plain; charset=utf-8", LINKS.encode()


def _nothing() -> Answer:
    return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", LINKS.encode()
