"""Make the files that `make run` plans from, with dates that lie ahead.

Writes into `made/` beside this script: `canvas.ics`, a feed as Canvas gives it to a student; `calendar.ics`, the
student's own calendar; `assignments.toml`, a list kept by hand. Needs nothing but Python.

A quiz is due the day after tomorrow and a form was due yesterday; the rest counts from the Monday after today. The
files stay as they are until the day before the quiz, so that running again the same day changes nothing.
"""

import argparse
import re
from datetime import UTC, date, datetime, time, timedelta
from html import escape
from pathlib import Path
from zoneinfo import ZoneInfo

MADE = Path(__file__).resolve().parent / "made"
ZONE = ZoneInfo("Europe/Amsterdam")
NIGHT = time(23, 59)

MATH, HISTORY, COMPUTING = "MATH 201", "HIST 110", "CS 240"

# id, title, course, days after Monday, time (None: the day counts), points, description in paragraphs
ASSIGNMENTS: list[tuple[int, str, str, int, time | None, int, list[str]]] = [
    (4101, "Problem Set 7: Eigenvalues", MATH, 2, NIGHT, 20, ["Exercises 1 to 8 of chapter 5.", "Show your work."]),
    (4201, "Reading response: The printing press", HISTORY, 3, None, 5, ["One page on chapter 4 of the reader."]),
    (4301, "Lab 5: Hash tables", COMPUTING, 4, NIGHT, 25, ["Push your code & tests, then fill in the lab sheet."]),
    (4102, "Problem Set 8: Diagonalisation", MATH, 9, NIGHT, 20, ["Exercises 1 to 6 of chapter 6."]),
    (
        4202,
        "Essay 2: Draft",
        HISTORY,
        11,
        time(17, 0),
        10,
        ["A first version of about 1,200 words, with three sources."],
    ),
    (4103, "Midterm 2", MATH, 15, time(14, 0), 100, ["Chapters 4 to 6. One sheet of notes is allowed."]),
    (4302, "Group project: Search engine", COMPUTING, 18, NIGHT, 120, ["Code, a report of 6 pages and a short demo."]),
    (4203, "Essay 2: Final version", HISTORY, 25, NIGHT, 40, ["2,000 words; answer the comments on your draft."]),
]
QUIZ = (4303, "Quiz 4: Recursion", COMPUTING, 2, time(12, 0), 10, ["Ten questions on chapters 6 and 7."])
"""Counts from today, so that there is something that presses."""

EXTENDED = {4302: ("1 student", 3), 4203: ("Section 2", 2)}
"""Assignments with another due date for this student: for whom, and days more. Canvas gives these another UID."""

VTIMEZONE = """\
BEGIN:VTIMEZONE
TZID:Europe/Amsterdam
BEGIN:DAYLIGHT
DTSTART:19810329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19961027T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE""".splitlines()

# title, days after Monday, from, to, weekdays on which it repeats
WEEKLY: list[tuple[str, int, time, time, str]] = [
    ("Lecture Linear Algebra", 0, time(10, 0), time(12, 0), "MO,WE"),
    ("Lecture Modern History", 1, time(13, 0), time(15, 0), "TU"),
    ("Lecture Algorithms", 3, time(9, 0), time(11, 0), "TH"),
    ("Lab Algorithms", 4, time(13, 0), time(16, 0), "FR"),
    ("Work at the library", 5, time(10, 0), time(15, 0), "SA"),
    ("Volleyball", 2, time(19, 30), time(21, 30), "WE"),
]


def canvas(today: date, monday: date) -> bytes:
    """The feed behind Canvas's "Calendar Feed" link."""
    lines = []
    for start, (id, title, course, days, at, points, paragraphs) in [
        (today, QUIZ),
        *((monday, assignment) for assignment in ASSIGNMENTS),
    ]:
        whom, more = EXTENDED.get(id, ("", 0))
        day = start + timedelta(days=days + more)
        course_page = f"https://canvas.example.edu/calendar?include_contexts=course_{id // 100}"
        link = f"{course_page}&month={day:%m}&year={day:%Y}#assignment_{id}"
        html = "".join(f"<p>{escape(text)}</p>" for text in [*paragraphs, f"Points: {points}"])
        lines += [
            "BEGIN:VEVENT",
            f"DTSTAMP:{monday:%Y%m%d}T000000Z",
            f"UID:event-assignment-override-{id + 5000}" if whom else f"UID:event-assignment-{id}",
            # The doubled parameter is Canvas's own.
            f"DTSTART:{utc(day, at)}" if at else f"DTSTART;VALUE=DATE;VALUE=DATE:{day:%Y%m%d}",
            "CLASS:PUBLIC",
            f"DESCRIPTION:{text_value(chr(10).join([*paragraphs, f'Points: {points}']))}",
            "SEQUENCE:0",
            f"SUMMARY:{text_value(f'{title} ({whom})' if whom else title)} [{course}]",
            f"URL;VALUE=URI:{link}",
            f"X-ALT-DESC;FMTTYPE=text/html:{text_value(html)}",
            "END:VEVENT",
        ]
    lines += [
        "BEGIN:VEVENT",
        f"DTSTAMP:{monday:%Y%m%d}T000000Z",
        "UID:event-calendar-event-77",
        f"DTSTART:{utc(monday + timedelta(days=2), time(15, 0))}",
        f"DTEND:{utc(monday + timedelta(days=2), time(16, 0))}",
        f"SUMMARY:Office hours [{MATH}]",
        "END:VEVENT",
    ]
    return calendar_file("icalendar-ruby", lines)


