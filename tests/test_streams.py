"""The streams of coding agents, object by object."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradent_cli.agents.happenings import Completed, Ended, Said, Started, Used, Warned
from gradent_cli.agents.streams import Translator

CLAUDE = [
    '{"type":"system","subtype":"init","session_id":"s"}',
    (
        '{"type":"assistant","message":{"content":[{"type":"text","text":"Let me look."},'
        '{"type":"tool_use","id":"a","name":"Bash","input":{"command":"ls"}},'
        '{"type":"tool_use","id":"b","name":"mcp__gradent__check","input":{}}]},"parent_tool_use_id":null}'
    ),
    (
        '{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"b","content":'
        '[{"type":"text","text":"11 open"}]}]}}'
    ),
    (
        '{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"a","content":"denied",'
        '"is_error":true}]}}'
    ),
    '{"type":"assistant","message":{"content":[{"type":"text","text":"inner"}]},"parent_tool_use_id":"a"}',
    (
        '{"type":"result","subtype":"success","is_error":false,"result":"Planned 3","total_cost_usd":0.5,'
        '"usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":7}}'
    ),
]
CODEX = [
    '{"type":"thread.started","thread_id":"t"}',
    '{"type":"item.started","item":{"id":"1","type":"command_execution","command":"ls","status":"in_progress"}}',
    (
        '{"type":"item.started","item":{"id":"2","type":"mcp_tool_call","server":"gradent","tool":"check",'
        '"status":"in_progress"}}'
    ),
    (
        '{"type":"item.completed","item":{"id":"2","type":"mcp_tool_call","server":"gradent","tool":"check",'
        '"result":{"content":[{"type":"text","text":"11 open"}]},"status":"completed"}}'
    ),
    (
        '{"type":"item.completed","item":{"id":"1","type":"command_execution","command":"ls","aggregated_output":"no",'
        '"exit_code":2,"status":"failed"}}'
    ),
    '{"type":"error","message":"Reconnecting... 1/5"}',
    '{"type":"item.completed","item":{"id":"3","type":"agent_message","text":"Planned 3"}}',
    '{"type":"turn.completed","usage":{"input_tokens":10,"cached_input_tokens":4,"output_tokens":1}}',
    '{"type":"turn.completed","usage":{"input_tokens":20,"cached_input_tokens":4,"output_tokens":2}}',
    '{"type":"turn.failed","error":{"message":"no credit"}}',
]
GEMINI = [
    '{"type":"init","model":"g"}',
    '{"type":"message","role":"user","content":"Go."}',
    '{"type":"tool_use","tool_name":"read_file","tool_id":"1","parameters":{"file_path":"notes.md"}}',
    '{"type":"tool_use","tool_name":"glob","tool_id":"2","parameters":{}}',
    '{"type":"tool_result","tool_id":"2","status":"error","error":{"type":"x","message":"no such folder"}}',
    '{"type":"tool_result","tool_id":"1","status":"success","output":"text"}',
    '{"type":"message","role":"assistant","content":"I look","delta":true}',
    '{"type":"message","role":"assistant","content":" again.","delta":true}',
    '{"type":"error","severity":"warning","message":"Loop detected"}',
    '{"type":"message","role":"assistant","content":"Planned 3","delta":true}',
    '{"type":"result","status":"success","stats":{"input_tokens":4,"output_tokens":2}}',
]
OPENCODE = [
    (
        '{"type":"tool_use","part":{"tool":"bash","callID":"1","state":{"status":"completed","input":{"command":"ls"},'
        '"output":"a b"}}}'
    ),
    '{"type":"tool_use","part":{"tool":"read","callID":"2","state":{"status":"error","input":{},"error":"gone"}}}',
    (
        '{"type":"step_finish","part":{"type":"step-finish","reason":"tool-calls","cost":0.25,'
        '"tokens":{"input":10,"output":4,"reasoning":2,"cache":{"read":5,"write":1}}}}'
    ),
    '{"type":"text","part":{"text":"Planned 3"}}',
    (
        '{"type":"step_finish","part":{"type":"step-finish","reason":"stop","cost":0.5,'
        '"tokens":{"input":1,"output":2,"reasoning":0,"cache":{"read":16,"write":0}}}}'
    ),
    '{"type":"error","error":{"name":"APIError","data":{"message":"overloaded"}}}',
    '{"type":"done","reason":"idle","rejected":[]}',
]
CURSOR = [
    '{"type":"tool_call","subtype":"started","call_id":"1","tool_call":{"readToolCall":{"args":{"path":"a.md"}}}}',
    (
        '{"type":"tool_call","subtype":"completed","call_id":"1","tool_call":{"readToolCall":{"result":'
        '{"success":{"content":"x"}}}}}'
    ),
    '{"type":"tool_call","subtype":"started","call_id":"2","tool_call":{"shellToolCall":{"args":{"command":"ls"}}}}',
    (
        '{"type":"tool_call","subtype":"completed","call_id":"2","tool_call":{"shellToolCall":{"result":'
        '{"error":{"message":"denied"}}}}}'
    ),
    '{"type":"result","subtype":"error_max_turns","is_error":true}',
]
AGUI = [
    '{"type":"RUN_STARTED"}',
    '{"type":"TOOL_CALL_START","toolCallId":"1","toolCallName":"look"}',
    '{"type":"TOOL_CALL_RESULT","toolCallId":"1","content":"seen"}',
    '{"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":"Planned "}',
    '{"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":"3"}',
    '{"type":"TEXT_MESSAGE_END","messageId":"m"}',
    '{"type":"RUN_ERROR","message":"boom"}',
]
NATIVE = [
    '{"type":"tool.started","id":1,"tool":"check","title":"Check"}',
    '{"type":"tool.completed","id":1,"tool":"check","ok":true,"result":{"n":2},"details":["a",""],"changed":false}',
    '{"type":"tool.completed","tool":"plan","ok":false,"by":"gradent"}',
    '{"type":"tool.completed","id":"2","tool":"guess","ok":false,"error":"no such tool","incidental":true}',
    '{"type":"usage","input_tokens":true,"output_tokens":4,"cost_usd":"much"}',
    '{"type":"run.completed","summary":"Fine","lines":["one"]}',
    '{"type":"run.failed"}',
    '{"type":"something.else"}',
]


def translated(lines):
    translator = Translator()
    return [event for line in lines for event in translator.take(json.loads(line))]


def test_claude_code():
    """Parallel tools pair by id, our MCP tools are ours, a refused one failed, subagents say nothing."""
    assert translated(CLAUDE) == [
        Said(text="Let me look."),
        Started(id="a", tool="Bash", title="Bash: ls"),
        Started(id="b", tool="check", title="check", incidental=False, own=True),
        Completed(id="b", tool="check", title="check", result="11 open", incidental=False, own=True),
        Completed(id="a", tool="Bash", title="Bash: ls", error="denied"),
        Used(input_tokens=15, output_tokens=7, cost_usd=0.5),
        Ended(summary="Planned 3"),
    ]


def test_codex():
    """A command's exit code makes it failed; a turn has the tokens of the whole thread; a failed one is a failure."""
    assert translated(CODEX) == [
        Started(id="1", tool="command", title="command: ls"),
        Started(id="2", tool="check", title="check", incidental=False, own=True),
        Completed(id="2", tool="check", title="check", result="11 open", incidental=False, own=True),
        Completed(id="1", tool="command", title="command: ls", error="no"),
        Warned(text="Reconnecting... 1/5"),
        Said(text="Planned 3"),
        Used(input_tokens=10, output_tokens=1, cost_usd=None),
        Ended(),
        Used(input_tokens=20, output_tokens=2, cost_usd=None),
        Ended(),
        Ended(error="no credit"),
    ]


