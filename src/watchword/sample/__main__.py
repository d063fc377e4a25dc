"""Run the sample application: `python -m watchword.sample --socket PATH --jwks PATH --issuer URL`."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

import uvicorn

from watchword.sample.application import application


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m watchword.sample", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to listen on")
    parser.add_argument("--jwks", required=True, help="Watchword's public keys: a path or an https address")
    parser.add_argument("--issuer", required=True, help="origin of the portal")
    parser.add_argument("--audience", default="notes", help="name under which this application is published")
    options = parser.parse_args(arguments)
    app = application(jwks=options.jwks, issuer=options.issuer, audience=options.audience)
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="websockets-sansio",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    with _listen(options.socket) as listening:
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def _listen(path: Path) -> socket.socket:
    """Bind a Unix socket that nobody else may connect to, not even for the moment between two system calls."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    return listening


if __name__ == "__main__":
    sys.exit(main())
