"""A local endpoint that implements the OpenAI API and fails as a test scripts it, one behavior per request."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from helpers import local_http
from helpers.local_http import QuietHandler


class Reply:
    """Sends the response to one request."""

    def __init__(self, handler: QuietHandler, body: dict[str, Any]) -> None:
        self.handler = handler
        self.body = body
        self.chat = "chat" in handler.path

    def plain(self, status: int, payload: Any, headers: Mapping[str, str] | None = None) -> None:
        """Sends a whole response; `payload` is sent as JSON, or unchanged if it is bytes."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.handler.answer(status, data, **{"content-type": "application/json", **(headers or {})})

    def start(self) -> None:
        """Sends the headers of an event stream."""
        self.handler.send_response(200)
        self.handler.send_header("content-type", "text/event-stream; charset=utf-8")
        self.handler.send_header("transfer-encoding", "chunked")
        self.handler.end_headers()

    def raw(self, data: bytes) -> None:
        """Sends one HTTP chunk, in one packet."""
        self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, payload: Any) -> None:
        """Sends one server-sent event."""
        self.raw(f"data: {json.dumps(payload)}\n\n".encode())

    def text(self, text: str | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
        """Returns a chunk with text in the format of the requested API."""
        content = {"delta": {"content": text, **more}} if self.chat else {"text": text}
        return {"choices": [{"index": 0, "finish_reason": finish, **content}]}

    def end(self) -> None:
        """Ends the response."""
        self.handler.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Closes the connection in the middle of the response."""
        self.handler.close_connection = True
        self.handler.connection.shutdown(socket.SHUT_RDWR)


Behavior = Callable[[Reply], None]


def answer_with(
    *texts: str,
    usage: tuple[int, int] | None = (7, 5),
    finish: str | None = "stop",
    delay_s: float = 0.0,
    done: bool = True,
) -> Behavior:
    """Sends a complete answer, one chunk per text if the request asks for streaming."""
    counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1]} if usage else None

    def behave(reply: Reply) -> None:
        if not reply.body.get("stream"):
            content = {"message": {"content": "".join(texts)}} if reply.chat else {"text": "".join(texts)}
            time.sleep(delay_s)
            reply.plain(200, {"choices": [{"index": 0, "finish_reason": finish, **content}], "usage": counts})
            return
        reply.start()
        reply.event({**reply.text(""), "usage": None})
        for text in texts:
            time.sleep(delay_s)
            reply.event(reply.text(text))
        if finish:
            reply.event(reply.text(None, finish))
        if counts and reply.body.get("stream_options"):
            reply.event({"choices": [], "usage": counts})
        if done:
            reply.raw(b"data: [DONE]\n\n")
        reply.end()

    return behave


def http_error(status: int, message: str = "no", **headers: str) -> Behavior:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda reply: reply.plain(status, {"error": {"message": message}}, named)


def disconnect(*texts: str) -> Behavior:
    """Sends the texts, then closes the connection."""

    def behave(reply: Reply) -> None:
        reply.start()
        for text in texts:
            reply.event(reply.text(text))
        reply.cut()

    return behave


def send_stream(*blocks: bytes) -> Behavior:
    """Sends a stream of exactly these blocks, one packet each."""

    def behave(reply: Reply) -> None:
        reply.start()
        for block in blocks:
            reply.raw(block)
        reply.end()

    return behave


def wait(seconds: float) -> Behavior:
    return lambda reply: time.sleep(seconds)


def sequence(*behaviors: Behavior) -> Behavior:
    """Applies all behaviors to one request, in order."""

    def behave(reply: Reply) -> None:
        for behavior in behaviors:
            behavior(reply)

    return behave


@dataclass
class Endpoint:
    """What the server will do, and what it received."""

    url: str
    script: list[Behavior] = field(default_factory=list)
    """The behaviors for the next requests, in order; then `default` applies."""
    default: Behavior = field(default_factory=lambda: answer_with("ok"))
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    dropped: threading.Event = field(default_factory=threading.Event)
    """Set when a client closes the connection during an answer."""
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def respond_with(self, *behaviors: Behavior) -> None:
        """Adds behaviors for the next requests."""
        self.script.extend(behaviors)

    def handle(self, handler: QuietHandler) -> None:
        body = json.loads(handler.body())
        with self.lock:
            self.bodies.append(body)
            self.paths.append(handler.path)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            self.times.append(time.perf_counter())
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            behave = self.script.pop(0) if self.script else self.default
        try:
            behave(Reply(handler, body))
        except OSError:
            self.dropped.set()
            handler.close_connection = True
        finally:
            with self.lock:
                self.in_flight -= 1


@contextmanager
def serving() -> Iterator[Endpoint]:
    """Runs an endpoint on a free local port."""

    class Handler(QuietHandler):
        def respond(self) -> None:
            endpoint.handle(self)

    with local_http.serving(Handler) as url:
        endpoint = Endpoint(f"{url}/v1")
        yield endpoint


def events(payloads: Iterable[Any], line_end: str = "\n") -> bytes:
    """Returns server-sent events with this line end, and [DONE] at the end."""
    payload_texts = [*(json.dumps(payload, ensure_ascii=False) for payload in payloads), "[DONE]"]
    return "".join(f"data: {data}{line_end}{line_end}" for data in payload_texts).encode()
