"""Several processes of one run, on this machine, by Gloo."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import torch.multiprocessing as mp


def together(count: int, work: Callable[..., None], *args: Any) -> None:
    """Run ``work(*args)`` in so many processes at once, each with the environment that torchrun would give it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(_one, (count, port, work, args), nprocs=count)


def _one(rank: int, count: int, port: int, work: Callable[..., None], args: tuple[Any, ...]) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "CUDA_VISIBLE_DEVICES": "",
    }
    from training.ranks import leave_ranks

    work(*args)
    leave_ranks()
