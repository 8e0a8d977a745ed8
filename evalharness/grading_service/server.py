"""The process of the grading service: on SIGTERM it stops listening, grades what it has accepted, and ends."""

from collections.abc import Callable
from contextlib import closing

from evalharness.grading_service.app import make_app
from evalharness.grading_service.config import ServiceConfig
from evalharness.grading_service.grading import GradingPool
from evalharness.sandbox.factory import open_sandbox
from evalharness.util.http.address import open_listening_socket
from evalharness.util.http.serving import MAX_CONNECTIONS, AllAnswered, run_server
from evalharness.util.text import counted


def serve(config: ServiceConfig, log: Callable[[str], None]) -> AllAnswered:
    """Runs the grading service until SIGTERM or SIGINT; returns whether all accepted samples were graded.

    Raises UserError for invalid settings, before the service accepts requests.
    """
    config.check()
    sandbox = open_sandbox(config.sandbox, config.workers, config.options, log)
    with closing(GradingPool(sandbox, config.data)) as pool:
        for task in config.tasks:
            pool.load_task(task, {})
        app = make_app(config, pool)
        listener = open_listening_socket(config.host, config.port, MAX_CONNECTIONS)
        log(f"listening on http://{config.host}:{config.port}, grading {counted(sandbox.workers, 'sample')} at a time")
        run_server(app, listener, config.read_s, config.drain_s)
        drained = not app.state.cut_short
        log(
            "stopped; all accepted samples were graded" if drained else "stopped; some accepted samples were not graded"
        )
        return drained
