"""Feeds and texts as no student should get them: calendars seen in the wild, and what somebody may put into a title.

The calendars are those on which calendar libraries were compared: a doubled parameter, no DTSTAMP, no UID, wrong zones,
lines that are folded with tabs or torn, a mark before the beginning, two calendars in one file.
"""

Lines = list[str]


def calendar(*lines: str, product: str = "-//x//EN") -> bytes:
    """A calendar with these lines in it; its dates are written as {day}."""
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{product}", *lines, "END:VCALENDAR", ""]).encode()


def event(*lines: str) -> Lines:
    return ["BEGIN:VEVENT", "DTSTAMP:20261001T120000Z", *lines, "END:VEVENT"]


def deadline(title: str, *more: str, uid: str = "odd", at: str = "{day}T145900Z") -> Lines:
    return event(f"UID:{uid}", f"DTSTART:{at}", f"SUMMARY:{title}", *more)


_TORONTO = (
    "BEGIN:VTIMEZONE", "TZID:America/Toronto",
    "BEGIN:DAYLIGHT", "TZOFFSETFROM:-0400", "TZOFFSETTO:-0400", "TZNAME:EDT", "DTSTART:20110313T030000",
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU", "END:DAYLIGHT",
    "BEGIN:STANDARD", "TZOFFSETFROM:-0500", "TZOFFSETTO:-0500", "TZNAME:EST", "DTSTART:20101107T010000",
    "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU", "END:STANDARD", "END:VTIMEZONE",
)  # fmt: skip
_CANVAS = event(
    "UID:event-assignment-111", "DTSTART;VALUE=DATE;VALUE=DATE:{day}", "CLASS:PUBLIC",
    "SUMMARY:Odd [MATH 233 (170001) FA26]",
    "URL;VALUE=URI:https://u.instructure.com/calendar?include_contexts=c", " ourse_39039&month=10#assignment_111",
    "X-ALT-DESC;FMTTYPE=text/html:<p>hi</p>",
)  # fmt: skip
_MOODLE = [
    "BEGIN:VEVENT", "UID:448659@m", "SUMMARY:Odd and long, which Moodle folds", "\t over two lines",
    "DTSTAMP:20261001T000000Z", "DTSTART:{day}T145900Z", "DTEND:{day}T145900Z", "CATEGORIES:ENG101", "END:VEVENT",
]  # fmt: skip
_GOOD = deadline("Odd", uid="good")

