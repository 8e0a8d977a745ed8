"""Replicas of a network that compute losses and gradients in parallel, each in its own process.

Threads of one process would wait for each other, because much of a forward pass of a small network is spent in Python.
"""

import contextlib
import copy
import pickle
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize

import torch
import torch.multiprocessing
from torch import Tensor

from evalharness.diffusion.network import Transformer
from evalharness.errors import InfrastructureError, UserError
from evalharness.training.batches import TrainingBatch
from evalharness.training.objectives import Losses, compute_joint_loss, token_losses
from evalharness.training.recipe import Objective
from evalharness.util.text import error_text


@dataclass(frozen=True)
class LossRequest:
    """A request to a replica to compute the losses of training batches.

    Each batch is given with the seed of its random masks. `answer_token_count` is the divisor of the gradients; None
    requests losses without gradients.
    """

    batches: Sequence[tuple[int, TrainingBatch]]
    objective: Objective
    answer_token_count: int | None


class Replica:
    """One copy of the trained network, which accumulates gradients."""

    def __init__(self, network: Transformer, gradients: Sequence[Tensor], compile: bool) -> None:
        self.network = network
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter.grad = gradient
        self.token_losses = token_losses
        if compile:
            for layer in network.layers:
                layer.compile(dynamic=True)
            self.token_losses = torch.compile(token_losses, dynamic=True)

    def compute_losses(self, request: LossRequest) -> list[Losses]:
        """Returns the losses of the requested batches; accumulates their gradients if `answer_token_count` is given."""
        losses_of_batches = []
        for seed, batch in request.batches:
            generator = torch.Generator().manual_seed(seed)
            with (
                torch.set_grad_enabled(request.answer_token_count is not None),
                _select_fast_cpu_attention(batch.tokens.device),
            ):
                losses = compute_joint_loss(self.network, batch, request.objective, generator, self.token_losses)
                if request.answer_token_count is not None:
                    (losses.total / request.answer_token_count).backward()  # type: ignore[no-untyped-call]
            losses_of_batches.append(replace(losses, total=losses.total.detach()))
        return losses_of_batches


class ReplicaPool:
    """Data-parallel training with `count` copies of a network in `dtype`, each in its own process.

    A single copy runs in this process. Raises UserError if the C++ compiler that `compile` needs is missing, or if
    processes cannot be started.
    """

    def __init__(self, model: Transformer, count: int, dtype: torch.dtype, compile: bool) -> None:
        if compile and not any(shutil.which(name) for name in ("g++", "clang++")):
            raise UserError(
                "the recipe has compile: true, which needs a C++ compiler; install g++, or set compile: false"
            )
        self.model = model
        self.networks = [copy.deepcopy(model).to(dtype) for _ in range(count)]
        self.gradients = [[torch.zeros_like(p) for p in network.parameters()] for network in self.networks]
        self._here = Replica(self.networks[0], self.gradients[0], compile) if count == 1 else None
        self.processes: list[BaseProcess] = []
        self._connections: list[Connection] = []
        if count > 1:
            context = torch.multiprocessing.get_context("spawn")
            for network, gradients in zip(self.networks, self.gradients, strict=True):
                own_end, other_end = context.Pipe()
                # Network and gradients are passed as shared memory.
                process = context.Process(
                    target=_serve_loss_requests, args=(other_end, network, gradients, compile), daemon=True
                )
                try:
                    process.start()
                except (RuntimeError, OSError) as error:
                    raise UserError(
                        f"{count} training processes cannot be started ({error_text(error)}); enlarge /dev/shm, or set "
                        "processes: 1 in the recipe"
                    ) from None
                other_end.close()
                self.processes.append(process)
                self._connections.append(own_end)
            # Runs before multiprocessing terminates the processes by SIGTERM, which they ignore.
            Finalize(self, _close_connections, (self._connections,), exitpriority=0)

    def compute_losses(
        self,
        seeds_and_batches: Sequence[tuple[int, TrainingBatch]],
        objective: Objective,
        answer_token_count: int | None,
    ) -> list[Losses]:
        """Returns the losses of training batches, in order; each batch is given with the seed of its random masks.

        Unless `answer_token_count` is None, the replicas also compute gradients, divided by that number;
        `gather_gradients` then collects them. Raises InfrastructureError if a process has ended unexpectedly.
        """
        count = len(self.networks)
        for network in self.networks:
            with torch.no_grad():
                torch._foreach_copy_(list(network.parameters()), list(self.model.parameters()))
        requests = [
            LossRequest(seeds_and_batches[index::count], objective, answer_token_count) for index in range(count)
        ]
        if self._here is not None:
            return self._here.compute_losses(requests[0])
        losses_by_batch: list[Losses | None] = [None] * len(seeds_and_batches)
        try:
            for connection, request in zip(self._connections, requests, strict=True):
                connection.send_bytes(pickle.dumps(request))
            for index, connection in enumerate(self._connections):
                losses_by_batch[index::count] = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            raise InfrastructureError(
                "a training process ended unexpectedly; run the same command again to resume from the last checkpoint"
            ) from None
        return [losses for losses in losses_by_batch if losses is not None]

    @torch.no_grad()
    def gather_gradients(self) -> None:
        """Sets the trained network's gradients to the sum of the replicas' gradients, then sets the latter to zero."""
        for whole, *parts in zip(self.model.parameters(), *self.gradients, strict=True):
            whole.grad = torch.stack([part.float() for part in parts]).sum(0)
        for gradients in self.gradients:
            torch._foreach_zero_(gradients)


def _close_connections(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.close()


def _serve_loss_requests(
    connection: Connection, network: Transformer, gradients: Sequence[Tensor], compile: bool
) -> None:
    """Runs a replica in its own process: answers loss requests until the training process closes the connection.

    SIGINT, SIGTERM and SIGUSR1 are ignored here, because the training process handles them.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    replica = Replica(network, gradients, compile)
    while True:
        try:
            request = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        answer = pickle.dumps(replica.compute_losses(request))
        with contextlib.suppress(OSError):  # the other end is closed: the next receive ends the loop
            connection.send_bytes(answer)


@contextlib.contextmanager
def _select_fast_cpu_attention(device: torch.device) -> Iterator[None]:
    """A context manager that, on a CPU, selects attention by plain matrix products: faster for short sequences."""
    if device.type != "cpu":
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    with sdpa_kernel(SDPBackend.MATH):
        yield
