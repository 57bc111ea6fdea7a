"""An HTTP server on loopback that takes everything and counts it; one below /slow/ is answered after 200 ms.

It is a process of its own, so that what it costs is nobody else's: `with sink() as (url, seen)`.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.request import urlopen

DELAY = 0.2
"""Seconds."""
_COUNT = "/-/count"


class _Sink:
    def __init__(self) -> None:
        self._requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = head.split("\r\n")
                path = lines[0].split(" ")[1]
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                await reader.readexactly(int(headers.get("content-length", 0)))
                writer.write(await self._answer(path))
                await writer.drain()
        writer.close()

    async def _answer(self, path: str) -> bytes:
        if path == _COUNT:
            body, self._requests = f"{self._requests}".encode(), 0
        else:
            self._requests += 1
            if path.startswith("/slow/"):
                await asyncio.sleep(DELAY)
            body = b'{"id": "1"}'
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


async def _main() -> None:
    server = await asyncio.start_server(_Sink().serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


@contextmanager
def sink() -> Iterator[tuple[str, Callable[[], int]]]:
    """The sink's URL, and what tells how many requests it has got since it was last asked."""
    with subprocess.Popen([sys.executable, "-m", "bench.sink"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"

            def seen() -> int:
                with urlopen(url + _COUNT, timeout=10) as answer:
                    return int(answer.read())

            yield url, seen
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_main())
