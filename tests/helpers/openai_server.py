"""A local endpoint that speaks the OpenAI API and misbehaves on demand: each request runs the next act of a script."""

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
    """How an act answers the request it was called for."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        self.handler = handler
        self.body = body
        self.chat = "chat" in handler.path

    def plain(self, status: int, payload: Any, headers: Mapping[str, str] | None = None) -> None:
        """A whole response; `payload` as JSON, or as it is if it is bytes."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.handler.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.handler.send_header(name, value)
        self.handler.send_header("content-length", str(len(data)))
        self.handler.end_headers()
        self.handler.wfile.write(data)

    def start(self) -> None:
        self.handler.send_response(200)
        self.handler.send_header("content-type", "text/event-stream; charset=utf-8")
        self.handler.send_header("transfer-encoding", "chunked")
        self.handler.end_headers()

    def raw(self, data: bytes) -> None:
        """One HTTP chunk, hence one packet."""
        self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, payload: Any) -> None:
        self.raw(f"data: {json.dumps(payload)}\n\n".encode())

    def text(self, text: str | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
        """A chunk that carries text, in the form of the API that was asked."""
        held = {"delta": {"content": text, **more}} if self.chat else {"text": text}
        return {"choices": [{"index": 0, "finish_reason": finish, **held}]}

    def end(self) -> None:
        self.handler.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Drops the connection in the middle of the response."""
        self.handler.close_connection = True
        self.handler.connection.shutdown(socket.SHUT_RDWR)


Act = Callable[[Reply], None]


def say(
    *texts: str,
    usage: tuple[int, int] | None = (7, 5),
    finish: str | None = "stop",
    delay_s: float = 0.0,
    done: bool = True,
) -> Act:
    """A good answer in as many chunks as there are texts, streamed if asked to."""
    counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1]} if usage else None

    def act(reply: Reply) -> None:
        if not reply.body.get("stream"):
            held = {"message": {"content": "".join(texts)}} if reply.chat else {"text": "".join(texts)}
            time.sleep(delay_s)
            reply.plain(200, {"choices": [{"index": 0, "finish_reason": finish, **held}], "usage": counts})
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

    return act


def refuse(status: int, message: str = "no", **headers: str) -> Act:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda reply: reply.plain(status, {"error": {"message": message}}, named)


def break_off(*texts: str) -> Act:
    """Sends some text, then drops the connection."""

    def act(reply: Reply) -> None:
        reply.start()
        for text in texts:
            reply.event(reply.text(text))
        reply.cut()

    return act


def send(*blocks: bytes) -> Act:
    """A stream of exactly these bytes, one packet each."""

    def act(reply: Reply) -> None:
        reply.start()
        for block in blocks:
            reply.raw(block)
        reply.end()

    return act


def pause(seconds: float) -> Act:
    return lambda reply: time.sleep(seconds)


def in_turn(*steps: Act) -> Act:
    """All steps on one request, one after the other."""

    def act(reply: Reply) -> None:
        for step in steps:
            step(reply)

    return act


@dataclass
class Endpoint:
    """What the server is to do and what it saw."""

    url: str
    script: list[Act] = field(default_factory=list)
    """The acts of the next requests, in order; then `otherwise`."""
    otherwise: Act = field(default_factory=lambda: say("ok"))
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    dropped: threading.Event = field(default_factory=threading.Event)
    """Set once a client hung up on an answer."""
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def play(self, *acts: Act) -> None:
        self.script.extend(acts)

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        with self.lock:
            self.bodies.append(body)
            self.paths.append(handler.path)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            self.times.append(time.perf_counter())
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            act = self.script.pop(0) if self.script else self.otherwise
        try:
            act(Reply(handler, body))
        except OSError:
            self.dropped.set()
            handler.close_connection = True
        finally:
            with self.lock:
                self.in_flight -= 1


@contextmanager
def serving() -> Iterator[Endpoint]:
    """An endpoint on a free port of this machine."""

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
            """A client that hangs up between two requests is no error."""

    server = Server(("127.0.0.1", 0), Handler)
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def events(payloads: Iterable[Any], line_end: str = "\n") -> bytes:
    """Server-sent events with the given line end, and the closing [DONE]."""
    datas = [*(json.dumps(payload, ensure_ascii=False) for payload in payloads), "[DONE]"]
    return "".join(f"data: {data}{line_end}{line_end}" for data in datas).encode()