def test_gemini():
    """Its tools name their ids in both directions; its words come in pieces until something else comes."""
    assert translated(GEMINI) == [
        Started(id="1", tool="read_file", title="read_file: notes.md"),
        Started(id="2", tool="glob", title="glob"),
        Completed(id="2", tool="glob", title="glob", error="no such folder"),
        Completed(id="1", tool="read_file", title="read_file: notes.md", result="text"),
        Said(text="I look again."),
        Warned(text="Loop detected"),
        Said(text="Planned 3"),
        Used(input_tokens=4, output_tokens=2, cost_usd=None),
        Ended(),
    ]


def test_opencode():
    """A tool is told once, when it is over; each step has its own tokens, cached ones apart, and its own cost."""
    assert translated(OPENCODE) == [
        Started(id="1", tool="bash", title="bash: ls"),
        Completed(id="1", tool="bash", title="bash: ls", result="a b"),
        Started(id="2", tool="read", title="read"),
        Completed(id="2", tool="read", title="read", error="gone"),
        Used(input_tokens=16, output_tokens=6, cost_usd=0.25),
        Said(text="Planned 3"),
        Used(input_tokens=33, output_tokens=8, cost_usd=0.75),
        Warned(text="overloaded"),
    ]


def test_cursor():
    """The tool's name is the key of its call; whatever is no success failed; the limit of turns is said in words."""
    assert translated(CURSOR) == [
        Started(id="1", tool="read", title="read: a.md"),
        Completed(id="1", tool="read", title="read: a.md", result='{"content": "x"}'),
        Started(id="2", tool="shell", title="shell: ls"),
        Completed(id="2", tool="shell", title="shell: ls", error='{"message": "denied"}'),
        Ended(error="it stopped at its limit of turns"),
    ]


def test_agui():
    """Words that come in pieces are one message at its end."""
    assert translated(AGUI) == [
        Started(id="1", tool="look", title="look"),
        Completed(id="1", tool="look", title="look", result="seen"),
        Said(text="Planned 3"),
        Ended(error="boom"),
    ]


