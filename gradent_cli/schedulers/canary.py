"""Proof that cron fires: a line that it runs at the next minute, and the answer that the job of that line leaves.

The line stands in a block of its own beside the config's, and is gone when `fire` is over, whatever ends it. One that
a `kill -9` left behind calls a job of no consequence every minute; the next install, uninstall or verify removes it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep, time

from gradent_cli.errors import CrontabError, StateError, UnavailableError
from gradent_cli.schedulers import block, cron

SECONDS = 130.0
"""A daemon that has just woken sees the line a minute later, and fires it another minute later; then it has to work."""
_TRIES = 3


def fire(
    crontab: cron.Crontab,
    config: Path,
    interpreter: Path,
    answer: Path,
    *,
    seconds: float = SECONDS,
    apart: float = 1.0,
    watch: Callable[[float], None] = lambda _: None,
    shield: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> bytes | None:
    """Let cron run `gradent canary ANSWER` once.

    Args:
        answer: the file that the job writes, as a whole; it does not outlive the call.
        apart: the seconds by which the daemon tells two writes apart.
        watch: is told how many seconds have passed, a few times in each.
        shield: holds interruptions back while the crontab is being written.

    Returns:
        what the job wrote; None when there was nothing after `seconds`.

    Raises:
        ConfigError: a path holds what a crontab line cannot.
        CrontabError: as `Crontab.write`; also when the canary could not be removed.
        StateError: the answer cannot be read or removed.
    """
    line = block.job_line("* * * * *", interpreter, config, ("canary", str(answer)))
    _forget(answer)
    _keep_apart(crontab, apart)
    before = crontab.read()
    try:
        with shield():
            crontab.write(before, block.install(cron.without_canary(before, config), block.canary(config), (line,)))
        return _await(answer, seconds, watch)
    finally:
        with shield():
            _keep_apart(crontab, apart)
            _remove(crontab, config)
            _forget(answer)


def _await(answer: Path, seconds: float, watch: Callable[[float], None]) -> bytes | None:
    begun = monotonic()
    while (passed := monotonic() - begun) < seconds:
        try:
            return answer.read_bytes()
        except FileNotFoundError:
            watch(passed)
            sleep(0.2)
        except OSError as error:
            raise StateError(f"cannot read {answer}: {error.strerror}") from error
    return None


def _forget(answer: Path) -> None:
    try:
        answer.unlink(missing_ok=True)
    except OSError as error:
        raise StateError(f"cannot remove {answer}: {error.strerror}") from error


def _remove(crontab: cron.Crontab, config: Path) -> None:
    """Again when somebody edits the crontab just then: a canary must not stay for that."""
    for attempt in range(1, _TRIES + 1):
        try:
            before = crontab.read()
            after = cron.without_canary(before, config)
            if after != before:
                cron.give_back(crontab, before, after)
        except CrontabError as error:
            if attempt == _TRIES:
                raise CrontabError(
                    f"the canary could not be taken out of the crontab: {error.message}",
                    hint="gradent install-cron removes it",
                ) from error
        else:
            return


def _keep_apart(crontab: cron.Crontab, seconds: float) -> None:
    """Wait until gradent's next write falls into another second than its last one.

    Debian's cron knows a changed crontab by its time in whole seconds (`load_database` in
    https://sources.debian.org/src/cron/3.0pl1-162/database.c/). When it wakes between two writes of one second it
    overlooks the later of them until the next change: the canary would never fire, or fire for ever.
    """
    written = crontab.written_at()
    if written is not None and datetime.now(UTC) - written < timedelta(seconds=2 * seconds):
        sleep(seconds - time() % seconds + 0.02)  # the kernel's clock for files is a few milliseconds behind


def not_fired(seconds: float, *, daemon_running: bool | None) -> UnavailableError:
    """What to say when cron did nothing, with the likeliest reason in the hint."""
    if daemon_running is False:
        hint = f"no cron daemon is running: {cron.how_to_start()}"
    else:
        hint = (
            "cron writes what it does, and why not (an expired account, a rule of PAM), to the system's log: "
            "journalctl -t CRON -t crond, or grep -i cron /var/log/syslog"
        )
    return UnavailableError(f"cron did not fire the canary within {seconds:g} seconds; it is removed again", hint=hint)
