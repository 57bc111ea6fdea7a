"""Nothing that a program starts outlives its end; real processes, and who is left is asked of the kernel."""

import importlib
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from types import ModuleType

import pytest

from gradent_cli import processes
from tests.e2e.conftest import need
from tests.street.unruly import KINDS, MARK, left, program

SOON = timedelta(seconds=0.1)
LONG = timedelta(seconds=120)
LATEST = 30
"""Seconds: far less than LONG, and more than a busy machine takes for anything here."""


@pytest.fixture(autouse=True)
def nobody_left(tmp_path):
    """What a failing test leaves is no burden to the next."""
    yield
    for pid in left(tmp_path):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def started(argv, *, stdin=None, cwd=None, **environment):
    """A child with its pipes, which are closed again; it has ended by then."""
    with open(os.devnull) as nothing:
        stdin = nothing.fileno() if stdin is None else stdin
        child = processes.Child(argv, environ={**os.environ, **environment}, stdin=stdin, cwd=cwd)
    with child.stdout, child.stderr:
        yield child
        assert child.wait(LATEST) is not None


@contextmanager
def up(argv, place, *, held=None):
    """A program that has said that it is up; it and all that it starts hold `held` open."""
    with started(argv, stdin=held, **{MARK: str(place)}) as child:
        while child.stdout.readline() != b"up\n":
            pass
        yield child


@contextmanager
def tree(argv, place, *, adopting=True, held=None):
    with processes.adopting() as adopts, up(argv, place, held=held) as child:
        assert adopts
        yield processes.Tree(child, adopts=adopting)


def wait_for(true):
    """Dying takes the kernel a moment, and a busy machine more than one."""
    until = time.monotonic() + LATEST
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    assert true()


def readable(pipe):
    """A pipe into which nobody writes comes to its end when nobody holds its other side any more."""
    return bool(select.select([pipe], [], [], 0)[0])


def children():
    """Of this process, dead ones too."""
    me = os.getpid()
    return {p.pid for p in processes._table().values() if p.parent == me}


# ── how a program starts ──


