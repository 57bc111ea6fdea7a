"""Our tools for an agent that speaks the Model Context Protocol: where it finds `gradent mcp`, and what that needs.

The document is what `claude --mcp-config FILE` reads (https://code.claude.com/docs/en/mcp): servers by name, each with
`command`, `args` and `env`. Many other agents take the same.
"""

import json
from collections.abc import Mapping, Sequence

from gradent_cli.errors import UnavailableError

NAME = "gradent"
"""The name of the server, by which the streams know its tools for our own."""
_HANDED_ON = ("GRADENT_EVENTS", "GRADENT_RUN_ID", "GRADENT_DRY_RUN", "GRADENT_STATE_DIR", "XDG_STATE_HOME", "TZ")
"""What ties the server to this run, its state and its clock; clients hand as little as HOME and PATH on."""


def need_package() -> None:
    """See whether the server could start.

    Raises:
        UnavailableError: what it is made with is not installed.
    """
    from importlib.util import find_spec

    if not all(map(find_spec, ("mcp", "mcp_types"))):  # older ones have no types of their own
        raise UnavailableError("the mcp package is not installed", hint="pip install 'gradent-cli[mcp]'")


def document(server: Sequence[str], environ: Mapping[str, str]) -> str:
    """The config as JSON. `server` is the argv of ours, `environ` what the agent has."""
    program, *arguments = server
    env = {name: environ[name] for name in _HANDED_ON if name in environ}
    return json.dumps({"mcpServers": {NAME: {"command": program, "args": arguments, "env": env}}}, ensure_ascii=False)
