"""Copies of the network that compute losses and gradients of batches side by side, each in a process of its own.

Threads of one process would wait for each other: much of a pass of a small network is spent in Python.
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
from evalharness.training.batches import Batch
from evalharness.training.objectives import Losses, joint_loss, token_losses
from evalharness.training.recipe import Objective
from evalharness.util.text import error_text


@dataclass(frozen=True)
class Order:
    """Batches to compute the losses of, each with the seed of its masks; gradients over `answered` tokens, if given."""

    batches: Sequence[tuple[int, Batch]]
    objective: Objective
    answered: int | None


class Replica:
    """One copy of the network and where its gradients are added up."""

    def __init__(self, network: Transformer, gradients: Sequence[Tensor], compile: bool) -> None:
        self.network = network
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter.grad = gradient
        self.token_losses = token_losses
        if compile:
            for layer in network.layers:
                layer.compile(dynamic=True)
            self.token_losses = torch.compile(token_losses, dynamic=True)

    def losses(self, order: Order) -> list[Losses]:
        """The losses of the batches; their gradients are added, if the order asks for them."""
        found = []
        for seed, batch in order.batches:
            generator = torch.Generator().manual_seed(seed)
            with torch.set_grad_enabled(order.answered is not None), _attention(batch.tokens.device):
                losses = joint_loss(self.network, batch, order.objective, generator, self.token_losses)
                if order.answered is not None:
                    (losses.total / order.answered).backward()  # type: ignore[no-untyped-call]
            found.append(replace(losses, total=losses.total.detach()))
        return found


class Replicas:
    """`count` copies of a network in the type `dtype`: one in this process, or several in processes of their own.

    Raises UserError if they are to be compiled and there is no compiler, or if processes cannot be started.
    """

    def __init__(self, model: Transformer, count: int, dtype: torch.dtype, compile: bool) -> None:
        if compile and not any(shutil.which(name) for name in ("g++", "clang++")):
            raise UserError("compile: true needs a C++ compiler; install g++, or set compile: false")
        self.model = model
        self.networks = [copy.deepcopy(model).to(dtype) for _ in range(count)]
        self.gradients = [[torch.zeros_like(p) for p in network.parameters()] for network in self.networks]
        self._here = Replica(self.networks[0], self.gradients[0], compile) if count == 1 else None
        self.processes: list[BaseProcess] = []
        self._connections: list[Connection] = []
        if count > 1:
            context = torch.multiprocessing.get_context("spawn")
            for network, gradients in zip(self.networks, self.gradients, strict=True):
                ours, theirs = context.Pipe()
                # Network and gradients reach the process as memory that both share.
                process = context.Process(target=_serve, args=(theirs, network, gradients, compile), daemon=True)
                try:
                    process.start()
                except (RuntimeError, OSError) as error:
                    raise UserError(
                        f"processes: {count} cannot be started ({error_text(error)}); enlarge /dev/shm, or set "
                        "processes: 1"
                    ) from None
                theirs.close()
                self.processes.append(process)
                self._connections.append(ours)
            # Hung up before multiprocessing would end them by the signal that they leave to this process.
            Finalize(self, _hang_up, (self._connections,), exitpriority=0)

    def losses(self, batches: Sequence[tuple[int, Batch]], objective: Objective, answered: int | None) -> list[Losses]:
        """The losses of batches, each given with the seed of its masks, in their order.

        With `answered`, their gradients over that number are left for `gather`. Raises InfrastructureError if a
        process has died.
        """
        count = len(self.networks)
        for network in self.networks:
            with torch.no_grad():
                torch._foreach_copy_(list(network.parameters()), list(self.model.parameters()))
        orders = [Order(batches[which::count], objective, answered) for which in range(count)]
        if self._here is not None:
            return self._here.losses(orders[0])
        found: list[Losses | None] = [None] * len(batches)
        try:
            for connection, order in zip(self._connections, orders, strict=True):
                connection.send_bytes(pickle.dumps(order))
            for which, connection in enumerate(self._connections):
                found[which::count] = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            raise InfrastructureError("a process of the training died; train again to resume") from None
        return [losses for losses in found if losses is not None]

    @torch.no_grad()
    def gather(self) -> None:
        """Moves the sum of the replicas' gradients to the network."""
        for whole, *parts in zip(self.model.parameters(), *self.gradients, strict=True):
            whole.grad = torch.stack([part.float() for part in parts]).sum(0)
        for gradients in self.gradients:
            torch._foreach_zero_(gradients)


def _hang_up(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.close()


def _serve(connection: Connection, network: Transformer, gradients: Sequence[Tensor], compile: bool) -> None:
    """Answers orders until the other end is closed. Signals are for the process that trains."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    replica = Replica(network, gradients, compile)
    while True:
        try:
            order = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        answer = pickle.dumps(replica.losses(order))
        with contextlib.suppress(OSError):  # nobody waits for it any more, which the next order tells
            connection.send_bytes(answer)


@contextlib.contextmanager
def _attention(device: torch.device) -> Iterator[None]:
    """On a CPU, attention as plain products: for a few hundred positions it is faster than the fused kernel."""
    if device.type != "cpu":
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)
    with sdpa_kernel(SDPBackend.MATH):
        yield
