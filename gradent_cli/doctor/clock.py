"""Whether the clock is right, and everybody means the same by a time of day."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from gradent_cli.doctor.check import Check, failed, fine, warning
from gradent_cli.frequency import local_zone
from gradent_cli.schedulers import drift

if TYPE_CHECKING:
    from gradent_cli.history import History

_NO_GRADENT_YET = datetime(2026, 1, 1, tzinfo=UTC)
_LOCALTIME = Path("/etc/localtime")


def clock(past: "History | None", now: datetime, zone: tzinfo) -> Check:
    """Whether it can be as late as this machine says."""
    last = next(iter(past.recent(1)), None) if past is not None else None
    remedy = "set it: sudo timedatectl set-ntp true"
    if now < _NO_GRADENT_YET:
        return failed("clock", f"it says {now:%Y-%m-%d}, before there was a gradent", remedy)
    if last is not None and last.started_at > now + timedelta(minutes=1):
        return warning("clock", f"it was set back: the last run was on {drift.told(last.started_at, zone)}", remedy)
    return fine("clock", drift.told(now, zone))


def time_zone(
    study: str | None,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
    now: datetime,
    localtime: Path = _LOCALTIME,
) -> Check:
    """Whether the person, cron and the plan mean the same by "nine o'clock".

    Args:
        study: `study.timezone`.
        variables: what the crontab sets above the block.
    """
    from zoneinfo import ZoneInfo

    system, shell = local_zone({}, localtime), local_zone(environ, localtime)
    said = name_of(system, now)
    if moved := variables.get("CRON_TZ"):
        return warning(
            "time zone",
            f"CRON_TZ={moved} stands above gradent's block, and some crons then follow it instead of {said}",
            "in `crontab -e`, move that line below gradent's block",
        )
    if not localtime.exists():
        return warning(
            "time zone", f"{localtime} is missing, so cron runs in UTC", "sudo timedatectl set-timezone YOUR/ZONE"
        )
    if _differ(system, shell, now):
        what = f"cron runs in {said}, but TZ of this shell is {environ.get('TZ')}, and gradent tells times in that"
        return warning("time zone", what, "unset TZ, or sudo timedatectl set-timezone YOUR/ZONE")
    if study is not None and _differ(system, ZoneInfo(study), now):
        what = f"the plan is in {study} (study.timezone), but `frequency` and `at` follow cron's {said}"
        return warning("time zone", what, f"sudo timedatectl set-timezone {study}, or count `at` in {said}")
    return fine("time zone", said)


def _differ(one: tzinfo, other: tzinfo, now: datetime) -> bool:
    """Now or half a year later, when the clocks are changed."""
    moments = (now, now + timedelta(days=182))
    return any(moment.astimezone(one).utcoffset() != moment.astimezone(other).utcoffset() for moment in moments)


def name_of(zone: tzinfo, now: datetime) -> str:
    """`Europe/Amsterdam`, or an abbreviation where the zone has no name."""
    return getattr(zone, "key", None) or now.astimezone(zone).tzname() or "UTC"
