"""What the student wants their plan to look like."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gradent_cli.agents.study.draft import whole_quarters
from gradent_cli.agents.study.free import QUARTER, Week, week

if TYPE_CHECKING:
    from gradent_cli.config import StudySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The keys of the config's `[study]` table that the planner goes by. `hours` comes from `free.week`.

    Lengths count in quarter hours: `session_min` and `break_` are rounded up, `session_max` and `max_per_day` down.
    """

    hours: Week = (((9 * 60, 21 * 60),),) * 7
    session_min: timedelta = timedelta(minutes=30)
    session_max: timedelta = timedelta(hours=2)
    break_: timedelta = timedelta(minutes=15)
    max_per_day: timedelta = timedelta(hours=4)
    due_buffer: timedelta = timedelta(hours=12)
    horizon_days: int = 60
    auto_schedule: bool = True

    @classmethod
    def from_settings(cls, study: "StudySettings") -> "Rules":
        """The rules that the config's `[study]` table asks for."""
        return cls(
            hours=week(study.hours),
            session_min=study.session_min,
            session_max=study.session_max,
            break_=study.break_,
            max_per_day=study.max_per_day,
            due_buffer=study.due_buffer,
            horizon_days=study.horizon_days,
            auto_schedule=study.auto_schedule,
        )

    @property
    def per_day(self) -> int:
        """`max_per_day` in minutes."""
        return quarters_down(self.max_per_day / timedelta(minutes=1))

    @property
    def shortest(self) -> int:
        """`session_min` in minutes, as far as a day can hold it."""
        return max(QUARTER, min(whole_quarters(self.session_min / timedelta(minutes=1)), self.per_day))

    @property
    def longest(self) -> int:
        """`session_max` in minutes, at least `shortest`."""
        return max(quarters_down(self.session_max / timedelta(minutes=1)), self.shortest)

    @property
    def pause(self) -> int:
        """`break_` in minutes."""
        return whole_quarters(self.break_ / timedelta(minutes=1))


def quarters_down(minutes: float) -> int:
    """Rounded down to whole quarter hours."""
    return int(minutes // QUARTER) * QUARTER
