"""The account of all faults, printed at the end; how many of the possible ones were tried; and by which seed."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import pytest

from tests.faults.hooked import Hook, compiled
from tests.faults.place import Account, Place, place
from tests.faults.warm import Warm

WORKERS = 4
"""A gradent waits for disks and services for half of its time."""
Case = TypeVar("Case")
_accounts = pytest.StashKey["Accounts"]()
_seed = pytest.StashKey[int]()
_HEAD = (
    "",
    "tried",
    "of",
    "killed",
    "expected",
    "delivered",
    "folded",
    "doubled",
    "LOST",
    "vanished",
    "told",
    "seconds",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="repeat the faults of an earlier time (default: others each time)")
    parser.addoption("--share", type=float, default=1.0, help="how much of what is drawn by lot is tried (default: 1)")


LONGEST = ("killed_at_any_moment[warm]", "killed_at_a_step[usual]", "peers_that_misbehave")
"""Begin first: none of them must be what all others wait for in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name.removeprefix("test_") not in LONGEST)


class Accounts:
    """By test. They come with the tests' reports, whichever of xdist's workers made them."""

    def __init__(self) -> None:
        self.of: dict[str, Account] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties if report.when == "teardown" else ():
            self.of[name] = Account(**value)  # type: ignore[arg-type]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_accounts] = Accounts()
    config.pluginmanager.register(config.stash[_accounts])
    given = getattr(config, "workerinput", {}).get("seed", config.getoption("--seed", None))
    config.stash[_seed] = random.SystemRandom().randrange(1_000_000) if given is None else given


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """All of xdist's workers draw by one seed, which is the one that is told."""
    node.workerinput["seed"] = node.config.stash[_seed]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Messages per channel: expected = delivered by themselves + folded into another + lost."""
    accounts = config.stash[_accounts].of
    if not accounts:
        return
    rows: list[Sequence[str]] = [_HEAD]
    for name, one in accounts.items():
        figures = [one.tried, one.possible, one.kills, one.expected, one.delivered, one.folded, one.doubled]
        figures += [len(one.lost), one.vanished, one.told, round(one.seconds)]
        rows.append((name, *map(str, figures)))
    total = ["all", *(str(sum(int(row[column]) for row in rows[1:])) for column in range(1, len(_HEAD)))]
    widths = [max(len(row[column]) for row in [*rows, total]) for column in range(len(_HEAD))]
    terminalreporter.section(f"what was owed and what came (--seed={config.stash[_seed]})")
    for row in [*rows, total]:
        terminalreporter.write_line(
            "  ".join(
                cell.ljust(w) if not n else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        )
    for name, account in accounts.items():
        for lost in account.lost:
            terminalreporter.write_line(f"LOST in {name}: {lost}", red=True)


@pytest.fixture(scope="session")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Hook:
    return compiled(tmp_path_factory.mktemp("hook"))


@pytest.fixture(scope="session")
def warm(hook: Hook) -> Iterator[Warm]:
    """For what takes hundreds of runs; all else starts gradent as cron does."""
    warm = Warm(hook.library)
    yield warm
    warm.close()


@pytest.fixture
def lot(request: pytest.FixtureRequest) -> random.Random:
    """Draws the same for a test whenever the seed is the same, whatever other tests ran before."""
    return random.Random(f"{request.config.stash[_seed]} {request.node.name}")


Draw = Callable[[list[Any], int], list[Any]]


@pytest.fixture
def draw(request: pytest.FixtureRequest, lot: random.Random) -> Draw:
    """`draw(cases, 40)`: so many of them by lot, times --share, in their order."""
    share = request.config.getoption("--share", 1.0)

    def drawn(cases: list[Any], number: int) -> list[Any]:
        wanted = max(1, round(number * share))
        return cases if wanted >= len(cases) else [cases[at] for at in sorted(lot.sample(range(len(cases)), wanted))]

    return drawn


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    """What this test counts; it appears in the summary, and a loss is a failure."""
    account = Account()
    began = time.monotonic()
    yield account
    account.seconds = time.monotonic() - began
    account.tried, account.possible = account.tried or 1, account.possible or 1
    request.node.user_properties.append((request.node.name.removeprefix("test_"), asdict(account)))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path / "here") as made:
        yield made


Each = Callable[..., None]


@pytest.fixture
def each(tmp_path: Path, account: Account) -> Each:
    """`each(prepare, cases, work, **options)`: several places side by side; each is prepared once, then gets cases.

    What the work returns is added up. What fails names its case, and the others go on. The options are `place`'s.
    """

    def done(
        prepare: Callable[[Place], None],
        cases: Iterable[Case],
        work: Callable[[Place, Case], Account],
        **options: Any,
    ) -> None:
        cases = list(cases)
        failures: list[str] = []
        with ExitStack() as stack:
            places = [stack.enter_context(place(tmp_path / f"{number}", **options)) for number in range(WORKERS)]
            free: SimpleQueue[Place] = SimpleQueue()

            def prepared(here: Place) -> None:
                prepare(here)
                here.save("before")
                free.put(here)

            def one(case: Case) -> None:
                here = free.get()
                try:
                    here.back_to("before")
                    added = work(here, case)
                    account.add(added)
                    failures.extend(f"{case}: lost: {lost}" for lost in added.lost)
                except Exception as error:  # noqa: BLE001  the others go on, and it is told at the end
                    failures.append(f"{case}: {error}")
                finally:
                    free.put(here)

            with ThreadPoolExecutor(WORKERS) as threads:
                list(threads.map(prepared, places))
                list(threads.map(one, cases))
        account.tried += len(cases)
        assert not failures, f"{len(failures)} of {len(cases)} failed:\n" + "\n".join(failures)

    return done


SideBySide = Callable[..., None]


@pytest.fixture
def side_by_side(tmp_path: Path, account: Account) -> SideBySide:
    """`side_by_side(work, cases, at_once=6, **options)`: a place for each case, made by `place` with these options.

    What the work returns is added up. What fails names its case, and the others go on.
    """

    def done(
        work: Callable[[Place, Case], Account], cases: Iterable[Case], *, at_once: int = WORKERS + 2, **options: Any
    ) -> None:
        failures: list[str] = []

        def one(number: int, case: Case) -> None:
            try:
                with place(tmp_path / f"case{number}", **options) as here:
                    added = work(here, case)
                account.add(added)
                failures.extend(f"{case}: lost: {lost}" for lost in added.lost)
            except Exception as error:  # noqa: BLE001  the others go on, and it is told at the end
                failures.append(f"{case}: {error}")

        cases = list(cases)
        with ThreadPoolExecutor(at_once) as threads:
            list(threads.map(one, range(len(cases)), cases))
        account.tried = account.possible = len(cases)
        assert not failures, f"{len(failures)} of {len(cases)} failed:\n" + "\n".join(failures)

    return done
