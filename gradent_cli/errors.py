"""Every way gradent can refuse or fail, and the exit code of each.

GradentError                 70  a bug, unless a subclass says otherwise
├── UsageError                2  the command line cannot mean anything
├── ConfigError              78  the config file, an environment variable or a value in them
├── UnavailableError         69  a needed program or service is missing or does not answer
│   └── CrontabError         69  the crontab cannot be read, understood or written: nothing was written
├── StateError               74  state (database, log, lock, plan) cannot be read or written
│   └── DamagedError         74  the database is damaged: the next run sets it aside
├── RunGoingOnError          75  another run holds the lock
├── AgentError                1  the agent failed
│   └── AgentTimeoutError   124  the agent ran out of time
├── SourceError               1  one place that assignments or busy time come from failed
└── NotifyError               1  one message could not be handed to one channel; never a run's exit code

Caught once, in `cli`. A person sees `gradent: <message>` and `  hint: <hint>`; a traceback goes to the log.
The codes follow sysexits.h (64-78) and timeout(1) (124).
"""

from gradent_cli.annotations import Literal


class GradentError(Exception):
    """A sentence for a person, and what they can do about it.

    Args:
        message: what is wrong, where and why; one sentence, no secret, no full stop needed.
        hint: the remedy as an imperative sentence or a command; None when there is none.
    """

    exit_code = 70

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(GradentError):
    """The arguments contradict each other or name something that does not exist."""

    exit_code = 2


class ConfigError(GradentError):
    """A config value, key or file that cannot be used."""

    exit_code = 78


class UnavailableError(GradentError):
    """A program or service that gradent needs is missing or does not answer."""

    exit_code = 69


class CrontabError(UnavailableError):
    """The crontab is not certain enough to touch; nothing was written."""


class StateError(GradentError):
    """The state directory or something in it cannot be read or written."""

    exit_code = 74


class DamagedError(StateError):
    """The database is damaged. A run sets it aside and goes on with a new one; nothing else touches it."""


class RunGoingOnError(GradentError):
    """Another run holds the lock."""

    exit_code = 75


class AgentError(GradentError):
    """The agent could not start or said that it failed."""

    exit_code = 1


class AgentTimeoutError(AgentError):
    """The agent ran out of the time that the config gives it."""

    exit_code = 124


class SourceError(GradentError):
    """A source of assignments or busy time failed; what it gave before is kept."""

    exit_code = 1


class NotifyError(GradentError):
    """A channel did not take a message.

    Args:
        permanent: what the service itself says will not get better by trying again: this `message` (too large), or
            the whole `channel` until its settings change (a deleted webhook, a refused token). None: it may.
        retry_after: seconds to wait before the next try, when the service said so.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        permanent: Literal["message", "channel"] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.permanent = permanent
        self.retry_after = retry_after
