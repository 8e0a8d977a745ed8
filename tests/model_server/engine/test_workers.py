"""Rows that join and leave batches in several threads: each ends as it does alone, and none is lost."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
import torch
from helpers.own_engine import until
from helpers.tiny_network import END, MASK, new_row, tiny_model
from hypothesis import given
from hypothesis import strategies as st

from evalharness.diffusion.autoregression import decode_autoregressively
from evalharness.diffusion.network import Transformer
from evalharness.diffusion.rows import Sampler
from evalharness.diffusion.serving.batch import ContinuousBatch
from evalharness.diffusion.serving.tokens import AutoregressiveDecoder
from evalharness.model_server.engine.job import JobUpdate
from evalharness.model_server.engine.workers import (
    REPORT_S,
    REPORTS_PER_S,
    JobUpdates,
    ScheduledJob,
    WorkerPool,
    min_progress_report_interval_s,
)

SAMPLER = Sampler(banned=(MASK,))
ENDLESS = Sampler(banned=(MASK, END))


class Reports:
    """Takes the reports of all threads."""

    def __init__(self) -> None:
        self.updates: list[tuple[ScheduledJob, JobUpdate]] = []
        self.threads: dict[ScheduledJob, set[str]] = {}

    def __call__(self, updates: JobUpdates) -> None:
        self.updates += updates
        for entry, _ in updates:
            self.threads.setdefault(entry, set()).add(threading.current_thread().name)

    def ended(self) -> dict[ScheduledJob, JobUpdate]:
        return {entry: update for entry, update in self.updates if update.outcome or update.error}


@contextmanager
def opened(model: Transformer, count: int, concurrency: int) -> Iterator[tuple[WorkerPool, Reports]]:
    reports = Reports()
    workers = WorkerPool(lambda: ContinuousBatch(model), count, concurrency, reports)
    yield workers, reports
    workers.close()
    workers.close()


def entry(seed: int, limit: int, sampler: Sampler = SAMPLER, wide: bool = True) -> ScheduledJob:
    prompt = torch.randint(3, 40, (1 + seed % 7,), generator=torch.Generator().manual_seed(seed)).tolist()
    decoder = AutoregressiveDecoder(new_row(prompt, limit), sampler)
    decoder.wide = wide
    return ScheduledJob(decoder, time.perf_counter(), lambda update: None)


def test_every_row_ends_as_it_does_alone_in_one_of_the_threads() -> None:
    model = tiny_model()
    entries = [entry(seed, 3 + seed % 9) for seed in range(40)]
    with opened(model, 3, 5) as (workers, reports):
        for first in range(0, 40, 8):
            workers.add_jobs(entries[first : first + 8])
            assert workers.running_count <= 5
        until(lambda: len(reports.ended()) == 40, 60)
        until(lambda: workers.running_count == 0, 5)
    for one in entries:
        alone = new_row(one.decoder.row.prompt, one.decoder.row.stop_checker.limit)
        decode_autoregressively(model, [alone], SAMPLER)
        assert one.decoder.row.output == alone.output
        tokens = [token for of, update in reports.updates if of is one for token in update.tokens]
        assert tokens == alone.output
        assert len(reports.threads[one]) == 1
    assert set().union(*reports.threads.values()) == {"engine-0", "engine-1", "engine-2"}


def test_rows_are_spread_evenly_and_leave_when_their_client_does() -> None:
    with opened(tiny_model(), 2, 8) as (workers, reports):
        entries = [entry(seed, 10**6, ENDLESS) for seed in range(10)]
        workers.add_jobs(entries)
        until(lambda: workers.running_count == 8, 20)
        assert [worker.rows for worker in workers._workers] == [4, 4]
        workers.cancel_jobs([*entries[8:], *entries[:3]])  # two that wait, and three that run
        until(lambda: workers.running_count == 5, 20)
        workers.cancel_jobs(entries)
        until(lambda: workers.running_count == 0, 20)
        workers.add_jobs([entry(1, 2)])
        until(lambda: len(reports.ended()) == 1, 20)


def test_rows_with_few_tokens_per_pass_share_a_batch() -> None:
    with opened(tiny_model(), 2, 8) as (workers, _):
        narrow = [entry(seed, 10**6, ENDLESS, wide=False) for seed in range(4)]
        wide = [entry(seed, 10**6, ENDLESS) for seed in range(4)]
        workers.add_jobs([*narrow, *wide])
        until(lambda: workers.running_count == 8, 20)
        assert {one.worker for one in narrow} == {workers._workers[0]}
        assert [worker.rows for worker in workers._workers] == [4, 4]
        workers.cancel_jobs([*narrow, *wide])
        until(lambda: workers.running_count == 0, 20)


def test_a_failed_pass_ends_the_rows_of_its_batch_with_an_error(capsys: object) -> None:
    bad = entry(1, 5)
    bad.decoder.row.prompt[:] = [1000, 5]  # there is no such token
    with opened(tiny_model(), 1, 2) as (workers, reports):
        workers.add_jobs([bad])
        until(lambda: bool(reports.ended()), 20)
        assert "index out of range" in reports.ended()[bad].error
        good = entry(2, 4)
        workers.add_jobs([good])
        until(lambda: good in reports.ended(), 20)
        assert reports.ended()[good].outcome is not None


def test_the_threads_respect_the_number_of_threads_of_pytorch() -> None:
    """oneDNN's packed products, which do not ask PyTorch, would use all cores in a new thread."""
    counted = subprocess.run([sys.executable, "-c", COUNT_THREADS], capture_output=True, text=True, check=True)
    before, after = map(int, counted.stdout.split())
    assert after == before


