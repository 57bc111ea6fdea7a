"""Peers that misbehave as TCP and HTTP allow: a door before a service, which can be told to let nobody in.

Each way is a function that has the accepted connection to itself; the door closes it afterwards.
"""

import gzip
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

Way = Callable[[socket.socket, threading.Event], None]
HANGING = 135
"""Seconds for which a peer keeps a connection that it will never do anything good with."""
_OK = b"HTTP/1.1 200 OK\r\n"


class Door:
    """Listens at `url`. Without a `way` a connection is passed on to the service; `met` counts those that met one."""

    def __init__(self, service: str) -> None:
        host, _, port = service.rpartition("/")[2].rpartition(":")
        self._service = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._port = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self.way: Way | None = None
        self.met = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def close(self) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(HANGING)
            if self.way is not None:
                self.met += 1
                self.way(connection, self._closing)
                return
            with socket.create_connection(self._service) as service:
                back = threading.Thread(target=_copy, args=(service, connection), daemon=True)
                back.start()
                _copy(connection, service)
                back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _asked(connection: socket.socket) -> None:
    """Read one request to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    length = int(found[1]) if found else 0
    while len(body) < length:
        body += connection.recv(65_536)


def says(raw: bytes) -> Way:
    """Reads the request and answers with these bytes."""

    def way(connection: socket.socket, closing: threading.Event) -> None:
        _asked(connection)
        connection.sendall(raw)

    return way


def answer(status: str, body: bytes = b"", **headers: str) -> Way:
    """A whole answer; a header's `_` stands for `-`."""
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return says("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)


def _nothing(connection: socket.socket, closing: threading.Event) -> None:
    pass


def _reset(connection: socket.socket, closing: threading.Event) -> None:
    _asked(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _hang(connection: socket.socket, closing: threading.Event) -> None:
    _asked(connection)
    closing.wait(HANGING)


def _deaf(connection: socket.socket, closing: threading.Event) -> None:
    closing.wait(HANGING)


def _drip(connection: socket.socket, closing: threading.Event) -> None:
    _asked(connection)
    for byte in b'HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n{"id": "' + b"x" * 300:
        connection.sendall(bytes([byte]))
        if closing.wait(1):
            return


def _endless(head: bytes, piece: bytes, pieces: int = 1 << 30) -> Way:
    def way(connection: socket.socket, closing: threading.Event) -> None:
        _asked(connection)
        connection.sendall(head)
        until = time.monotonic() + HANGING
        for _ in range(pieces):
            connection.sendall(piece)
            if closing.is_set() or time.monotonic() > until:
                return

    return way


def _bomb(connection: socket.socket, closing: threading.Event) -> None:
    says(_OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_packed()) + _packed())(
        connection, closing
    )


@cache
def _packed() -> bytes:
    """300 MB of nothing."""
    return gzip.compress(bytes(300_000_000), 9)


def _later(body: bytes) -> Way:
    return answer("429 Too Many Requests", body, Content_Type="application/json")


_JSON = b'{"id": "abcdefghijkl", "event": "message"}'
WAYS: dict[str, Way] = {
    "accepts and closes": _nothing,
    "resets": _reset,
    "hangs": _hang,
    "never reads": _deaf,
    "drips a byte a second": _drip,
    "429": answer("429 Too Many Requests", b"slow down"),
    "429 in 3 s": answer("429 Too Many Requests", b"", Retry_After="3"),
    "429 in a week": answer("429 Too Many Requests", b"", Retry_After="604800"),
    "429 in 1e400 s": answer("429 Too Many Requests", b"", Retry_After="1" + "0" * 400),
    "429 in -5 s": answer("429 Too Many Requests", b"", Retry_After="-5"),
    "429 at a date": answer("429 Too Many Requests", b"", Retry_After="Fri, 31 Dec 2199 23:59:59 GMT"),
    "429 at nonsense": answer("429 Too Many Requests", b"", Retry_After="soon\t;;"),
    "429 with JSON": answer(
        "429 Too Many Requests",
        b'{"retry_after": 1.5, "global": false, "message": "no"}',
        Content_Type="application/json",
    ),
    "429 with JSON for a year": answer(
        "429 Too Many Requests", b'{"retry_after": 31536000.0}', Content_Type="application/json"
    ),
    "429 with JSON NaN": _later(b'{"retry_after": NaN}'),
    "429 with JSON of another type": answer(
        "429 Too Many Requests", b'{"retry_after": {"a": []}}', Content_Type="application/json"
    ),
    "500": answer("500 Internal Server Error", b"<html>oops</html>"),
    "502 without a body": answer("502 Bad Gateway"),
    "301 elsewhere": answer("301 Moved Permanently", b"", Location="http://127.0.0.1:9/"),
    "302 elsewhere": answer("302 Found", b"", Location="http://127.0.0.1:9/sign-in"),
    "302 to itself": answer("302 Found", b"", Location="/"),
    "200 HTML": answer("200 OK", b"<!doctype html><title>Sign in to the hotel</title>", Content_Type="text/html"),
    "200 garbage": answer("200 OK", bytes(range(256)) * 20),
    "200 JSON nested deep": answer("200 OK", b"[" * 60_000),
    "200 without a body": answer("200 OK"),
    "closes in mid-body": says(_OK + b"Content-Length: 500\r\n\r\n" + _JSON[:20]),
    "says it is longer": says(_OK + b"Content-Length: 5000000\r\n\r\n" + _JSON),
    "says it is shorter": says(_OK + b"Content-Length: 10\r\n\r\n" + _JSON),
    "says two lengths": says(_OK + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\n" + _JSON),
    "says a negative length": says(_OK + b"Content-Length: -1\r\n\r\n" + _JSON),
    "chunks of garbage": says(_OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n-5\r\n\r\n"),
    "a chunk of 2^64": says(_OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}"),
    "sends 1 GB": _endless(_OK + b"Content-Length: 1073741824\r\n\r\n", b" " * 1_048_576, 1024),
    "chunks without end": _endless(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65_536 + b"\r\n"),
    "headers without end": _endless(_OK, b"X-More: " + b"x" * 60_000 + b"\r\n"),
    "one header without end": _endless(_OK + b"X-More: ", b"x" * 65_536),
    "100 without end": _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "a gzip bomb": _bomb,
    "gzip that is none": answer("200 OK", b"\x1f\x8b" + b"\0" * 40, Content_Encoding="gzip"),
    "packed unasked": answer("200 OK", _JSON, Content_Encoding="br"),
    "no HTTP": says(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
    "TLS junk": says(bytes.fromhex("15030300020228") * 3),
    "a status of its own": says(b"HTTP/1.1 999 Whatever\r\n\r\n"),
    "NUL and colours": answer("503 \x1b[31mred", b"\x00\x1b]8;;http://x\x07"),
}
"""None of these has taken the message, and none says that it never will."""
