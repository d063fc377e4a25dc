"""A policy server that speaks OPA's documented Data API on 127.0.0.1: what a test says is what it answers."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class OpaServer:
    """Answers `POST /v1/data/PATH`.

    Attributes:
        results: by path with dots; a path that is missing is undefined, as in OPA.
        asked: path and input of every question.
        is_silent: hang up instead of answering, as a server that is gone does.
    """

    def __init__(self, **results: Any) -> None:
        self.results: dict[str, Any] = {name.replace("__", "."): value for name, value in results.items()}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.is_silent = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5

            def do_POST(self) -> None:
                given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                path = self.path.partition("?")[0].removeprefix("/v1/data/").replace("/", ".")
                if outer.is_silent:
                    self.close_connection = True
                    return
                outer.asked.append((path, given["input"]))
                said = {"result": outer.results[path]} if path in outer.results else {}
                body = json.dumps(said).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
