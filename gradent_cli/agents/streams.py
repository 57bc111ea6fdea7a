"""What the streams of coding agents say, in one form: tools that begin and end, words, the end, what was used.

Each of them writes one JSON object a line with a `type`, and no two agree on the rest. Known are gradent's own form
(`docs/agents.md`) and, as their sources or documents have them:

- Claude Code `--output-format stream-json` (https://github.com/anthropics/claude-agent-sdk-python, message parser)
- Codex `exec --json` (https://github.com/openai/codex, exec_events.rs, event_processor_with_jsonl_output.rs)
- Gemini CLI `--output-format stream-json` (https://github.com/google-gemini/gemini-cli, output/types.ts)
- OpenCode `run --format json` (https://github.com/anomalyco/opencode, cli/cmd/run.ts and session/session.ts)
- Cursor `-p --output-format stream-json`, AG-UI (https://docs.ag-ui.com)

Nothing here raises, whatever is in an object: what is not understood is no event.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from gradent_cli.agents.happenings import Completed, Ended, Event, Said, Started, Used, Warned
from gradent_cli.agents.mcp import NAME
from gradent_cli.text import one_line

_TEXT = 1000
"""Characters of a result, an error or a summary."""
_OPEN = 10_000
"""So many tools that have begun are remembered until they end."""
_SAID = 65_536
"""Characters of a message that comes in pieces."""
_MOST = 1e12
"""No run uses so many tokens, or dollars."""


class Translator:
    """Takes the objects of one stream in their order."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Started] = OrderedDict()
        self._said: OrderedDict[str, str] = OrderedDict()
        self._pieces = ""
        self._input = self._output = 0
        self._cost: float | None = None

    def take(self, value: Mapping[str, Any]) -> tuple[Event, ...]:
        """The events of one object."""
        kind = value.get("type")
        if kind == "message" and value.get("role") == "assistant" and value.get("delta") is True:
            self._pieces = _joined(self._pieces, value.get("content"))
            return ()
        read = _READERS.get(kind) if isinstance(kind, str) else None
        return (*self._whole(), *(read(self, value) if read is not None else ()))

    def end(self) -> tuple[Event, ...]:
        """What was being said when the stream broke off."""
        begun = tuple(event for text in self._said.values() for event in _said(text))
        self._said.clear()
        return (*self._whole(), *begun)

    def _whole(self) -> Iterator[Event]:
        """Gemini's message that came in pieces: it has no end but that something else comes."""
        text, self._pieces = self._pieces, ""
        yield from _said(text)

    # ── gradent's own form ──

    def _native_started(self, value: Mapping[str, Any]) -> Iterator[Event]:
        yield Started(
            id=_id(value.get("id")),
            tool=_text(value.get("tool")) or "tool",
            title=_text(value.get("title")),
            incidental=value.get("incidental") is True,
            own=value.get("by") == NAME,
        )

    def _native_completed(self, value: Mapping[str, Any]) -> Iterator[Event]:
        yield Completed(
            id=_id(value.get("id")),
            tool=_text(value.get("tool")),
            title=_text(value.get("title")),
            result=_text(value.get("result")),
            details=_texts(value.get("details")),
            changed=value.get("changed") is not False,
            error=_reason(value.get("error")) if value.get("ok") is False else None,
            incidental=value.get("incidental") is True,
            own=value.get("by") == NAME,
        )

    def _native_ended(self, value: Mapping[str, Any]) -> Iterator[Event]:
        failed = value["type"] == "run.failed"
        yield Ended(
            summary=_text(value.get("summary")) or None,
            lines=_texts(value.get("lines")),
            changed=value.get("changed") is not False,
            error=(_text(value.get("error")) or "it said that it failed, and gave no reason") if failed else None,
        )

    def _native_usage(self, value: Mapping[str, Any]) -> Iterator[Event]:
        yield from _used([value.get("input_tokens")], [value.get("output_tokens")], value.get("cost_usd"))

    # ── Claude Code, and Cursor where it is alike ──

    def _claude_assistant(self, value: Mapping[str, Any]) -> Iterator[Event]:
        for block in _blocks(_mapping(value.get("message")).get("content")):
            if block.get("type") == "tool_use":
                yield from self._begin(block.get("id"), block.get("name"), block.get("input"))
            elif block.get("type") == "text" and not value.get("parent_tool_use_id"):
                yield from _said(block.get("text"))

    def _claude_user(self, value: Mapping[str, Any]) -> Iterator[Event]:
        for block in _blocks(_mapping(value.get("message")).get("content")):
            if block.get("type") == "tool_result":
                said = block.get("content")
                yield self._end(block.get("tool_use_id"), said, error=said if block.get("is_error") is True else None)

    def _result(self, value: Mapping[str, Any]) -> Iterator[Event]:
        if "stats" in value or ("status" in value and "subtype" not in value):
            yield from self._gemini_result(value)
            return
        usage = _mapping(value.get("usage"))
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        read = [usage.get(name) for name in names]
        yield from _used(read, [usage.get("output_tokens")], value.get("total_cost_usd"))
        subtype, said = _text(value.get("subtype")), _text(value.get("result"))
        if value.get("is_error") is True or subtype.startswith("error"):
            how = f"it ended with {subtype if subtype.startswith('error') else 'an error'}"
            yield Ended(error="; ".join(_texts(value.get("errors"))) or said or _SUBTYPES.get(subtype) or how)
        else:
            yield Ended(summary=said or None)

    # ── Gemini CLI; OpenCode, whose tool_use comes when it is over ──

    def _tool_use(self, value: Mapping[str, Any]) -> Iterator[Event]:
        part = value.get("part")
        if not isinstance(part, dict):
            yield from self._begin(value.get("tool_id"), value.get("tool_name"), value.get("parameters"))
            return
        state = _mapping(part.get("state"))
        if state.get("status") in ("completed", "error"):
            failed = state.get("status") == "error"
            yield from self._begin(part.get("callID"), part.get("tool"), state.get("input"))
            yield self._end(
                part.get("callID"), state.get("output"), error=state.get("error") if failed else None, failed=failed
            )

    def _gemini_tool_result(self, value: Mapping[str, Any]) -> Iterator[Event]:
        failed = value.get("status") == "error"
        error = _mapping(value.get("error")).get("message") or value.get("output")
        yield self._end(value.get("tool_id"), value.get("output"), error=error if failed else None, failed=failed)

    def _gemini_message(self, value: Mapping[str, Any]) -> Iterator[Event]:
        if value.get("role") == "assistant":
            yield from _said(value.get("content"))

    def _gemini_result(self, value: Mapping[str, Any]) -> Iterator[Event]:
        stats = _mapping(value.get("stats"))
        yield from _used([stats.get("input_tokens")], [stats.get("output_tokens")])
        failed = value.get("status") == "error"
        yield Ended(error=_reason(_mapping(value.get("error")).get("message")) if failed else None)

    def _opencode_text(self, value: Mapping[str, Any]) -> Iterator[Event]:
        yield from _said(_mapping(value.get("part")).get("text"))

    def _opencode_step(self, value: Mapping[str, Any]) -> Iterator[Event]:
        """Each step has its own numbers, of which none is a part of another."""
        part = _mapping(value.get("part"))
        tokens = _mapping(part.get("tokens"))
        cache = _mapping(tokens.get("cache"))
        read = [tokens.get("input"), cache.get("read"), cache.get("write")]
        for step in _used(read, [tokens.get("output"), tokens.get("reasoning")], part.get("cost")):
            self._input += step.input_tokens
            self._output += step.output_tokens
            if step.cost_usd is not None:
                self._cost = (self._cost or 0.0) + step.cost_usd
            yield from _used([self._input], [self._output], self._cost)

    # ── Codex and Gemini CLI have a message, OpenCode an object ──

    def _warned(self, value: Mapping[str, Any]) -> Iterator[Event]:
        error = _mapping(value.get("error"))
        said = value.get("message") or _mapping(error.get("data")).get("message") or error.get("message")
        if text := _text(said or error.get("name")):
            yield Warned(text=text)

    # ── Codex ──

    def _codex_item(self, value: Mapping[str, Any]) -> Iterator[Event]:
        item = _mapping(value.get("item"))
        kind = item.get("type")
        if kind == "agent_message":
            if value["type"] == "item.completed":
                yield from _said(item.get("text"))
        elif kind == "mcp_tool_call":
            name = f"mcp__{_text(item.get('server'))}__{_text(item.get('tool'))}"
            yield from self._codex_tool(value["type"], item, name, item.get("arguments"), item.get("result"))
        elif kind == "command_execution":
            given = {"command": item.get("command")}
            yield from self._codex_tool(value["type"], item, "command", given, item.get("aggregated_output"))

    def _codex_tool(
        self, moment: str, item: Mapping[str, Any], name: str, given: object, result: object
    ) -> Iterator[Event]:
        id = _id(item.get("id"))
        if id is None or id not in self._open:
            yield from self._begin(id, name, given)
        if moment != "item.completed":
            return
        code, status = item.get("exit_code"), item.get("status")
        failed = status in ("failed", "declined") or (isinstance(code, int) and code != 0)
        said = _mapping(item.get("error")).get("message") or result or status
        result = _mapping(result).get("content") or result
        yield self._end(id, result, error=said if failed else None, failed=failed)

    def _codex_turn(self, value: Mapping[str, Any]) -> Iterator[Event]:
        if value["type"] == "turn.failed":
            yield Ended(error=_reason(_mapping(value.get("error")).get("message")))
            return
        usage = _mapping(value.get("usage"))  # of the thread so far, though its comment says "during the turn"
        yield from _used([usage.get("input_tokens")], [usage.get("output_tokens")])
        yield Ended()

    # ── Cursor ──

    def _cursor_tool(self, value: Mapping[str, Any]) -> Iterator[Event]:
        for name, given in _mapping(value.get("tool_call")).items():
            call = _mapping(given)
            if value.get("subtype") == "started":
                yield from self._begin(value.get("call_id"), str(name).removesuffix("ToolCall"), call.get("args"))
            elif value.get("subtype") == "completed":
                result = _mapping(call.get("result"))
                failed = "success" not in result
                error = next(iter(result.values()), None) if failed else None
                yield self._end(value.get("call_id"), result.get("success"), error=error, failed=failed)
            return

    # ── AG-UI ──

    def _agui(self, value: Mapping[str, Any]) -> Iterator[Event]:
        match value["type"]:
            case "TOOL_CALL_START":
                yield from self._begin(value.get("toolCallId"), value.get("toolCallName"), None)
            case "TOOL_CALL_RESULT":
                yield self._end(value.get("toolCallId"), value.get("content"))
            case "TEXT_MESSAGE_CONTENT":
                id = str(_id(value.get("messageId")))
                self._said[id] = _joined(self._said.get(id, ""), value.get("delta"))
                while len(self._said) > 100:
                    self._said.popitem(last=False)
            case "TEXT_MESSAGE_END":
                yield from _said(self._said.pop(str(_id(value.get("messageId"))), ""))
            case "RUN_FINISHED":
                yield Ended()
            case "RUN_ERROR":
                yield Ended(error=_reason(value.get("message")))

    # ── what they have in common ──

    def _begin(self, id: object, name: object, given: object) -> Iterator[Event]:
        tool, own = _stripped(_text(name) or "tool")
        event = Started(id=_id(id), tool=tool, title=_title(tool, given), incidental=not own, own=own)
        if event.id is not None:
            self._open[event.id] = event
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)
        yield event

    def _end(self, id: object, result: object, *, error: object = None, failed: bool | None = None) -> Completed:
        begun = self._open.pop(_id(id) or "", None)
        failed = error is not None if failed is None else failed
        return Completed(
            id=_id(id),
            tool=begun.tool if begun else "",
            title=begun.title if begun else "",
            result="" if failed else _text(result),
            error=_reason(error) if failed else None,
            incidental=begun.incidental if begun else True,
            own=begun.own if begun else False,
        )


