"""How a person names an assignment, and how one is named to them in short."""

import unicodedata
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from gradent_cli.agents.study import words
from gradent_cli.agents.study.records import Assignment
from gradent_cli.errors import UsageError
from gradent_cli.text import one_line

_PREFIX = 3
_HANDLE = 4
_NAMED = 5


class Names:
    """What assignments are called, ready to be asked more than once; `by_id` has the assignments themselves."""

    def __init__(self, assignments: Iterable[Assignment]) -> None:
        self.by_id = {each.id: each for each in assignments}
        self._names = [
            (each, _folded(each.title), _folded(f"{each.course or ''} {each.title}")) for each in self.by_id.values()
        ]

    def find(self, text: str, *, rather: Collection[str] = ()) -> Assignment:
        """The one assignment that a person means: by its id or the beginning of one, its title or a part of that.

        A title may have its course before it; case and width of letters do not matter. A whole title wins over a part
        of one, and that over a part of a course.

        Args:
            rather: the ids of those that are meant where others would do as well.

        Raises:
            UsageError: none is meant, or more than one could be; the sentence names the nearest, or the candidates.
        """
        wanted = _folded(text)
        if not wanted:
            raise UsageError("no assignment is named", hint="gradent assignments")
        begins = len(wanted) >= _PREFIX
        exact = [each for each, title, long in self._names if wanted in (each.id, title, long)]
        part = [each for each, title, _ in self._names if wanted in title or (begins and each.id.startswith(wanted))]
        found = exact or part or [each for each, _, long in self._names if wanted in long]
        found = [each for each in found if each.id in rather] or found
        if len(found) == 1:
            return found[0]
        said = f"'{one_line(text, 60)}'"
        if found:
            named = ", ".join(f"{words.session_title(each)} = {each.id}" for each in found[:_NAMED])
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise UsageError(f"{said} could be {named}{more}", hint="name it by its id, or by more of its title")
        near = self._nearest(wanted)
        if near is not None:
            hint = f"did you mean {words.session_title(near)} = {near.id}?"
        else:
            hint = "gradent assignments" if self._names else "`gradent run` reads your sources"
        raise UsageError(f"there is no assignment {said}", hint=hint)

    def handle(self, assignment: Assignment) -> str:
        """The shortest beginning of its id by which `find` finds it among these."""
        others = [(each.id, long) for each, _, long in self._names if each.id != assignment.id]
        for length in range(_HANDLE, len(assignment.id)):
            short = assignment.id[:length]
            if not any(id.startswith(short) or short in long for id, long in others):
                return short
        return assignment.id

    def _nearest(self, wanted: str) -> Assignment | None:
        """The one whose title, or a word in it, is most like what is wanted."""
        by_name: dict[str, Assignment] = {}
        for assignment, title, _ in self._names:
            for name in (title, *title.split()):
                by_name.setdefault(name, assignment)
        near = get_close_matches(wanted, by_name, n=1)
        return by_name[near[0]] if near else None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", one_line(text)).casefold()