def open_here():
    """What this process has open, but for sockets: servers of other tests may still be closing theirs."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add((descriptor.name, str(descriptor.readlink())))
    return {(name, what) for name, what in found if not what.startswith("socket:") and not what.endswith("/fd")}


def script(path, text, *, mode=0o755):
    path.write_text(text)
    path.chmod(mode)
    return path


def python(code, **options):
    """A process of its own, for what must not be done to this one. Returns what it prints."""
    prelude = "import os, signal, sys\nfrom gradent_cli.processes import Child\n"
    prelude += "def child(*argv, stdin=None, cwd=None, **environ):\n"
    prelude += "    given = os.open('/dev/null', os.O_RDONLY) if stdin is None else stdin\n"
    prelude += "    return Child(argv, environ={**os.environ, **environ}, stdin=given, cwd=cwd)\n"
    command = [sys.executable, "-P", "-c", prelude + code]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=LATEST, **options)
    return done.stdout


def test_a_child_has_a_session_of_its_own():
    """And what it reads, writes and complains of goes where it should."""
    with started(["sh", "-c", "cut -d ' ' -f 6 /proc/$$/stat; echo and >&2; exit 3"]) as child:
        assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid
        assert int(child.stdout.read()) == child.pid
        assert child.stderr.read() == b"and\n"
        assert (child.wait(LATEST), child.poll(), child.returncode) == (3, 3, 3)


def test_a_child_has_a_group_of_its_own_where_there_are_no_sessions(monkeypatch):
    """os.posix_spawn says so, on FreeBSD for one."""
    spawn = os.posix_spawn

    def without_setsid(*given, setsid=False, **options):
        if setsid:
            raise NotImplementedError("posix_spawn: setsid unavailable on this platform")
        return spawn(*given, **options)

    monkeypatch.setattr(os, "posix_spawn", without_setsid)
    with started(["sleep", "60"]) as child:
        assert os.getsid(child.pid) == os.getsid(0)
        assert os.getpgid(child.pid) == child.pid
        os.killpg(child.pid, signal.SIGKILL)


def test_a_signal_that_ended_it_is_a_negative_number():
    """As everywhere in Python; waiting for one that goes on takes no longer than asked."""
    with started(["sleep", "60"]) as child:
        assert child.poll() is None
        assert child.wait(0.01) is None
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(LATEST) == -signal.SIGTERM


def test_a_child_that_somebody_else_has_waited_for_did_not_succeed():
    """Nobody knows how it ended."""
    with started(["true"]) as child:
        os.waitpid(child.pid, 0)
        assert child.poll() == 127


def test_a_status_is_kept_though_ours_were_to_be_forgotten():
    """Whoever ignores SIGCHLD passes that on to us, and the kernel would throw away how a program ends."""
    assert python("signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(child('sh', '-c', 'exit 7').wait(30))") == "7\n"


def test_signals_that_python_ignores_end_a_child():
    """A program that writes into a closed pipe goes on for ever otherwise."""
    with started(["grep", "SigIgn", "/proc/self/status"]) as child:
        ignored = int(child.stdout.read().split()[1], 16)
    assert ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1) == 0


def test_signals_that_we_were_started_with_blocked_reach_a_child():
    """Else TERM would not end it."""
    code = (
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); print(child('grep', 'SigBlk', '/proc/self/status')"
    )
    assert int(python(f"{code}.stdout.read().split()[1])").strip()[2:-1], 16) == 0


@pytest.mark.parametrize(
    "listing",
    ["", "sys.addaudithook(refuse)", "os.scandir = lambda folder: []"],
    ids=["listed", "not to be listed", "an empty list"],
)
def test_a_child_gets_no_open_file_but_its_three(tmp_path, listing):
    """Neither what we opened, nor what whoever started us had open; also where nobody can say what is open."""
    with open(tmp_path / "theirs", "w") as theirs:
        code = f"""
def refuse(event, given):
    if event == "os.scandir":
        raise FileNotFoundError(given)
{listing}
mine = open({str(tmp_path / "mine")!r}, "w")
os.write({theirs.fileno()}, b"inherited")
print(child("sh", "-c", "for n in $(seq 0 99); do [ ! -e /proc/$$/fd/$n ] || echo $n; done").stdout.read())
"""
        assert python(code, pass_fds=[theirs.fileno()]) == "b'0\\n1\\n2\\n'\n"
    assert (tmp_path / "theirs").read_text() == "inherited"


@pytest.mark.parametrize("most", [-1, 2**30], ids=["unlimited", "as good as"])
def test_not_every_number_is_looked_at(most):
    """Nobody can say what is open where there is no /proc; the run must not spend its time on finding out."""
    code = f"""
def refuse(event, given):
    if event == "os.scandir":
        raise FileNotFoundError(given)
sys.addaudithook(refuse)
os.sysconf = lambda name: {most}
theirs = os.dup2(1, 99)
print(child("sh", "-c", "[ ! -e /proc/$$/fd/99 ] && echo closed").stdout.read())
"""
    assert python(code) == "b'closed\\n'\n"


@pytest.mark.parametrize("lacking", ["0, 1, 2", "0, 1", "0, 2", "1, 2", "0", "1", "2"])
def test_a_child_has_standard_streams_though_we_lack_them(tmp_path, lacking):
    """The files and pipes get the numbers of the streams that this process lacks."""
    told = tmp_path / "told"
    told.write_text("read this\n")
    code = f"""
for number in [{lacking}]:
    os.close(number)
