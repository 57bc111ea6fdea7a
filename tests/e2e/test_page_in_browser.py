"""The page of the plan in a real browser: wide and narrow, light and dark, with titles that want to be more than text.

One start of Chromium loads a harness whose frames show the page at different widths; its script measures them.
"""

import json
import re
import subprocess
from datetime import datetime, timedelta
from html import unescape
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from gradent_cli.agents.study.records import Assignment, Shortfall
from gradent_cli.cli import page
from tests.e2e.conftest import need
from tests.street.clock import NOW
from tests.street.server import Answer, serving
from tests.test_agenda import AMSTERDAM, collected, session
from tests.test_page import assessed

pytestmark = pytest.mark.e2e

CHROMIUM = Path("/usr/bin/chromium")
WIDTHS = {"phone": 360, "tablet": 768, "screen": 1280, "dark_phone": 360, "dark": 1280, "control": 800}
CONTROL = """<!DOCTYPE html><body style="background: #fff"><p style="color: #999">pale</p><img src="/seen" alt="">
<div style="width: 2000px">wide</div><script>console.error("control")</script>"""
HARNESS = """<!DOCTYPE html><link rel="icon" href="data:,"><body>%s<pre id="found"></pre><script>
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
function light(layers) {  // relative luminance (WCAG 2.2) of colours painted over each other
  canvas.fillStyle = "#fff";
  canvas.fillRect(0, 0, 1, 1);
  for (const colour of layers) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
  const part = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map(value => part(value / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
function contrast(element, view) {
  const grounds = [];
  const style = each => view.getComputedStyle(each);
  for (let each = element; each; each = each.parentElement) grounds.unshift(style(each).backgroundColor);
  const [dark, bright] = [light(grounds), light([...grounds, style(element).color])].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}
function box(element) {
  const {left, top, right, bottom} = element.getBoundingClientRect();
  return {left, top, right, bottom};
}
function measure(frame) {
  const view = frame.contentWindow, page = frame.contentDocument, root = page.documentElement;
  const texts = [...page.body.querySelectorAll("*")].filter(each => each.checkVisibility() && each.tagName != "SCRIPT"
    && [...each.childNodes].some(node => node.nodeType == 3 && node.data.trim()));
  return {
    asked: view.innerWidth, wide: root.scrollWidth, tall: root.scrollHeight, scripts: page.scripts.length,
    texts: texts.map(each => ({text: each.textContent.trim().slice(0, 60), contrast: contrast(each, view),
                               right: each.getBoundingClientRect().right})),
    weeks: [...page.querySelectorAll(".week")].map(week => ({
      first: week.querySelector(".axis span")?.textContent,
      hour: parseFloat(view.getComputedStyle(week.querySelector(".grid")).getPropertyValue("--hour")),
      days: [...week.querySelectorAll(".day")].map(day => ({
        shown: day.querySelector(".head").checkVisibility(), day: day.querySelector("time").dateTime,
        head: box(day.querySelector(".head")), body: box(day.querySelector(".body")),
        due: [...day.querySelectorAll(".dues li")].map(box),
        blocks: [...day.querySelectorAll(".block")].map(each => ({...box(each), at: each.querySelector("time").dateTime,
          style: each.getAttribute("style"), shown: each.checkVisibility(), text: each.innerText,
          cut: each.scrollHeight > each.clientHeight + 1})),
      })),
    })),
  };
}
window.onload = () => {
  const found = Object.fromEntries([...document.querySelectorAll("iframe")].map(each => [each.id, measure(each)]));
  document.getElementById("found").textContent = JSON.stringify(found);
};
</script>"""