def test_native():
    """gradent's own form; numbers that cannot be are none, and what is not known is no event."""
    assert translated(NATIVE) == [
        Started(id="1", tool="check", title="Check", incidental=False),
        Completed(id="1", tool="check", title="", result='{"n": 2}', details=("a",), changed=False, incidental=False),
        Completed(id=None, tool="plan", error="it failed and gave no reason", incidental=False, own=True),
        Completed(id="2", tool="guess", error="no such tool", incidental=True),
        Used(input_tokens=0, output_tokens=4, cost_usd=None),
        Ended(summary="Fine", lines=("one",)),
        Ended(error="it said that it failed, and gave no reason"),
    ]


@pytest.mark.parametrize(
    ("line", "tool", "own"),
    [
        ('{"type":"tool_use","tool_name":"mcp_gradent_check","tool_id":"1"}', "check", True),
        ('{"type":"tool_use","tool_name":"mcp_files_read_file","tool_id":"1"}', "read_file", False),
        ('{"type":"tool_use","tool_name":"mcp____check","tool_id":"1"}', "check", False),
        ('{"type":"tool_use","part":{"tool":"gradent_check","state":{"status":"completed"}}}', "check", True),
        ('{"type":"tool_use","part":{"tool":"files_read","state":{"status":"completed"}}}', "files_read", False),
    ],
)
def test_our_tools_by_the_names_that_agents_give_them(line, tool, own):
    """Gemini CLI and OpenCode join server and tool in ways of their own; only ours can be told from others."""
    (begun, *_) = translated([line])
    assert (begun.tool, begun.own, begun.incidental) == (tool, own, not own)


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (
            '"subtype":"error_during_execution","errors":["no such session","try another"]',
            "no such session; try another",
        ),
        ('"subtype":"success","is_error":true,"errors":[],"result":"API Error: 529"', "API Error: 529"),
        ('"subtype":"success","is_error":true', "it ended with an error"),
        ('"subtype":"error_new"', "it ended with error_new"),
    ],
)
def test_why_claude_code_failed(result, error):
    """Its list of errors, or else its last words, or else how it calls that; a failure is never called a success."""
    assert translated([f'{{"type":"result",{result}}}']) == [Ended(error=error)]


@pytest.mark.parametrize(
    "lines",
    [
        ['{"type":"message","role":"assistant","content":"Half","delta":true}'],
        ['{"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":"Half"}'],
    ],
)
def test_what_was_being_said_when_the_stream_broke_off(lines):
    """It is told at the end of the stream, once."""
    translator = Translator()
    assert [translator.take(json.loads(line)) for line in lines] == [()]
    assert translator.end() == (Said(text="Half"),)
    assert translator.end() == ()


CORPUS = [json.loads(line) for lines in (CLAUDE, CODEX, GEMINI, OPENCODE, CURSOR, AGUI, NATIVE) for line in lines]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def spoilt(draw):
    """An object of the corpus in which something, at any depth, is something else."""
    value = json.loads(json.dumps(draw(st.sampled_from(CORPUS))))
    place = value
    while True:
        keys = [key for key in (place if isinstance(place, dict) else range(len(place))) if key != "type"]
        if not keys:
            return value
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        place[key] = draw(JSON)
        return value


def texts(event):
    for name in event.__slots__:
        value = getattr(event, name)
        yield from [value] if isinstance(value, str) else value if isinstance(value, tuple) else []


@given(st.lists(spoilt(), max_size=4))
def test_nothing_in_an_object_breaks_it(values):
    """Whatever stands where something else should: no exception, and texts of one line that can be kept and sent."""
    translator = Translator()
    for events in (*map(translator.take, values), translator.end()):
        for text in (text for event in events for text in texts(event)):
            assert "\n" not in text
            text.encode()


@pytest.mark.parametrize("kind", [None, 3, [], {}, True, "assistant", "tool_use", "item.completed", "tool_call"])
def test_an_object_with_nothing_in_it(kind):
    """A type alone, or one that is no text, is not an error."""
    assert not any(isinstance(event, Ended) for event in Translator().take({"type": kind}))


@pytest.mark.parametrize("figure", [10**400, -5, 1e308, float("inf"), float("nan"), "12", True, None])
def test_figures_that_cannot_be_meant(figure):
    """JSON knows numbers that no float holds. They are left out, and where there is no other, all of it is."""
    usage = {"type": "usage", "input_tokens": figure, "cost_usd": figure}
    assert Translator().take(usage) == ()
    assert Translator().take({**usage, "output_tokens": 7}) == (Used(input_tokens=0, output_tokens=7, cost_usd=None),)
    for line in (*CLAUDE, *CODEX, *GEMINI, *OPENCODE):
        spoilt = json.loads(line, parse_int=lambda _: figure, parse_float=lambda _: figure)
        assert not any(isinstance(event, Used) for event in Translator().take(spoilt))
