"""Where torch's random streams stand, on this process and on all of them."""

from __future__ import annotations

import torch

from training.ranks import Ranks

Chance = dict[str, torch.Tensor]
_APART = 1_000_003
"""Between the seeds of two processes."""


def chance(device: torch.device) -> Chance:
    """Where the random streams stand that a forward pass draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_chance(states: Chance, device: torch.device) -> None:
    """Put the random streams back where they stood."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


def chance_of_all(ranks: Ranks) -> Chance:
    """The streams of all processes, a row ``[bytes]`` for each."""
    return {name: ranks.gathered(state[None]) for name, state in chance(ranks.device).items()}


def set_own_chance(states: Chance, ranks: Ranks) -> bool:
    """Go on with this process's row of ``chance_of_all``; false where the run was on another number of processes."""
    if len(states["cpu"]) != ranks.count:
        return False
    # Copies: of a view, torch reads the bytes before it, and may crash.
    set_chance({name: rows[ranks.rank].clone() for name, rows in states.items()}, ranks.device)
    return True


def part_chance(seed: int, ranks: Ranks) -> None:
    """Give every process but the first, which goes on with its own, a stream apart from the others."""
    if not ranks.main:
        torch.manual_seed(seed + _APART * ranks.rank)
