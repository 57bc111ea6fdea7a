"""Radicale, a real CalDAV server, on loopback; and what the student's calendar program does to it."""

import re
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gradent_cli.web import Answer, WebError, request
from tests.street.feeds import Lines, ics

PASSWORD = "planted-caldav-pass"
_PATIENCE = 30.0


@dataclass(frozen=True)
class Account:
    """A user of the server with a calendar's address, and a program that reads and writes it without asking."""

    url: str
    username: str
    password: str = PASSWORD

    def ask(self, method: str, name: str = "", body: bytes = b"", user: str | None = None, **headers: str) -> Answer:
        """One raw request; `If_Match="..."` becomes the header `If-Match`."""
        pair = b64encode(f"{user or self.username}:{self.password}".encode()).decode()
        given = {header.replace("_", "-"): value for header, value in headers.items()}
        kind = "text/calendar" if method == "PUT" else "application/xml"
        sent = {"Authorization": f"Basic {pair}", "Content-Type": kind, **given}
        return request(method, self.url + name, content=body, headers=sent, seconds=_PATIENCE, limit=10_000_000)

    def make(self) -> "Account":
        assert self.ask("MKCALENDAR").status == 201
        return self

    def put(self, name: str, *components: Lines) -> None:
        assert self.ask("PUT", name, ics(*components)).status in (201, 204)

    def edit(self, name: str, **changes: str) -> None:
        """Change lines of an event as a calendar program does: `DTSTART="DTSTART:..."`; `END="..."` adds some."""
        text = self.text(name).replace("PRODID:-//gradent//study plan//EN", "PRODID:-//Phone//EN")
        lines = []
        for line in text.replace("\r\n", "\n").splitlines():
            known = line.partition(":")[0].partition(";")[0]
            if line == "END:VEVENT" and "END" in changes:
                lines += changes["END"].split("\n")
            lines.append(changes.get(known, line) if known != "END" else line)
        body = "\r\n".join([*filter(None, lines), ""]).encode()
        assert self.ask("PUT", name, body).status in (201, 204)

    def text(self, name: str) -> str:
        answer = self.ask("GET", name)
        assert answer.status == 200, answer.status
        return answer.body.decode()

    def delete(self, name: str = "") -> None:
        assert self.ask("DELETE", name).status == 200

    def names(self) -> set[str]:
        """What is in the calendar; it is asked for in another way than gradent does."""
        answer = self.ask("PROPFIND", Depth="1")
        assert answer.status == 207, answer.status
        hrefs = re.findall(r"<href>([^<]*)</href>", answer.body.decode())
        return {href.rpartition("/")[2] for href in hrefs} - {""}


class Radicale:
    """A running server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._accounts = 0

    def account(self) -> Account:
        """A user of their own, whose calendar is not there yet."""
        self._accounts += 1
        name = f"ada{self._accounts}"
        return Account(url=f"{self.url}/{name}/study/", username=name)


@contextmanager
def serving(folder: Path) -> Iterator[Radicale]:
    """Start it and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    users, config, log = folder / "users", folder / "config", folder / "log"
    users.write_text("".join(f"ada{number}:{PASSWORD}\n" for number in range(1, 200)))
    config.write_text(
        f"[server]\nhosts = 127.0.0.1:{port}\n"
        f"[auth]\ntype = htpasswd\nhtpasswd_filename = {users}\nhtpasswd_encryption = plain\ndelay = 0\n"
        f"[storage]\nfilesystem_folder = {folder / 'collections'}\n"
        "[logging]\nlevel = warning\n"
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "radicale", "--config", str(config)], stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        limit = time.monotonic() + _PATIENCE
        while True:
            try:
                request("GET", f"{url}/.web/", seconds=1.0)
                break
            except WebError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < limit, log.read_text()
                time.sleep(0.05)
        yield Radicale(url)
    finally:
        process.terminate()
        process.wait(_PATIENCE)
