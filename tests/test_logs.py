import stat

from gradent_cli.logs import Log
from gradent_cli.text import Redactor


def test_every_line_has_time_and_run(tmp_path):
    """A text of several lines can be found by its run in each of them."""
    log = Log(tmp_path / "gradent.log", Redactor([]))
    log.write("run-1", "one\ntwo")
    lines = (tmp_path / "gradent.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["run-1 one", "run-1 two"]
    assert all(line[:2] == "20" and line.split()[0].endswith("Z") for line in lines)
    assert stat.S_IMODE((tmp_path / "gradent.log").stat().st_mode) == 0o600


def test_secrets_and_escapes_stay_out(tmp_path):
    """Whatever is logged, a secret is three stars and a terminal is left alone."""
    log = Log(tmp_path / "gradent.log", Redactor(["tk_planted"]))
    log.write("run-1", "token tk_planted \x1b[31mred\x1b[0m\x07")
    text = (tmp_path / "gradent.log").read_text()
    assert text.endswith("token *** red\n")


def test_an_escape_does_not_hide_a_secret(tmp_path):
    """What a reader would see as the secret is taken out, whatever stands between its letters."""
    log = Log(tmp_path / "gradent.log", Redactor(["tk_planted"]))
    log.write("run-1", "token tk_\x1b[0mplan\x00ted")
    assert (tmp_path / "gradent.log").read_text().endswith("token ***\n")


def test_a_full_log_moves_aside_once(tmp_path):
    """At most two files, each within the limit."""
    log = Log(tmp_path / "gradent.log", Redactor([]), max_bytes=500)
    for number in range(50):
        log.write("run-1", f"line {number}")
    assert sorted(path.name for path in tmp_path.glob("gradent*")) == ["gradent.log", "gradent.log.1"]
    assert all(path.stat().st_size <= 500 for path in tmp_path.glob("gradent*"))
    assert "line 49" in (tmp_path / "gradent.log").read_text()


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    """A missing folder loses the line, not the run."""
    Log(tmp_path / "no" / "gradent.log", Redactor([])).write("run-1", "lost")