given = os.open({str(told)!r}, os.O_RDONLY)
c = child("sh", "-c", "cat; echo complaint >&2", stdin=given)
said = c.stdout.read() + c.stderr.read()
open({str(told)!r}, "wb").write(said)
"""
    python(code)
    assert told.read_text() == "read this\ncomplaint\n"


def test_the_program_is_looked_for_in_its_own_path(tmp_path, monkeypatch):
    """Not in ours, nor where we or it work; what cannot be started is passed over, and the name stays as given."""
    first, second, here = (tmp_path / name for name in ("first", "second", "here"))
    for folder in (first, second, here):
        folder.mkdir()
    script(first / "tool", "#!/bin/sh\n", mode=0o644)
    (second / "tool").symlink_to(shutil.which("sh"))
    script(here / "tool", "#!/bin/sh\necho wrong\n")
    monkeypatch.chdir(here)
    argv = ["tool", "-c", "/usr/bin/tr '\\0' ' ' </proc/$$/cmdline"]
    with started(argv, PATH=f"{tmp_path}/none:{first}:{second}") as child:
        assert child.stdout.read().startswith(b"tool -c ")
    for path, why in ((f"{tmp_path}/none:/usr/bin", FileNotFoundError), (f"{first}:/usr/bin", PermissionError)):
        with pytest.raises(why), started(argv, PATH=path, cwd=here):
            pass
    monkeypatch.setenv("PATH", str(here))
    with pytest.raises(FileNotFoundError), started(argv, PATH="/usr/bin"):
        pass


def test_without_a_path_the_system_s_own_is_taken():
    """As execvp(3)."""
    with open(os.devnull) as nothing:
        child = processes.Child(["true"], environ={}, stdin=nothing.fileno(), cwd=None)
    with child.stdout, child.stderr:
        assert child.wait(LATEST) == 0


def test_a_child_works_in_its_folder(tmp_path):
    """From there its relative path counts; we stay where we are."""
    script(tmp_path / "tool", "#!/bin/sh\npwd -P\n")
    before = Path.cwd()
    with started(["./tool"], cwd=tmp_path) as child:
        assert child.stdout.read() == f"{tmp_path}\n".encode()
    assert Path.cwd() == before


def test_a_child_can_start_from_a_folder_that_is_gone(tmp_path):
    """As after an update that replaced it; there it stays."""
    code = f"""
os.mkdir({str(tmp_path / "gone")!r}); os.chdir({str(tmp_path / "gone")!r}); os.rmdir({str(tmp_path / "gone")!r})
print(child("pwd", cwd="/usr").stdout.read().decode(), os.path.exists("."), os.listdir("."))
print(child("echo", "here").stdout.read().decode())
"""
    assert python(code).split() == ["/usr", "True", "[]", "here"]


def test_a_child_can_start_from_a_folder_that_is_closed_to_us(tmp_path):
    """As after `su` in a home: we cannot come back, and are in nobody's way at the root."""
    code = f"""
os.mkdir({str(tmp_path / "closed")!r}); os.chdir({str(tmp_path / "closed")!r}); os.chmod(".", 0)
if os.geteuid() == 0:
    os.seteuid(65534)
print(child("echo", "there").stdout.read().decode(), child("pwd", cwd="/usr").stdout.read().decode(), os.getcwd())
"""
    assert python(code).split() == ["there", "/usr", "/"]


@pytest.mark.parametrize("kind", ["works", "no program", "no folder", "no format", "too long", "no name"])
def test_nothing_stays_open(tmp_path, kind):
    """Whether it started or not; and we are where we were."""
    plain = script(tmp_path / "plain", "no shebang")
    argv, cwd, error = {
        "works": (["true"], tmp_path, None),
        "no program": (["no-such-program"], tmp_path, FileNotFoundError),
        "no folder": (["true"], tmp_path / "gone", FileNotFoundError),
        "no format": ([str(plain)], tmp_path, OSError),
        "too long": (["true", "x" * 3_000_000], tmp_path, OSError),
        "no name": (["tr\0ue"], tmp_path, ValueError),
    }[kind]
    before, folder = open_here(), Path.cwd()
    with pytest.raises(error) if error else nullcontext(), started(argv, cwd=cwd):
        pass
    assert (open_here() - before, Path.cwd()) == (set(), folder)


