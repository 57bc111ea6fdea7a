"""An OpenAI-compatible server on loopback: chat completions, and the responses by which OpenAI's own models are asked.

Both are as https://platform.openai.com/docs/api-reference has them.

`script` is what the model does, one answer a request: words, tool calls, or an `Answer` that breaks something. A
function of the request takes its place where the model has to look at what it was told.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.street.server import Answer, Request, Server, serving

Call = tuple[str, Any]
"""A tool and its input; text stands as it is, as if a model had written it."""
Turn = str | Call | list[Call] | Answer
KEY = "sk-street-4f7a9c2e1b"
TOKENS = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}


@dataclass
class OpenAI:
    """`asked` are the bodies of the requests, `keys` what they were signed with; `ids` are those of its calls.

    When the script is at its end, its last answer is given again.
    """

    server: Server
    script: Sequence[Turn] | Callable[[dict[str, Any]], Turn] = ("Nothing to do.",)
    key: str | None = None
    tokens: dict[str, int] | None = field(default_factory=lambda: dict(TOKENS))
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.server.answer = self._answer

    @property
    def url(self) -> str:
        return f"{self.server.url}/v1"

    @property
    def tools(self) -> list[str]:
        """Those that the model was last offered."""
        return [each["function"]["name"] for each in self.asked[-1].get("tools", [])]

    def told(self) -> list[Any]:
        """What the tools have answered by the last request, as the model sees it."""
        return [_json(each["content"]) for each in self.asked[-1]["messages"] if each["role"] == "tool"]

    def _answer(self, request: Request) -> Answer:
        complete = {"/v1/chat/completions": self._completion, "/v1/responses": self._response}.get(request.path)
        if complete is None:
            return failing(404, "Not Found")
        self.keys.append({name.lower(): value for name, value in request.headers.items()}.get("authorization", ""))
        if self.key is not None and self.keys[-1] != f"Bearer {self.key}":
            return failing(401, f"Incorrect API key provided: {self.keys[-1]}")
        body = request.json
        self.asked.append(body)
        if callable(self.script):
            turn = self.script(body)
        else:
            turn = self.script[min(len(self.asked), len(self.script)) - 1]
        return turn if isinstance(turn, Answer) else complete(body, turn)

    def _completion(self, body: dict[str, Any], turn: str | Call | list[Call]) -> Answer:
        message: dict[str, Any] = {"role": "assistant", "content": turn}
        if not isinstance(turn, str):
            calls = turn if isinstance(turn, list) else [turn]
            message = {"role": "assistant", "content": None, "tool_calls": [self._call(*each) for each in calls]}
        document = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": body["model"],
            "choices": [
                {"index": 0, "message": message, "finish_reason": "stop" if isinstance(turn, str) else "tool_calls"}
            ],
        }
        if self.tokens is not None:
            document["usage"] = self.tokens
        return Answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _response(self, body: dict[str, Any], turn: str | Call | list[Call]) -> Answer:
        output: list[dict[str, Any]] = []
        if isinstance(turn, str):
            content = [{"type": "output_text", "text": turn, "annotations": []}]
            output.append({"type": "message", "id": "msg_1", "role": "assistant", "content": content})
        for tool, given in [] if isinstance(turn, str) else turn if isinstance(turn, list) else [turn]:
            id = f"call_{next(self.ids)}"
            call = {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": tool}
            output.append({**call, "arguments": given if isinstance(given, str) else json.dumps(given)})
        document = {
            "id": "resp_1",
            "object": "response",
            "created_at": 1_790_000_000,
            "model": body["model"],
            "status": "completed",
            "output": [{**each, "status": "completed"} for each in output],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": TOKENS["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": TOKENS["completion_tokens"],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": TOKENS["total_tokens"],
            },
        }
        return Answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _call(self, tool: str, given: Any) -> dict[str, Any]:
        arguments = given if isinstance(given, str) else json.dumps(given)
        return {"id": f"call_{next(self.ids)}", "type": "function", "function": {"name": tool, "arguments": arguments}}


def failing(status: int, message: str, **headers: str) -> Answer:
    """A refusal as the servers word it."""
    body = {"error": {"message": message, "type": "invalid_request_error", "code": None}}
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})


@contextmanager
def language_model() -> Iterator[OpenAI]:
    with serving() as server:
        yield OpenAI(server)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
