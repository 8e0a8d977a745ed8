"""A local endpoint that implements the OpenAI API and fails as a test scripts it, one behavior per request."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Reply:
    """Sends the response to one request."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        self.handler = handler
        self.body = body
        self.chat = "chat" in handler.path

    def plain(self, status: int, payload: Any, headers: Mapping[str, str] | None = None) -> None:
        """Sends a whole response; `payload` is sent as JSON, or unchanged if it is bytes."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.handler.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.handler.send_header(name, value)
        self.handler.send_header("content-length", str(len(data)))
        self.handler.end_headers()
        self.handler.wfile.write(data)

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

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            endpoint.handle(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Does nothing: a client may close the connection between two requests."""

    server = Server(("127.0.0.1", 0), Handler)
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    """Returns a local port that no server listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def events(payloads: Iterable[Any], line_end: str = "\n") -> bytes:
    """Returns server-sent events with this line end, and [DONE] at the end."""
    payload_texts = [*(json.dumps(payload, ensure_ascii=False) for payload in payloads), "[DONE]"]
    return "".join(f"data: {data}{line_end}{line_end}" for data in payload_texts).encode()