# ── how it ends ──


@pytest.mark.parametrize("then", ["time.sleep(60)", ""], ids=["lives", "has ended"])
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_survives(tmp_path, kind, then):
    """Whether it ignores TERM, left the group, forks faster than one can look, or all at once; not even as a zombie."""
    before = children()
    all_gone, held = os.pipe()
    with tree(program(kind, then=then), tmp_path, held=held) as grown:
        os.close(held)
        if not then:
            grown.leader.wait(LATEST)
        assert not readable(all_gone)
        assert grown.end(SOON) == []
        assert readable(all_gone)
        assert left(tmp_path) == []
        assert children() <= before
    os.close(all_gone)


def test_those_who_listen_have_the_grace_to_tidy_up(tmp_path):
    """TERM reaches a daemon, too; nobody waits longer than for the last one."""
    daemon = f"""
def tidy(*_):
    time.sleep(0.1); open({str(tmp_path / "tidied")!r}, "w").close(); os._exit(0)
def polite(ready):
    os.setsid(); signal.signal(signal.SIGTERM, tidy); ready(); time.sleep(60)
child(polite)
"""
    argv = program(then=daemon + "print('up', flush=True)")
    with tree(argv, tmp_path) as grown:
        assert grown.leader.stdout.readline() == b"up\n"
        grown.leader.wait(LATEST)
        began = time.monotonic()
        grown.end(LONG)
        assert time.monotonic() - began < LATEST
    assert (tmp_path / "tidied").exists()


def test_who_was_stopped_hears_of_the_end(tmp_path):
    """A stopped process gets TERM only when it goes on: it is made to."""
    tidy = "signal.signal(signal.SIGTERM, lambda *_: os._exit(7)); print('up', flush=True); time.sleep(60)"
    with tree(program(then=tidy), tmp_path) as grown:
        assert grown.leader.stdout.readline() == b"up\n"
        os.kill(grown.leader.pid, signal.SIGSTOP)
        assert grown.end(LONG) == []
        assert grown.leader.returncode == 7


def test_who_came_while_the_table_was_read_is_found(tmp_path, monkeypatch):
    """On a busy machine that takes long, and whoever was just adopted is not in it yet, each time again."""
    with tree(program("daemon", "stubborn", then="os._exit(0)"), tmp_path) as grown:
        grown.leader.wait(LATEST)
        late, table = set(left(tmp_path)), processes._table
        assert late
        monkeypatch.setattr(
            processes, "_table", lambda: {pid: each for pid, each in table().items() if pid not in late}
        )
        assert grown.end(timedelta(0)) == []
        assert set(left(tmp_path)) == set()


def test_the_dead_are_not_waited_for(tmp_path):
    """Where nobody buries orphans (a container without an init) a zombie in the group is no reason to wait."""
    with tree(program("daemon", "stubborn", then="os._exit(0)"), tmp_path, adopting=False) as grown:
        grown.leader.wait(LATEST)
        for pid in left(tmp_path):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: any(p.dead for p in processes._table().values() if p.parent == os.getpid()))
        began = time.monotonic()
        assert grown.end(LONG) == []
        assert time.monotonic() - began < LATEST
        grown._adopts = True
        grown.over()


