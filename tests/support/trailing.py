"""HTTP/2 on both sides of Envoy, with trailers: h1 would drop them before anybody could judge them."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import h2.config
import h2.connection
import h2.events

Headers = list[tuple[str, str]]


async def upstream_with_trailers(path: Path, headers: Headers, body: bytes, trailers: Headers) -> asyncio.Server:
    """Serve one answer over cleartext HTTP/2 on a Unix socket."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    connection.send_headers(event.stream_id, [(":status", "200"), *headers])
                    connection.send_data(event.stream_id, body)
                    connection.send_headers(event.stream_id, trailers, end_stream=True)
            writer.write(connection.data_to_send())
        writer.close()

    return await asyncio.start_unix_server(serve, path)


async def ask_over_http2(host: str, port: int, context: ssl.SSLContext, path: str) -> tuple[Headers, bytes, Headers]:
    """Return headers, body and trailers of an answer."""
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    request = [(":method", "GET"), (":scheme", "https"), (":authority", f"{host}:{port}"), (":path", path)]
    connection.send_headers(1, [*request, ("te", "trailers")], end_stream=True)
    writer.write(connection.data_to_send())
    headers, body, trailers, is_over = [], b"", [], False
    async with asyncio.timeout(10):
        while not is_over and (data := await reader.read(65536)):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    headers = _texts(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                elif isinstance(event, h2.events.TrailersReceived):
                    trailers = _texts(event.headers)
                is_over = is_over or isinstance(event, h2.events.StreamEnded | h2.events.StreamReset)
            writer.write(connection.data_to_send())
    writer.close()
    return headers, body, trailers


def _texts(headers: object) -> Headers:
    return [tuple(part.decode() if isinstance(part, bytes) else part for part in pair) for pair in headers]  # type: ignore[attr-defined, misc]  # h2 gives either