_READERS: Mapping[str, Any] = {
    "tool.started": Translator._native_started,
    "tool.completed": Translator._native_completed,
    "run.completed": Translator._native_ended,
    "run.failed": Translator._native_ended,
    "usage": Translator._native_usage,
    "assistant": Translator._claude_assistant,
    "user": Translator._claude_user,
    "result": Translator._result,
    "tool_use": Translator._tool_use,
    "tool_result": Translator._gemini_tool_result,
    "message": Translator._gemini_message,
    "text": Translator._opencode_text,
    "step_finish": Translator._opencode_step,
    "error": Translator._warned,
    "item.started": Translator._codex_item,
    "item.completed": Translator._codex_item,
    "turn.completed": Translator._codex_turn,
    "turn.failed": Translator._codex_turn,
    "tool_call": Translator._cursor_tool,
    **dict.fromkeys(
        (
            "TOOL_CALL_START",
            "TOOL_CALL_RESULT",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "RUN_FINISHED",
            "RUN_ERROR",
        ),
        Translator._agui,
    ),
}

_SUBTYPES = {
    "error_max_turns": "it stopped at its limit of turns",
    "error_max_budget_usd": "it stopped at its limit of money",
    "error_during_execution": "it broke off",
}


def _stripped(name: str) -> tuple[str, bool]:
    """A tool without the MCP server that offers it, and whether that is gradent's.

    `mcp__server__tool` in Claude Code, `mcp_server_tool` in Gemini CLI, `server_tool` in OpenCode.
    """
    found = re.fullmatch(rf"mcp__(.*?)__(.+)|mcp_([^_]+)_(.+)|({NAME})_(.+)", name)
    if found is None:
        return name, False
    server, tool = (each for each in found.groups() if each is not None)
    return tool, server == NAME


