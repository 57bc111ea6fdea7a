"""The config that a person starts with: every line explained, nothing set that is not wanted."""

import re
import secrets

_TOPIC = re.compile(r"gradent-[0-9a-f]{12}")


def new_topic() -> str:
    """The name of an ntfy topic that nobody guesses: 48 random bits behind `gradent-`."""
    return f"gradent-{secrets.token_hex(6)}"


def starter(like: str | None = None) -> str:
    """The text of a new config, with a topic of its own; or with the topic that an earlier one, `like`, has."""
    found = _TOPIC.search(like) if like else None
    return _STARTER.replace("TOPIC", found[0] if found else new_topic())


_STARTER = """\
# gradent runs your study agent from system cron, once per tick, and tells your phone what it did.
# Change a value here, or with: gradent config set KEY VALUE
# All values with where they come from: gradent config show

# 15min, 30min, 1hour, 3hours, 6hours, 12hours, 24hours, or five cron fields such as "0 7,19 * * *"
frequency = "1hour"
# Where the schedule starts: 6hours at 01:30 is 01:30, 07:30, 13:30 and 19:30.
at = "00:00"

[ntfy]
# Messages on your phone: install the ntfy app, subscribe to this topic, and remove the #.
# Whoever knows the name of a topic can read it; this one was made for you.
# topic = "TOPIC"

[discord]
# Messages in a Discord channel: channel settings, Integrations, Webhooks, Copy Webhook URL.
# Keep the address out of your shell's history: gradent config set --discord-webhook -

[study]
# timezone = "Europe/Amsterdam"   # this computer's, when it is not set
session_min = "30min"
session_max = "2h"
max_per_day = "4h"

[study.hours]
# When you can study; a day that is not named is 09:00-21:00, [] is a day off.
# friday = ["09:00-12:00", "19:00-22:00"]
# sunday = []

# Where your assignments come from, one [[study.sources]] each. Your school's calendar feed
# holds a secret, so give it like this: gradent config set --source -
# Canvas itself also knows what you handed in:
#   gradent config set --source https://SCHOOL.instructure.com --source-token -
"""
