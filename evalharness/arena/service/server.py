"""The arena's process: checks everything, then serves the page until it is interrupted."""

from collections.abc import Callable

from evalharness.arena.entrants import Entrants, check_entrants, load_entrants
from evalharness.arena.model_facts import write_facts
from evalharness.arena.service.app import make_app
from evalharness.arena.service.config import READ_S, ArenaConfig
from evalharness.arena.service.session import Session
from evalharness.arena.store import VoteStore
from evalharness.report.runs import load_runs
from evalharness.util.http.address import listen
from evalharness.util.http.serving import CONNECTIONS, run_server
from evalharness.util.text import counted

DRAIN_S = 5.0
"""Seconds after SIGTERM for requests that are being answered."""


def serve(config: ArenaConfig, log: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT. Raises UserError before it listens if the user must change something."""
    config.check()
    entrants = load_entrants(load_runs(config.runs, log), config.data) if config.runs else Entrants()
    check_entrants(entrants)
    store = VoteStore(config.votes)
    write_facts(store.folder, entrants.facts)
    session = Session(entrants, store, uniform=config.uniform, recorded=config.recorded)
    with listen(config.host, config.port, CONNECTIONS) as listener:
        host = f"[{config.host}]" if ":" in config.host else config.host
        log(
            f"{counted(len(entrants.facts), 'model')}, {counted(len(entrants.problems), 'problem')}, "
            f"{counted(len(store), 'vote')} so far; open http://{host}:{config.port}/"
            + ("#token=YOUR-TOKEN" if config.token else "")
        )
        run_server(make_app(session, config.limits), listener, READ_S, DRAIN_S)
    log(f"stopped; {counted(len(store), 'vote')} in {store.folder}")
