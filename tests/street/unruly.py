"""Programs that do not end as they should, and who of them is left."""

import os
import sys
from pathlib import Path

MARK = "TEST_UNRULY"
"""In the environment of all of them, with the place of the test as its value."""

_PRELUDE = """
import os, signal, sys, time

def ignoring():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

def child(work):
    # The program goes on when its child has got as far as it wants to.
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os.read(ready, 1)
        return
    work(lambda: os.write(tell, b"."))
    os._exit(0)

def stubborn(ready):
    ignoring(); ready(); time.sleep(60)

def daemon(ready):
    os.setsid()
    if os.fork():
        os._exit(0)
    ready(); time.sleep(60)

def stubborn_daemon(ready):
    ignoring(); daemon(ready)

def chatty(ready):
    ignoring(); os.setsid(); ready()
    while True:
        os.write(1, b"still here\\n"); os.write(2, b"and here\\n")

def chain(ready):
    # A new process, session and group every time; whoever looks finds only the one before.
    ready()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if os.fork():
            os._exit(0)
        os.setsid()

def both(ready):
    child(stubborn)
    stubborn_daemon(ready)
"""

KINDS = ("stubborn", "daemon", "stubborn_daemon", "both", "chatty", "chain")


def program(*kinds: str, then: str = "") -> list[str]:
    """A program that starts a child of each kind, says `up`, and does `then`."""
    code = [_PRELUDE, *(f"child({kind})" for kind in kinds), "print('up', flush=True)", then]
    return [sys.executable, "-S", "-E", "-c", "\n".join(code)]


def left(place: object) -> list[int]:
    """Whoever is left of the programs that were started with `place` as their mark."""
    mark = f"{MARK}={place}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]
