"""Batch normalisation over the pages of all processes, so that a run on several is the run on one.

On GPUs torch's own ``SyncBatchNorm`` does this; it knows no CPUs, so what stands here takes its place there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from timm.layers.norm_act import convert_sync_batchnorm
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from retrieval.errors import BadArgument
from training.ranks import Ranks


class _Sum(torch.autograd.Function):
    """The sum over all processes. Each one's loss depends on it, so gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> torch.Tensor:
        total = grad_outputs[0].clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation of ``[n, channels, …]`` whose mean and variance are those of all processes' rows."""

    def _check_input_dim(self, input: torch.Tensor) -> None:  # noqa: A002  # torch's name
        if input.dim() < 2:
            raise ValueError(f"expected [n, channels, …], got {list(input.shape)}")

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002  # torch's name
        """Normalised values, of the same shape."""
        if not self.training:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        wide = input.float()
        axes = [axis for axis in range(input.dim()) if axis != 1]
        shape = [1, -1] + [1] * (input.dim() - 2)
        count = wide.numel() // wide.shape[1] * dist.get_world_size()
        mean = _sum(wide.sum(axes)) / count
        centred = wide - mean.view(shape)
        variance = _sum(centred.square().sum(axes)) / count
        self._keep(mean.detach(), variance.detach() * count / max(1, count - 1))
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return (centred * scale.view(shape) + self.bias.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _keep(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        share = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def share_batch_norms(model: nn.Module, ranks: Ranks) -> None:
    """Let every batch normalisation of a model see the pages of all processes; its parameters stay the same ones."""
    if ranks.count == 1:
        return
    if ranks.device.type == "cuda":
        convert_sync_batchnorm(model)  # timm's, which knows its own kinds too
        return
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, _shared(child))


@contextmanager
def unmoved_statistics(model: nn.Module) -> Iterator[None]:
    """Leave the running statistics of a training model as they are: what is seen here is seen again."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _sum(values: torch.Tensor) -> torch.Tensor:
    total = _Sum.apply(values)
    assert isinstance(total, torch.Tensor)  # noqa: S101  # torch types it as anything
    return total


def _shared(norm: _BatchNorm) -> SharedBatchNorm:
    if type(norm) not in (nn.BatchNorm1d, nn.BatchNorm2d):
        raise BadArgument(f"{type(norm).__name__} cannot be shared by processes on CPUs; train it on GPUs, or on one")
    shared = SharedBatchNorm(norm.num_features, norm.eps, norm.momentum)
    shared.weight, shared.bias = norm.weight, norm.bias
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        setattr(shared, name, getattr(norm, name))
    shared.training = norm.training
    return shared
