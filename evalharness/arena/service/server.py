"""The process of the arena's voting page: validates everything, then serves HTTP until it is interrupted."""

from collections.abc import Callable
from contextlib import ExitStack, closing

from evalharness.arena.entrants import check_entrants_are_comparable, load_entrants
from evalharness.arena.live import open_live_models
from evalharness.arena.measurements import write_measurements
from evalharness.arena.service.app import make_app
from evalharness.arena.service.config import READ_S, ArenaConfig
from evalharness.arena.service.session import VotingSession
from evalharness.arena.store import VoteStore
from evalharness.report.runs import load_runs
from evalharness.sandbox.factory import open_sandbox
from evalharness.util.http.address import open_listening_socket
from evalharness.util.http.serving import MAX_CONNECTIONS, run_server
from evalharness.util.text import counted

DRAIN_S = 5.0
"""Seconds after SIGTERM in which pending requests are still answered."""


def serve(config: ArenaConfig, log: Callable[[str], None]) -> None:
    """Serves the arena's voting page until SIGTERM or SIGINT. Raises UserError for invalid settings at the start."""
    config.check()
    runs = load_runs(config.runs, log) if config.runs else []
    entrants = load_entrants(runs, config.data)
    store = VoteStore(config.votes)
    if not config.live:
        check_entrants_are_comparable(entrants)
        return _serve_session(
            config, VotingSession(entrants, store, uniform=config.uniform, recorded=config.recorded), log
        )
    with ExitStack() as stack:
        sandbox = None
        if config.sandbox:
            sandbox = stack.enter_context(closing(open_sandbox(config.sandbox, config.workers, {}, log)))
        live = open_live_models(
            config.live, entrants, runs, store.folder, config.task, config.data, config.options, log
        )
        stack.enter_context(closing(live))
        check_entrants_are_comparable(entrants)
        if sandbox:
            live.enable_grading(sandbox)
        session = VotingSession(
            entrants, store, uniform=config.uniform, recorded=config.recorded, ask=live.ask_live_models
        )
        return _serve_session(config, session, log)


def _serve_session(config: ArenaConfig, session: VotingSession, log: Callable[[str], None]) -> None:
    """Stores the models' pass@1 and speeds in the votes folder, then serves the voting page until SIGTERM or SIGINT."""
    entrants, store = session.entrants, session.store
    write_measurements(store.folder, entrants.measurements)
    with open_listening_socket(config.host, config.port, MAX_CONNECTIONS) as listener:
        host = f"[{config.host}]" if ":" in config.host else config.host
        log(
            f"{counted(len(entrants.measurements), 'model')}, {counted(len(entrants.problems), 'problem')}, "
            f"{counted(len(store), 'vote')} so far; open http://{host}:{config.port}/"
            + ("#token=YOUR-TOKEN" if config.token else "")
        )
        run_server(make_app(session, config.limits), listener, READ_S, DRAIN_S)
    log(f"stopped; {counted(len(store), 'vote')} in {store.folder}")