def the_page(url):
    """Two weeks with everything that is hard to draw; titles that ask `url` for things if they get out."""
    titles = [
        f'<img src="{url}/planted">',
        f"<script src={url}/planted></script>",
        "W" * 10_000,
        "מטלה באלגברה",
        "線形代数",
    ]
    works = [
        Assignment(
            source="s", key=str(n), title=title, course=f"Course {n}" if n % 7 else None,
            due_at=NOW + timedelta(days=1 + n, hours=n), url="https://canvas.example/1", done=False,
        )
        for n, title in enumerate([*titles, *(f"Essay {n}" for n in range(6))])
    ]  # fmt: skip
    late = Assignment(source="s", key="late", title=titles[0], due_at=NOW - timedelta(days=1), done=False)
    sessions = [session(each, 24 * n + n % 5, 0.5 + n % 3, title=each.title[:80]) for n, each in enumerate(works)]
    sessions += [session(works[n], 30, 1 + n, pinned=True, ordinal=90 + n, title=works[n].title[:80]) for n in range(3)]
    sessions += [session(works[6], 38, 3.75, ordinal=80), session(works[7], 54, 0.25, ordinal=81)]
    short = tuple(Shortfall(assignment_id=each.id, minutes=90, remedy=titles[1]) for each in works[:3])
    found = collected(
        *sessions, assignments=(*works, late), short=short, zone=AMSTERDAM, now=NOW + timedelta(minutes=9)
    )
    found = type(found)(
        **{name: getattr(found, name) for name in found.__slots__} | {"work": tuple(assessed(each) for each in works)}
    )
    return page.html(found, over=[session(works[8], -1, 1, ordinal=70)], nothing="")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the browser found in each frame, what it complained of, and what it asked for."""
    need(CHROMIUM.exists(), "no Chromium at /usr/bin/chromium")
    home = tmp_path_factory.mktemp("chromium")
    with serving() as server:
        plain = the_page(server.url)
        dark = plain.replace("@media (prefers-color-scheme: dark)", "@media all")
        assert dark != plain
        frames = "".join(
            f'<iframe id="{name}" src="/{name}" width="{width}" height="900" style="border: 0"></iframe>'
            for name, width in WIDTHS.items()
        )
        pages = {"/": HARNESS % frames, "/control": CONTROL}
        pages |= {f"/{name}": dark if "dark" in name else plain for name in WIDTHS if name != "control"}

        def answer(request):
            known = pages.get(request.path)
            return Answer(200 if known else 404, (known or "").encode(), {"Content-Type": "text/html; charset=utf-8"})

        server.answer = answer
        done = subprocess.run(
            [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--enable-logging=stderr",
                f"--user-data-dir={home}", "--window-size=1400,1000", "--dump-dom", f"{server.url}/",
            ],
            capture_output=True, text=True, check=True, timeout=120, env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        asked = [request.path for request in server.requests]
    answer_text = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    assert answer_text, done.stderr[-2000:]
    assert answer_text[1], done.stderr[-2000:]
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(unescape(answer_text[1])), said, asked


def days(frame):
    return [(week, day) for week in frame["weeks"] for day in week["days"]]


def all_blocks(frame):
    return [(week, day, block) for week, day in days(frame) for block in day["blocks"]]


FRAMES = [name for name in WIDTHS if name != "control"]
COLUMNS = ["tablet", "screen", "dark"]
LISTS = ["phone", "dark_phone"]


def test_the_measuring_sees_what_is_wrong(seen):
    """A page with pale text, too wide, with a picture and a script, is found out: the claims below can fail."""
    found, said, asked = seen
    control = found["control"]
    assert control["wide"] > control["asked"]
    assert {text["text"]: text["contrast"] < 4.5 for text in control["texts"]} == {"pale": True, "wide": False}
    assert control["scripts"] == 1
    assert "/seen" in asked
    assert any("control" in line for line in said)


def test_the_page_asks_for_nothing_and_the_browser_complains_of_nothing(seen):
    """No planted address is fetched, no script runs, and the policy has nothing to forbid."""
    found, said, asked = seen
    assert sorted(asked) == sorted(["/", "/seen", *(f"/{name}" for name in WIDTHS)])
    assert [line for line in said if "control" not in line] == []
    assert [found[name]["scripts"] for name in FRAMES] == [0] * len(FRAMES)


@pytest.mark.parametrize("name", FRAMES)
def test_nothing_scrolls_sideways(seen, name):
    """At any width, whatever the titles are: no page is wider than its window, no text ends outside."""
    frame = seen[0][name]
    assert frame["asked"] in (WIDTHS[name], WIDTHS[name] - 15)  # without the scroll bar
    assert frame["wide"] <= frame["asked"]
    assert [text for text in frame["texts"] if text["right"] > frame["asked"] + 1] == []


@pytest.mark.parametrize("name", FRAMES)
def test_every_text_can_be_read(seen, name):
    """4.5 to 1 and better (WCAG 2.2, 1.4.3), every colour of every course."""
    pale = {text["text"]: round(text["contrast"], 2) for text in seen[0][name]["texts"] if text["contrast"] < 4.5}
    assert pale == {}
    assert len(seen[0][name]["texts"]) > 100


@pytest.mark.parametrize("name", COLUMNS)
def test_sessions_stand_in_the_column_of_their_day_at_their_time(seen, name):
    """As far from the top as their time says, as high as they are long, inside their day, none over another."""
    blocks = all_blocks(seen[0][name])
    assert len(blocks) == 17
    for week, day, block in blocks:
        hour, first = week["hour"], int(week["first"][:2])
        at = datetime.fromisoformat(block["at"])
        hours = at.hour + at.minute / 60 - first
        length = float(re.search(r"--length:([\d.]+)", block["style"])[1])
        assert block["shown"]
        assert day["day"] == f"{at:%Y-%m-%d}"
        assert block["top"] - day["body"]["top"] == pytest.approx(hours * hour + 1, abs=1)
        assert block["bottom"] - block["top"] == pytest.approx(max(14, length * hour - 2), abs=1)
        assert day["body"]["left"] <= block["left"] < block["right"] <= day["body"]["right"]
        assert block["bottom"] <= day["body"]["bottom"] + 1
        assert block["right"] - block["left"] > 15
    for _, day in days(seen[0][name]):
        for one, other in combinations(day["blocks"], 2):
            assert one["bottom"] <= other["top"] or other["bottom"] <= one["top"] or (
                one["right"] <= other["left"] or other["right"] <= one["left"]
            )  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_days_are_columns_of_one_height(seen, name):
    """Seven side by side; heads above due dates, due dates above sessions."""
    for week in seen[0][name]["weeks"]:
        assert len({round(day["body"]["top"]) for day in week["days"]}) == 1
        for before, after in pairwise(week["days"]):
            assert before["body"]["right"] == pytest.approx(after["body"]["left"], abs=1)
        for day in week["days"]:
            assert day["shown"]
            assert day["head"]["left"] == pytest.approx(day["body"]["left"], abs=1)
            for due in day["due"]:
                assert day["head"]["bottom"] - 1 <= due["top"] < due["bottom"] <= day["body"]["top"] + 1
                assert day["body"]["left"] <= due["left"] < due["right"] <= day["body"]["right"] + 1
    assert sum(len(day["due"]) for _, day in days(seen[0][name])) == 11


@pytest.mark.parametrize("name", LISTS)
def test_on_a_phone_days_are_a_list(seen, name):
    """Day under day, session under session, each over the full width and shown whole; empty days are left out."""
    frame = seen[0][name]
    shown = [day for _, day in days(frame) if day["shown"]]
    assert [day for _, day in days(frame) if day["blocks"] and not day["shown"]] == []
    assert 0 < len(shown) < len(days(frame))
    tops = [block["top"] for _, _, block in all_blocks(frame)]
    assert tops == sorted(tops)
    assert len(tops) == 17
    for _, _, block in all_blocks(frame):
        assert block["shown"]
        assert not block["cut"]
        assert block["right"] - block["left"] > 250
        assert block["bottom"] - block["top"] >= 24
    for one, other in pairwise([block for _, _, block in all_blocks(frame)]):
        assert one["bottom"] <= other["top"]


def test_titles_are_shown_as_they_are(seen):
    """Markup as text, other scripts as they are written."""
    texts = " ".join(block["text"] for _, _, block in all_blocks(seen[0]["phone"]))
    for title in ("<img src=", "<script src=http", "מטלה באלגברה", "線形代数", "WWWW"):
        assert title in texts