def _title(tool: str, given: object) -> str:
    """The tool and what tells this call from others: `Bash: ls -l`, `Read: notes.md`."""
    values = _mapping(given)
    for name in ("description", "command", "file_path", "path", "pattern", "query", "url"):
        if isinstance(values.get(name), str) and values[name].strip():
            return one_line(f"{tool}: {values[name]}", 120)
    return tool


def _joined(text: str, piece: object) -> str:
    return (text + piece)[:_SAID] if isinstance(piece, str) else text


def _said(text: object) -> Iterator[Said]:
    if isinstance(text, str) and text.strip():
        yield Said(text=one_line(text, _TEXT))


def _reason(value: object) -> str:
    return _text(value) or "it failed and gave no reason"


def _text(value: object) -> str:
    """One harmless line for people of whatever JSON value stands there; empty for none."""
    if value is None:
        return ""
    if isinstance(value, list):
        texts = [block.get("text") for block in value if isinstance(block, dict)]
        if texts and all(isinstance(text, str) for text in texts):
            value = " ".join(map(str, texts))
    try:
        return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str), _TEXT)
    except (ValueError, RecursionError):  # nested beyond all reason
        return ""


def _texts(value: object) -> tuple[str, ...]:
    """Lines, without those that say nothing."""
    return tuple(filter(None, map(_text, value[:50]))) if isinstance(value, list) else ()


def _id(value: object) -> str | None:
    return _text(value) or None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _blocks(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (block for block in value if isinstance(block, dict))


def _used(read: Iterable[object], written: Iterable[object], cost: object = None) -> Iterator[Used]:
    """What was used, as the sums of counts; nothing where not one number is there that can be meant."""
    read, written = ([int(each) for each in counts if _is_meant(each)] for counts in (read, written))
    money = float(cost) if _is_meant(cost) else None
    if read or written or money is not None:
        yield Used(input_tokens=sum(read), output_tokens=sum(written), cost_usd=money)


def _is_meant(value: object) -> TypeGuard[int | float]:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value < _MOST