def own_calendar(monday: date) -> bytes:
    """Lectures, a job and a sport every week; a birthday and a reminder, which leave the time free."""
    lines = [*VTIMEZONE]
    for title, days, begin, end, weekdays in WEEKLY:
        first = monday + timedelta(days=days, weeks=-8)
        lines += [
            "BEGIN:VEVENT",
            f"DTSTAMP:{monday:%Y%m%d}T000000Z",
            f"UID:{title.lower().replace(' ', '-')}@example.org",
            f"DTSTART;TZID=Europe/Amsterdam:{first:%Y%m%d}T{begin:%H%M%S}",
            f"DTEND;TZID=Europe/Amsterdam:{first:%Y%m%d}T{end:%H%M%S}",
            f"RRULE:FREQ=WEEKLY;BYDAY={weekdays}",
            f"SUMMARY:{title}",
            "END:VEVENT",
        ]
    birthday, evening = monday + timedelta(days=2), monday + timedelta(days=3)
    lines += [
        "BEGIN:VEVENT",
        f"DTSTAMP:{monday:%Y%m%d}T000000Z",
        "UID:birthday@example.org",
        f"DTSTART;VALUE=DATE:{birthday:%Y%m%d}",
        f"DTEND;VALUE=DATE:{birthday + timedelta(days=1):%Y%m%d}",
        "SUMMARY:Sam's birthday",
        "END:VEVENT",
        "BEGIN:VEVENT",
        f"DTSTAMP:{monday:%Y%m%d}T000000Z",
        "UID:concert@example.org",
        f"DTSTART;TZID=Europe/Amsterdam:{evening:%Y%m%d}T200000",
        f"DTEND;TZID=Europe/Amsterdam:{evening:%Y%m%d}T220000",
        "TRANSP:TRANSPARENT",
        "SUMMARY:Concert on the radio",
        "END:VEVENT",
    ]
    return calendar_file("-//example.org//Calendar//EN", lines)


def by_hand(today: date, monday: date) -> bytes:
    """What no learning platform knows."""
    return f"""\
# Assignments that no feed knows. Only the title has to be there; a date alone means 23:59 on that day.

[[assignment]]
title = "Hand in the lab safety form"
course = "{COMPUTING}"
due = {today - timedelta(days=1)}
effort_hours = 0.5

[[assignment]]
id = "presentation"
title = "Presentation with Noor"
course = "{HISTORY}"
due = {monday + timedelta(days=8)} 11:00:00
effort_hours = 5
notes = "Ten minutes each, slides in the shared folder"

[[assignment]]
title = "Apply for the exchange term"
due = {monday + timedelta(days=13)}
effort_hours = 3
url = "https://exchange.example.edu/apply"

[[assignment]]
title = "Return library books"
due = {monday + timedelta(days=4)}
effort_hours = 0.5
done = true
""".encode()


def utc(day: date, at: time) -> str:
    return f"{datetime.combine(day, at, tzinfo=ZONE).astimezone(UTC):%Y%m%dT%H%M%SZ}"


def text_value(text: str) -> str:
    """TEXT as RFC 5545, 3.3.11 wants it."""
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def calendar_file(product: str, lines: list[str]) -> bytes:
    """A VCALENDAR with its lines folded after 75 octets (RFC 5545, 3.1)."""
    whole = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{product}", *lines, "END:VCALENDAR"]
    return b"".join(b"\r\n ".join(pieces(line.encode())) + b"\r\n" for line in whole)


def pieces(line: bytes) -> list[bytes]:
    return [line[:75], *(line[at : at + 74] for at in range(75, len(line), 74))]


def still_good(today: date) -> bool:
    """Whether all files are there and the first due date of the feed is not before tomorrow."""
    files = [MADE / name for name in ("canvas.ics", "calendar.ics", "assignments.toml")]
    if not all(file.is_file() for file in files):
        return False
    due = re.findall(r"^DTSTART[^:]*:([0-9]{8})", files[0].read_text(encoding="utf-8"), re.MULTILINE)
    earliest = min(due, default="00010101")
    return date.fromisoformat(earliest) > today


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--today", type=date.fromisoformat, default=None, metavar="YYYY-MM-DD")
    today = parser.parse_args().today or datetime.now(ZONE).date()
    if still_good(today):
        return
    monday = today + timedelta(days=7 - today.weekday())
    MADE.mkdir(exist_ok=True)
    for name, content in {
        "canvas.ics": canvas(today, monday),
        "calendar.ics": own_calendar(monday),
        "assignments.toml": by_hand(today, monday),
    }.items():
        (MADE / name).write_bytes(content)
    print("Wrote examples/made/: canvas.ics, calendar.ics, assignments.toml")


if __name__ == "__main__":
    main()
