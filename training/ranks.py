"""One run on several processes: each takes its rows of every batch, and all of them take the same step."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from retrieval.errors import BadArgument

PATIENCE = timedelta(hours=3)
"""How long a process waits for another: the first reads corpora and measures while the others wait."""
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ranks:
    """One process among those of a run.

    Args:
        rank: its number, from 0; the first one shows progress, measures and writes.
        count: of processes.
        device: where this one computes.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = _CPU

    @property
    def main(self) -> bool:
        """Whether this is the process that shows, measures and writes."""
        return self.rank == 0

    def rows(self, size: int, what: str = "batch") -> slice:
        """The rows of this process in a batch of ``size``.

        Raises:
            BadArgument: when the rows cannot be shared out evenly.
        """
        if size % self.count:
            raise BadArgument(
                f"a {what} of {size} cannot be shared evenly by {self.count} processes; choose a multiple of them"
            )
        own = size // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def gathered(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows of all processes in order, ``[count * n, …]``, without a gradient."""
        if self.count == 1:
            return rows
        parts = [torch.empty_like(rows, device=self.device) for _ in range(self.count)]
        dist.all_gather(parts, rows.detach().to(self.device).contiguous())
        return torch.cat(parts).to(rows.device)

    def gathered_with_gradient(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows of all processes in order; each gets back the gradient that its rows have in all their losses."""
        return rows if self.count == 1 else torch.cat(torch.unbind(_Gather.apply(rows, self.rank, self.count)))

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over all processes of a tensor, without a gradient."""
        if self.count == 1:
            return values
        total = values.detach().to(self.device, copy=True)
        dist.all_reduce(total)
        return total / self.count

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes, all in one exchange."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def same(self, tensors: Sequence[torch.Tensor]) -> None:
        """Overwrite tensors by those of the first process."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.count > 1:
            dist.barrier()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The first process goes through the body alone, then the others: they find the files that it wrote."""
        if not self.main:
            self.wait()
        yield
        if self.main:
            self.wait()


class _Gather(torch.autograd.Function):
    """``[n, …]`` of each process to ``[count, n, …]``. open_clip's way to it is one that torch is giving up."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, rank: int, count: int) -> torch.Tensor:
        ctx.rank = rank
        parts = [torch.empty_like(rows) for _ in range(count)]
        dist.all_gather(parts, rows.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        total = grad_outputs[0].contiguous()
        dist.all_reduce(total)
        return total[ctx.rank], None, None


def join_ranks() -> Ranks:
    """Join the processes that ``torchrun`` started, by NCCL where there are GPUs, else by Gloo; alone without it."""
    cuda = torch.cuda.is_available()
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Ranks(device=torch.device("cuda" if cuda else "cpu"))
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else _CPU
    if cuda:
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    return Ranks(dist.get_rank(), dist.get_world_size(), device)


def leave_ranks() -> None:
    """Part from the other processes, where there are some."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