WORKING: dict[str, bytes] = {
    "doubled parameter": calendar(*_CANVAS),
    "no DTSTAMP": calendar("BEGIN:VEVENT", "UID:a", "DTSTART:{day}T215900Z", "SUMMARY:Odd", "END:VEVENT"),
    "no UID": calendar(*event("DTSTART:{day}T215900Z", "SUMMARY:Odd")),
    "a shipped zone that is wrong": calendar(
        *_TORONTO,
        *deadline("Odd - Due", "DTEND;TZID=America/Toronto:{day}T235900", "LOCATION:Fall 2026 CHEM 1010"),
        product="-//D2L//NONSGML v1.0//EN",
    ),
    "folded with a tab": calendar(*_MOODLE),
    "a zone of Windows": calendar(*event("UID:w", "DTSTART;TZID=Eastern Standard Time:{day}T090000", "SUMMARY:Odd")),
    "a zone that is a sentence": calendar(
        *event("UID:w", 'DTSTART;TZID="(UTC-05:00) Eastern Time (US & Canada)":{day}T090000', "SUMMARY:Odd")
    ),
    "a zone that does not exist": calendar(*event("UID:w", "DTSTART;TZID=Mars/Olympus:{day}T090000", "SUMMARY:Odd")),
    "one date that is none": calendar(*event("UID:b", "DTSTART:notadate", "SUMMARY:bad"), *_GOOD),
    "ends before it starts": calendar(*deadline("Odd", "DTEND:{day}T135900Z")),
    "ends the day it starts": calendar(
        *event("UID:b", "DTSTART;VALUE=DATE:{day}", "DTEND;VALUE=DATE:{day}", "SUMMARY:Odd")
    ),
    "a torn line": calendar(*deadline("Odd", "DESCRIPTION:line one", "line two without fold")),
    "a mark before it": b"\xef\xbb\xbf" + calendar(*_GOOD),
    "two calendars": calendar(*_GOOD) + calendar(*_MOODLE),
    "never ends": calendar(*deadline("Odd", "RRULE:FREQ=DAILY")),
    "every second": calendar(*deadline("Odd", "RRULE:FREQ=SECONDLY")),
    "every second of every day": calendar(
        *deadline(
            "Odd", "RRULE:FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYHOUR=0,1,2,3;BYMINUTE=0,1;BYSECOND=0,1,2"
        )
    ),
    "no such position": calendar(*deadline("Odd", "RRULE:FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0,400,-999")),
    "a thousand million times": calendar(*deadline("Odd", "RRULE:FREQ=DAILY;COUNT=999999999")),
    "a day that never comes": calendar(*deadline("Odd", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31")),
    "every zeroth day": calendar(*deadline("Odd", "RRULE:FREQ=DAILY;INTERVAL=0")),
    "no rule at all": calendar(*deadline("Odd", "RRULE:as often as you like", "RDATE:never", "EXDATE:;;;")),
    "over before it begins": calendar(*deadline("Odd", "RRULE:FREQ=DAILY;UNTIL=19700101T000000Z"), *_GOOD),
    "1970": calendar(*deadline("Old", at="19700101T000000Z", uid="old"), *_GOOD),
    "year 1": calendar(*deadline("Old", at="00010101T000000", uid="old"), *_GOOD),
    "year 0": calendar(*deadline("Old", at="00000101T000000Z", uid="old"), *_GOOD),
    "year 9999": calendar(*deadline("Odd", at="99991231T235959Z")),
    "the 45th": calendar(*deadline("None", at="20261345T256199Z", uid="none"), *_GOOD),
    "a NUL": calendar(*deadline("Odd\0 one", "DESCRIPTION:\0\0")),
    "bytes that are no text": calendar(*_GOOD).replace(b"Odd", b"Odd \xff\xfe \xed\xa0\x80 \xc3"),
    "numbers that are none": calendar(
        *deadline("Odd", "SEQUENCE:999999999999999999999", "DURATION:P99999999D", "PRIORITY:NaN", "LAST-MODIFIED:x"),
    ),
    "points without end": calendar(*deadline("Odd", "DESCRIPTION:Points: " + "9" * 400 + "\\nworth 9999 points")),
    "twice the same": calendar(*deadline("Odd"), *deadline("Odd")),
    "nests itself": calendar("BEGIN:VEVENT", *["BEGIN:VALARM"] * 500, *_GOOD),
}
"""What is read in spite of it: an assignment whose title begins with "Odd" comes out."""

BROKEN: dict[str, tuple[bytes, str]] = {
    "a login page": (b"<html><body>Sign in</body></html>", "it is an HTML page instead of a calendar"),
    "nothing": (b"", "the server's answer is empty"),
    "blanks": (b" \r\n\t\r\n", "the server's answer is empty"),
    "cut half way": (calendar(*_GOOD)[:90], "it stops half way"),
    "JSON": (b'{"error": "not found"}', "it is not a calendar"),
    "a NUL": (b"\0" * 100, "it is not a calendar"),
    "a refusal of Moodle": (b"Invalid authentication", "Moodle no longer accepts the link"),
    "an archive": (b"PK\x03\x04" + bytes(range(256)) * 10, "it is not a calendar"),
}
"""What cannot be read, and why in words."""

TITLES = (
    "two\\nlines\\r\\nBEGIN:VEVENT\\nUID:injected\\nEND:VEVENT",
    "right \u202eot left\u202c \u2066x\u2069 \u200f\u061c",
    "zero\u200bwidth\ufeff\u2060",
    "\u200b\u2060\ufeff",
    "\x1b[5;41mcolour\x1b[0m \x1b]8;;https://bad.example\x1b\\\\link\x1b]8;;\x1b\\\\ \x1b]52;c;ZXZpbA==\x07 \x9b2J",
    "@everyone @here <@876543210987654321> <@&1>",
    "<script>alert(1)</script><img src=x onerror=alert(1)> &amp; &lt;b&gt;",
    "[click me](https://bad.example) **bold** ||spoiler|| `code` ~~gone~~ # head",
    "long " * 2000,
    "🧨🪐🏳️\u200d🌈👩\u200d👩\u200d👧\u200d👦",
    "z" + "\u0301\u0489" * 3000,
    "%s %n {0} {day} ${HOME} $(reboot) `reboot` ; rm -rf /",
    "'; DROP TABLE assignments; --",
    "\\;escaped\\, and \\\\ not \\x",
    "\u2028line\u2029separators\x0b\x0c\x85",
    "",
    "   ",
)
"""SUMMARY values; each has to come out as one harmless line."""