def test_a_program_whose_first_thread_is_gone_is_not_dead(tmp_path):
    """The kernel calls it a zombie while its other threads go on working."""
    exit_number = {"x86_64": 60, "aarch64": 93}.get(platform.machine())
    need(exit_number, f"the number of exit(2) on {platform.machine()} is not known here")
    code = f"""
import ctypes, threading
threading.Thread(target=time.sleep, args=(60,)).start()
os.write(1, b"up\\n")
ctypes.CDLL(None).syscall({exit_number}, 0)
"""
    with tree([*program()[:-1], "import os, time\n" + code], tmp_path) as grown:
        stat = Path(f"/proc/{grown.leader.pid}/stat")
        wait_for(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")
        assert processes._table()[grown.leader.pid].dead is False
        assert grown.end(LONG) == []
        assert grown.leader.returncode == -signal.SIGTERM


def test_our_other_children_are_left_alone(tmp_path):
    """One in our group, and one with a session of its own that was there before: neither is of the tree."""
    elsewhere = subprocess.Popen(["sleep", "60"], start_new_session=True)
    time.sleep(0.02)
    helper = None
    try:
        with tree(program("daemon", then="time.sleep(60)"), tmp_path) as grown:
            helper = subprocess.Popen(["sleep", "60"])
            brief = subprocess.Popen(["sh", "-c", "exit 5"])
            assert grown.end(SOON) == []
        assert (elsewhere.poll(), helper.poll(), brief.wait(LATEST)) == (None, None, 5)
    finally:
        for process in filter(None, (elsewhere, helper)):
            process.kill()
            process.wait()


def test_a_number_that_belongs_to_another_process_by_now_is_left_alone():
    """Process ids come again; who started at another time is not meant."""
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        now = processes._read_stat(other.pid)
        assert processes._still({other.pid: now.started}, {other.pid: now}) == [now]
        assert processes._still({other.pid: now.started - 1}, {other.pid: now}) == []
        processes._signal_each([replace(now, started=now.started - 1)], signal.SIGKILL)
        time.sleep(0.05)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_long_run_does_not_collect_the_dead(tmp_path):
    """Orphans that end while the program goes on are buried when it is asked after."""
    orphans = "for _ in range(20):\n    if not os.fork():\n        os.fork(); os._exit(0)\n"
    argv = program(then=orphans + "print('up', flush=True); time.sleep(60)")
    with tree(argv, tmp_path) as grown:
        assert grown.leader.stdout.readline() == b"up\n"
        wait_for(lambda: len([p for p in processes._table().values() if p.dead and p.parent == os.getpid()]) >= 20)
        assert not grown.over()
        assert not [p for p in processes._table().values() if p.dead and p.parent == os.getpid()]
        grown.end(SOON)


def test_without_adoption_the_group_and_the_family_go(tmp_path):
    """As on macOS: who ignores TERM, and who left the group but still has parents up to the program."""
    session = "child(lambda ready: (ignoring(), os.setsid(), ready(), time.sleep(60)))\n"
    argv = program("stubborn", then=session + "print('up', flush=True); time.sleep(60)")
    with up(argv, tmp_path) as child:
        assert child.stdout.readline() == b"up\n"
        assert len(left(tmp_path)) == 3
        assert processes.Tree(child, adopts=False).end(SOON) == []
    wait_for(lambda: left(tmp_path) == [])


@pytest.mark.parametrize("way", ["_ctypes", "ctypes"])
def test_adoption_ends_with_its_block(way, monkeypatch):
    """An orphan comes to us within, and to whoever it was before afterwards."""
    if way == "ctypes":
        importlib.import_module("ctypes")
        monkeypatch.setitem(sys.modules, "_ctypes", ModuleType("_ctypes"))
    orphan = ["sh", "-c", "sleep 60 >/dev/null & echo $!"]

    def parent_of_orphan():
        pid = int(subprocess.run(orphan, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)
        try:
            return processes._read_stat(pid).parent
        finally:
            os.kill(pid, signal.SIGKILL)

    with processes.adopting():
        assert parent_of_orphan() == os.getpid()
        os.wait()
    assert parent_of_orphan() != os.getpid()


def test_ps_says_the_same():
    """Where there is no /proc, `ps` is asked: the same numbers, parents and groups."""
    need(shutil.which("ps"), "there is no ps")
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    dead = subprocess.Popen(["true"])
    wait_for(lambda: processes._read_stat(dead.pid).dead)
    try:
        told = {p.pid: p for p in processes._ask_ps()}
        for process in (child, dead):
            known, said = processes._read_stat(process.pid), told[process.pid]
            assert (said.parent, said.group, said.dead) == (known.parent, known.group, known.dead)
        assert abs(told[child.pid].started - time.time()) < LATEST
    finally:
        child.kill()
        child.wait()
        dead.wait()


# ── after a crash ──


@pytest.fixture
def run_id():
    """Of this test alone: processes are looked for on the whole machine, and other tests run beside this one."""
    return f"20261124-101500-{token_hex(8)}"


def orphaned(*kinds, place, run_id, then="time.sleep(60)"):
    """A marked program whose parent has died, as after SIGKILL for gradent."""
    starter = "import subprocess, sys, os; p = subprocess.Popen(sys.argv[1:], start_new_session=True); os._exit(0)"
    environment = {"GRADENT_RUN_ID": run_id, **os.environ, MARK: str(place)}
    starting = subprocess.Popen(
        [sys.executable, "-S", "-c", starter, *program(*kinds, then=then)], env=environment, stdout=subprocess.PIPE
    )
    assert starting.stdout.readline() == b"up\n"
    starting.stdout.close()
    starting.wait(LATEST)


@pytest.mark.parametrize("kind", ["stubborn", "daemon", "stubborn_daemon", "both"])
def test_what_a_vanished_run_left_is_ended(tmp_path, run_id, kind):
    """By the run's id in their environment, whatever they ignore and wherever they went; how many is told."""
    orphaned(kind, place=tmp_path, run_id=run_id)
    before = len(left(tmp_path))
    assert before >= 2
    assert processes.end_run(run_id, SOON) == before
    wait_for(lambda: left(tmp_path) == [])
    assert processes.end_run(run_id, SOON) == 0


def test_only_that_run_is_meant(tmp_path, run_id):
    """Another run's processes stay, also when one id begins like the other or the id stands in another variable."""
    orphaned(place=tmp_path, run_id=f"{run_id}3")
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, "MY_GRADENT_RUN_ID": run_id})
    try:
        assert processes.end_run(run_id, SOON) == 0
        assert len(left(tmp_path)) == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_descendants_with_another_environment_go_too(tmp_path, run_id):
    """`env -i` is a common way to start a daemon."""
    spawn = f"""
import subprocess
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], env={{{MARK!r}: {str(tmp_path)!r}}})
time.sleep(60)
"""
    orphaned(place=tmp_path, run_id=run_id, then=spawn)
    wait_for(lambda: len(left(tmp_path)) == 2)
    assert processes.end_run(run_id, SOON) == 2
    wait_for(lambda: left(tmp_path) == [])


def test_whoever_asks_is_not_ended(run_id):
    """A gradent that the orphan itself started ends the orphan's other children, not itself nor those it comes from."""
    asks = (
        f"from gradent_cli.processes import end_run; import datetime; print(end_run('{run_id}', datetime.timedelta()))"
    )
    script = f'sleep 60 & {sys.executable} -c "{asks}"; echo went on'
    done = subprocess.run(
        ["sh", "-c", script], env={**os.environ, "GRADENT_RUN_ID": run_id}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split("\n")[:2] == ["1", "went on"], done.stderr


def test_looking_for_nobody_takes_one_look():
    """A crashed run that left nobody must not hold the next one up: who is where is asked once, and once more."""
    asks = """
import datetime, sys
from gradent_cli.processes import end_run
looks = []
sys.addaudithook(lambda event, given: looks.append(given) if event == "os.scandir" and given == ("/proc",) else None)
print(end_run("20261124-101500-0000", datetime.timedelta(seconds=30)), len(looks))
"""
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "2"]
