"""`plan` and `assignments` on what a run has saved."""

import json

import pytest

ESSAY = '[[assignment]]\ntitle = "Essay 1"\ndue = 2099-12-01\neffort_hours = 2\n'
QUIZ = '[[assignment]]\ntitle = "Quiz 3"\ndue = 2099-12-02\neffort_hours = 2\n'


@pytest.fixture
def config(home):
    """Writes the default config with these TOML lists as its sources."""
    path = home / ".config/gradent/config.toml"
    path.parent.mkdir(parents=True)
    (home / "list.toml").write_text(ESSAY)
    (home / "more.toml").write_text(QUIZ)

    def write(*names):
        path.write_text("".join(f'[[study.sources]]\nkind = "toml"\npath = "~/{name}.toml"\n' for name in names))
        path.chmod(0o600)

    return write


def shown(gradent):
    """The assignments and the page of the plan, as one text each."""
    titles = [each["title"] for each in json.loads(gradent("assignments", "--json").out)]
    return titles, gradent("plan").out


def test_a_source_that_was_taken_out_is_shown_no_more(gradent, config):
    """Neither before the next run nor after it; put back, it is there again."""
    config("list", "more")
    assert gradent("run").code == 0
    titles, agenda = shown(gradent)
    assert titles == ["Essay 1", "Quiz 3"]
    assert "Quiz 3" in agenda
    config("list")
    for _ in range(2):
        titles, agenda = shown(gradent)
        assert titles == ["Essay 1"]
        assert "Essay 1" in agenda
        assert "Quiz 3" not in agenda
        assert gradent("run").code == 0
    config("list", "more")
    assert shown(gradent)[0] == ["Essay 1", "Quiz 3"]


def test_an_entry_that_was_deleted_is_shown_no_more(gradent, config, home):
    """A list kept by hand holds all that there is to do."""
    config("list")
    gradent("run")
    (home / "list.toml").write_text(QUIZ)
    assert gradent("run").code == 0
    titles, agenda = shown(gradent)
    assert titles == ["Quiz 3"]
    assert "Essay 1" not in agenda
