"""The model server's process: on SIGTERM it stops listening, answers accepted requests, and exits."""

from collections.abc import Callable
from contextlib import closing

from evalharness.model_server.app import make_app
from evalharness.model_server.config import ServerConfig
from evalharness.model_server.engine.factory import open_engine
from evalharness.model_server.playground.problems import PlaygroundProblems
from evalharness.util.http.address import open_listening_socket
from evalharness.util.http.serving import MAX_CONNECTIONS, AllAnswered, run_server


def serve(config: ServerConfig, log: Callable[[str], None]) -> AllAnswered:
    """Runs the model server until SIGTERM or SIGINT; returns whether every accepted request was answered.

    Raises UserError for invalid settings, before the server accepts requests.
    """
    config.check()
    listener = open_listening_socket(config.host, config.port, MAX_CONNECTIONS)
    with (
        closing(listener),
        closing(PlaygroundProblems(config, log)) as problems,
        closing(open_engine(config, log)) as engine,
    ):
        app = make_app(config, engine, problems)
        address = f"http://{config.host}:{config.port}"
        log(
            f"listening on {address}/v1; model {engine.name}, decoding method {engine.decoding_methods[0]}; "
            f"playground: {address}/"
        )
        run_server(app, listener, config.read_s, config.drain_s)
        answered = not app.state.cut_short
        log("stopped; all requests were answered" if answered else "stopped; some requests were not answered")
        return answered