COUNT_THREADS = """
import os, threading, torch
from evalharness.model_server.engine.workers import WorkerPool
if not torch._C._has_mkldnn:
    raise SystemExit(print(0, 0))
torch.set_num_threads(1)
packed, x = torch.ops.mkldnn._reorder_linear_weight(torch.randn(4096, 256), 32), torch.randn(128, 256)
counts, done = [], threading.Event()
class Probe:
    size = 0
    def step(self):
        for _ in range(2):
            counts.append(len(os.listdir("/proc/self/task")))
            torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
        done.set()
        return []
    def close(self): pass
class Once:
    decoder, worker, arrival_time, wide = None, None, 0.0, False
Once.decoder = Once
probe = Probe()
probe.add = lambda decoder, start: None
workers = WorkerPool(lambda: probe, 1, 1, print)
workers.add_jobs([Once()])
done.wait(30)
print(*counts[:2])
workers.close()
"""


@pytest.mark.parametrize(("every_pass", "streamed"), [(True, True), (False, True), (False, False)])
def test_progress_is_reported_as_often_as_a_client_reads_it(every_pass: bool, streamed: bool) -> None:
    model = tiny_model()
    with opened(model, 1, 1) as (workers, reports):
        one = entry(1, 200, ENDLESS)
        one.every_pass, one.streamed = every_pass, streamed
        workers.add_jobs([one])
        until(lambda: len(reports.ended()) == 1, 60)
    updates = [update for _, update in reports.updates]
    assert [token for update in updates for token in update.tokens] == one.decoder.row.output
    assert updates[-1].outcome is not None
    assert updates[-1].outcome.first_s == one.first_s
    if every_pass:
        assert len(updates) == 200
    elif streamed:
        assert len(updates[0].tokens) == 1  # the first token at once
        assert len(updates) > 2
        assert all(later.pass_s - earlier.pass_s >= REPORT_S for earlier, later in pairwise(updates[:-1]))
    else:
        assert len(updates) == 1


@given(running=st.integers(0, 1000))
def test_reports_are_apart_and_bounded_together(running: int) -> None:
    assert min_progress_report_interval_s(running) >= REPORT_S
    assert running / min_progress_report_interval_s(running) <= REPORTS_PER_S * (1 + 1e-9)
