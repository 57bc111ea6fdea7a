"""The study sessions in the student's own calendar, and what the student does to them there.

Before planning, `pull` looks at what became of the events that were written: one that was moved is pinned where it is
now, one that was deleted is not planned again. After planning, `push` writes what has changed. Only events that are on
record in the table `published` are ever written or deleted, each only as long as its ETag says that nobody else has
changed it since.

A declined session stays on record, too: should its event come back, so does the session.

Whatever is cut short heals itself. What is about to be written is on record before it is sent, a new event without an
ETag: found in the calendar by the next pull, it is known as ours, and nobody takes its times for the student's.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from functools import partial
from hashlib import sha256
from time import monotonic

from gradent_cli.agents.study import plan_ics
from gradent_cli.agents.study.caldav import Collection, Entry, MissingError
from gradent_cli.agents.study.feed import OURS, Zones, read_calendars, utc
from gradent_cli.agents.study.fetch import Place
from gradent_cli.agents.study.published import Copy, Published
from gradent_cli.agents.study.records import Session
from gradent_cli.agents.study.store import Store
from gradent_cli.database import transaction
from gradent_cli.errors import SourceError
from gradent_cli.text import count

SECONDS = 60.0
"""For one push altogether; what is not written by then is for the next run."""
MANY = 4
"""So many events do not vanish all at once because a student deleted each."""
_IN_A_ROW = 3
"""After so many refusals the rest is not tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What the student did: sessions `moved`, as they are now, and `declined`.

    `missing` says that the calendar is still to be made. With an `error` nothing was learned and nothing may be pushed.
    """

    moved: tuple[Session, ...] = ()
    declined: tuple[Session, ...] = ()
    warnings: tuple[str, ...] = ()
    missing: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """How many events were written and deleted, and sentences on what could not be."""

    new: int = 0
    changed: int = 0
    removed: int = 0
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """What the calendar says of a session. `untouched`: no other program has written it."""

    starts_at: datetime
    ends_at: datetime
    all_day: bool
    cancelled: bool
    sequence: int
    untouched: bool


LABEL = "the study calendar"


def open_publisher(
    *,
    url: str,
    username: str | None,
    password: str | None,
    connection: sqlite3.Connection,
    store: Store,
    zone: tzinfo,
    read_only: bool,
) -> "Publisher":
    """The publisher for the calendar at this address; nothing is read yet."""
    collection = Collection(label=LABEL, url=url, username=username, password=password)
    return Publisher(collection, connection, store, zone, read_only=read_only)


class Publisher:
    """Keeps the sessions of a store in step with one calendar.

    Args:
        connection: that of the store.
        zone: the student's own, for whole days and floating times.
        read_only: nothing is written to the calendar.
    """

    def __init__(
        self, collection: Collection, connection: sqlite3.Connection, store: Store, zone: tzinfo, *, read_only: bool
    ) -> None:
        self._collection = collection
        self._connection = connection
        self._store = store
        self._zone = zone
        self._read_only = read_only
        self._record = Published(connection, sha256(collection.url.rstrip("/").encode()).hexdigest()[:12])
        self._unsettled: list[Session] = []
        self._place = Place(label=collection.label, expected="a calendar", url=collection.url)

    # ── what the student did ──

    def pull(self, now: datetime) -> Pulled:
        """Look at what became of the events, and take over what the student did.

        Raises:
            StateError: the database cannot be read or written.
        """
        copies = self._record.copies()
        try:
            etags = self._collection.etags()
            trouble = self._emptied(copies.values(), etags, now)
            if trouble is not None:
                self._record.lose_sight()
                return Pulled(error=trouble)
            changed = [each for each in copies.values() if each.name in etags and etags[each.name] != each.etag]
            entries = self._collection.fetch(each.name for each in changed) if changed else {}
        except MissingError as error:
            if not any(each.ends_at > now for each in copies.values()):
                return Pulled(missing=True)
            self._record.lose_sight()
            return Pulled(error=f"{error.message}, but there was one: make it again to have the sessions written anew")
        except SourceError as error:
            return Pulled(error=_sentence(error))
        moved: list[Session] = []
        declined: list[Session] = []
        warnings: list[str] = []
        given_up = self._declined()
        with transaction(self._connection):
            for copy in copies.values():
                if copy.name in entries:
                    try:
                        back = copy.session_id in given_up
                        self._take_over(copy, entries[copy.name], moved, declined, now, back=back)
                    except SourceError as error:
                        warnings.append(error.message)
                elif copy.name not in etags and (copy.etag is not None or copy.ends_at <= now):
                    was_declined = copy.session_id in given_up and copy.ends_at > now
                    if was_declined or self._decline(copy.session_id, declined, now):
                        self._record.save_etag(copy.session_id, None)
                    else:
                        self._record.forget(copy.session_id)
            self._record.forget_old(now)
        return Pulled(moved=tuple(moved), declined=tuple(declined), warnings=tuple(warnings))

    def _emptied(self, copies: Iterable[Copy], etags: Mapping[str, str | None], now: datetime) -> str | None:
        """Why what the calendar says is not to be believed at once."""
        known = [copy for copy in copies if copy.etag is not None]
        coming = sum(copy.ends_at > now for copy in known)
        if coming < MANY or any(copy.name in etags for copy in known if copy.ends_at > now):
            return None
        return (
            f"all {coming} sessions have vanished from {self._collection.label} at once, so nothing was changed; the "
            "next run writes them again if they are not back then. Delete single ones to decline them"
        )

    def _take_over(
        self,
        copy: Copy,
        entry: Entry,
        moved: list[Session],
        declined: list[Session],
        now: datetime,
        *,
        back: bool,
    ) -> None:
        """What an event says that is not as it was last seen; `back` that its session had been declined.

        Raises:
            SourceError: it says nothing that can be read.
        """
        found = self._store.sessions.get(copy.session_id)
        if found is None:  # lost with a damaged database
            self._record.forget(copy.session_id)
            return
        session, planned = found
        event = self._event(session, entry)
        if event is None:
            self._record.forget(copy.session_id)
            self._decline(copy.session_id, declined, now)
            return
        if event.cancelled and session.ends_at > now:
            self._decline(copy.session_id, declined, now)
            self._record.save_etag(copy.session_id, entry.etag)
            return
        times = (event.starts_at, event.ends_at)
        before, now_planned = (copy.starts_at, copy.ends_at), (session.starts_at, session.ends_at)
        moved_by_them = times not in (before, now_planned, copy.sent) or (event.all_day and not session.pinned)
        if moved_by_them or (back and event.ends_at > now):
            session = self._pin(session, event, now)
            moved.append(session)
            self._record.save(copy.name, session, entry.etag)
        elif planned and times == now_planned != before:
            self._record.save(copy.name, session, entry.etag)  # ours, from a run that was cut short
        elif times == copy.sent != before:  # the same, and planned anew since
            self._record.save(copy.name, replace(session, starts_at=times[0], ends_at=times[1]), entry.etag)
        else:
            self._record.save_etag(copy.session_id, entry.etag)

    def _declined(self) -> set[str]:
        return {session.id for session in self._store.sessions.declined()}

    def _pin(self, session: Session, event: _Event, now: datetime) -> Session:
        return self._store.sessions.pin(
            session,
            starts_at=event.starts_at,
            ends_at=event.ends_at,
            sequence=max(session.sequence + 1, event.sequence),
            now=now,
        )

    def _decline(self, session_id: str, declined: list[Session], now: datetime) -> bool:
        """Only what is still planned and not over can be declined; whether it was."""
        found = self._store.sessions.get(session_id)
        if found is None or not found[1] or found[0].ends_at <= now:
            return False
        self._store.sessions.decline(found[0], now=now)
        declined.append(found[0])
        return True

    def _event(self, session: Session, entry: Entry) -> _Event | None:
        """The session's event in what stands at its place; None when there is another one.

        Of one that was made to repeat, the first time counts. One that was made to last whole days is taken to be on
        its first day, at the session's own time.

        Raises:
            SourceError: it cannot be read.
        """
        calendars, _ = read_calendars(self._place, entry.body)
        mine = [
            (calendar, component)
            for calendar in calendars
            for component in calendar.components
            if component.kind == "VEVENT" and component.uid == session.id + OURS
        ]
        if not mine:
            return None
        calendar, component = min(mine, key=lambda each: "RECURRENCE-ID" in each[1].properties)
        span = Zones(self._zone, calendar.zones).span(component)
        if span is None:
            raise self._place.refusal(f"the event '{session.title}' is at no time that can be read")
        first, last = span
        if isinstance(first, datetime) and isinstance(last, datetime):
            starts, ends = utc(first), utc(last)
        else:
            at = session.starts_at.astimezone(self._zone).time()
            starts = ends = utc(datetime.combine(first, at, tzinfo=self._zone))
        return _Event(
            starts_at=starts,
            ends_at=ends if ends > starts else utc(starts + min(session.duration, timedelta(days=1))),
            all_day=not isinstance(first, datetime),
            cancelled=component.word("STATUS") == "CANCELLED",
            sequence=component.sequence,
            untouched=calendar.product == plan_ics.PRODUCT,
        )

    # ── what has changed in the plan ──

    def push(self, now: datetime, *, missing: bool) -> Pushed:
        """Write and delete the events of what is planned and not over, as far as they are not as they should be.

        Args:
            missing: the calendar must be made first.

        Raises:
            StateError: the database cannot be read or written.
        """
        copies = self._record.copies()
        sessions = {session.id: session for session in self._store.sessions.all()}
        kept = {*sessions, *self._declined()}  # of a declined one whatever the student left of it stays
        away = [copy for copy in copies.values() if copy.session_id not in kept and copy.ends_at > now]
        new: list[Session] = []
        changed: list[tuple[Session, str]] = []
        for session in sessions.values():
            copy = copies.get(session.id)
            if copy is None or copy.etag is None:
                if session.ends_at > now:
                    new.append(session)
            elif max(session.ends_at, copy.ends_at) > now and _shown(copy) != _shown(session):
                changed.append((session, copy.etag))
        if self._read_only:
            return Pushed(new=len(new), changed=len(changed), removed=len(away))
        steps: list[_Step] = [
            *(("removed", partial(self._remove, copy)) for copy in away),
            *(("changed", partial(self._change, session, etag)) for session, etag in changed),
            *(("new", partial(self._add, session, now)) for session in new),
        ]
        if not steps:
            return Pushed()
        self._collection.deadline = monotonic() + SECONDS
        self._unsettled.clear()
        if missing:
            try:
                self._collection.make()
            except SourceError as error:
                return Pushed(errors=(_sentence(error),))
        return self._walk(steps)

    def _walk(self, steps: "list[_Step]") -> Pushed:
        done: Counter[str] = Counter()
        errors: dict[str, None] = {}
        in_a_row = 0
        for kind, step in (*steps, ("settled", self._settle)):
            try:
                done[kind] += step()
                in_a_row = 0
            except SourceError as error:
                errors[_sentence(error)] = None
                in_a_row += 1
                if in_a_row == _IN_A_ROW:
                    break
        left = len(steps) - done["new"] - done["changed"] - done["removed"]
        if errors and left:
            errors[f"left for the next run: {left} of {count(len(steps), 'change')}"] = None
        return Pushed(new=done["new"], changed=done["changed"], removed=done["removed"], errors=tuple(errors))

    def _remove(self, copy: Copy) -> bool:
        if copy.etag is not None and not self._collection.delete(copy.name, copy.etag):
            return False  # the student has just changed it; the next pull sees how
        self._record.forget(copy.session_id)
        return copy.etag is not None

    def _change(self, session: Session, etag: str | None) -> bool:
        self._record.sending(session)
        written, new = self._collection.put(_name(session), plan_ics.render_event(session), etag)
        if written:
            self._written(session, new)
        return written

    def _add(self, session: Session, now: datetime) -> bool:
        self._record.save(_name(session), session, None)
        written, new = self._collection.put(_name(session), plan_ics.render_event(session), None)
        if written:
            self._written(session, new)
            return True
        return self._adopt(session, now)

    def _adopt(self, session: Session, now: datetime) -> bool:
        """The event that is there already: ours from before the state was lost, or somebody else's."""
        entry = self._collection.fetch([_name(session)]).get(_name(session))
        event = self._event(session, entry) if entry is not None else None
        if entry is None or event is None:
            self._record.forget(session.id)
            raise self._collection.refusal(
                "write", f"where '{session.title}' belongs, there is an event that is not gradent's; it was left alone"
            )
        if (event.starts_at, event.ends_at) == (session.starts_at, session.ends_at) and not event.cancelled:
            self._record.save(_name(session), session, entry.etag)
            return True
        if event.untouched:
            return self._change(session, entry.etag)
        if event.cancelled:
            self._store.sessions.decline(session, now=now)
            self._record.save(_name(session), session, entry.etag)
        else:
            self._record.save(_name(session), self._pin(session, event, now), entry.etag)
        return True

    def _written(self, session: Session, etag: str | None) -> None:
        if etag is None:
            self._unsettled.append(session)
        else:
            self._record.save(_name(session), session, etag)

    def _settle(self) -> bool:
        """Learn the ETags that the server did not tell. What was changed since stays unknown until the next pull."""
        unsettled = {_name(session): session for session in self._unsettled}
        entries = self._collection.fetch(unsettled) if unsettled else {}
        for name, session in unsettled.items():
            entry = entries.get(name)
            event = self._event(session, entry) if entry is not None else None
            if entry is None:
                raise self._collection.refusal("write", "the server keeps events at other addresses than we give them")
            if event is not None and (event.starts_at, event.ends_at) == (session.starts_at, session.ends_at):
                self._record.save(name, session, entry.etag)
        return True


_Step = tuple[str, Callable[[], bool]]


def _name(session: Session) -> str:
    return f"{session.id}.ics"


def _shown(known: Copy | Session) -> tuple[object, ...]:
    return known.starts_at, known.ends_at, known.sequence


def _sentence(error: SourceError) -> str:
    return error.message if error.hint is None else f"{error.message}; {error.hint}"
