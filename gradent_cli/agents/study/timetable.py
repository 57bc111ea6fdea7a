"""Days with what is still free on them: pure, in minutes on the quarter hour as in `free`."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from gradent_cli.agents.study.free import Day, Span, without


class Timetable:
    """Days with what is free on them; every change keeps breaks and the daily limit.

    Args:
        days: free time, from `free.days`.
        per_day: minutes of study that one day may hold.
        pause: minutes that stay free between two sessions.
    """

    def __init__(self, days: Sequence[Day], *, per_day: int, pause: int) -> None:
        self.starts = [day.starts for day in days]
        self.pause = pause
        self._free = [day.free for day in days]
        self._per_day = per_day
        self._open: list[Sequence[Span]] = list(self._free)
        self._held: list[tuple[Span, ...]] = [()] * len(days)
        """By the days that they touch with their breaks."""
        self.load = [0] * len(days)
        self.room = [min(per_day, longest(day.free)) for day in days]
        """The longest session that each day can take."""

    def copy(self) -> "Timetable":
        """Another one that says the same."""
        other = object.__new__(Timetable)
        other.starts, other.pause, other._free, other._per_day = self.starts, self.pause, self._free, self._per_day
        other._open, other._held = self._open.copy(), self._held.copy()
        other.load, other.room = self.load.copy(), self.room.copy()
        return other

    def day_of(self, minute: int) -> int:
        """The index of the day that `minute` belongs to; the first one's for what was before it."""
        return max(0, bisect_right(self.starts, minute) - 1)

    def rest(self, day: int) -> int:
        """What the daily limit leaves; below zero when the student pinned more than that."""
        return self._per_day - self.load[day]

    def open(self, day: int) -> Sequence[Span]:
        """Where the day has neither a session nor a break, within its limit or not."""
        return self._open[day]

    def room_until(self, day: int, until: int) -> int:
        """The longest session that the day can take before `until`."""
        return min(self.rest(day), longest((a, min(b, until)) for a, b in self._open[day]))

    def fits(self, span: Span) -> bool:
        """Whether a session can be held there."""
        day = self.day_of(span[0])
        return span[1] - span[0] <= self.rest(day) and any(a <= span[0] and span[1] <= b for a, b in self._open[day])

    def first_fit(self, day: int, minutes: int, until: int) -> Span:
        """The earliest place for a session of this length; there must be one."""
        return next((a, a + minutes) for a, b in self._open[day] if a + minutes <= min(b, until))

    def hold(self, span: Span) -> None:
        """Take the time out, and the breaks around it."""
        self.load[self.day_of(span[0])] += span[1] - span[0]
        for day in self._touched(span):
            self._held[day] = (*self._held[day], span)
            self._open[day] = without(self._open[day], span[0] - self.pause, span[1] + self.pause)
            self.room[day] = min(self.rest(day), longest(self._open[day]))

    def release(self, spans: Sequence[Span]) -> None:
        """Give their time back."""
        touched: dict[int, list[Span]] = {}
        for span in spans:
            self.load[self.day_of(span[0])] -= span[1] - span[0]
            for day in self._touched(span):
                touched.setdefault(day, list(self._held[day])).remove(span)
        for day, held in touched.items():
            self._held[day] = tuple(held)
            left: Sequence[Span] = self._free[day]
            for begin, end in held:
                left = without(left, begin - self.pause, end + self.pause)
            self._open[day] = left
            self.room[day] = min(self.rest(day), longest(left))

    def _touched(self, span: Span) -> range:
        """The days in which the session or a break around it lies: both reach over midnight."""
        return range(self.day_of(span[0] - self.pause), self.day_of(span[1] + self.pause) + 1)


def longest(spans: Iterable[Span]) -> int:
    """The length of the longest one; 0 without any."""
    return max((b - a for a, b in spans), default=0)
