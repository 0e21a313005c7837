"""One process or several: torch's DistributedDataParallel under `torchrun`, with one GPU per process, or on the CPU."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

__all__ = ["Processes"]


@dataclass(frozen=True)
class Processes:
    """The processes of a run.

    Attributes
    ----------
    rank : int
        Number of this one, 0 for the first.
    number : int
    """

    rank: int
    number: int

    @classmethod
    def here(cls) -> Processes:
        """Join the processes that `torchrun` started; without `torchrun`, there is only this one."""
        number = int(os.environ.get("WORLD_SIZE", "1"))
        if number == 1:
            return cls(0, 1)
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(distributed.get_rank(), number)

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def device(self, wanted: torch.device) -> torch.device:
        """Return the device of this process: each process has its own GPU."""
        if self.number > 1 and wanted.type == "cuda":
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return wanted

    def parallel(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Wrap a network so that gradients are averaged over the processes."""
        if self.number == 1:
            return network
        return DistributedDataParallel(network, device_ids=[device.index] if device.type == "cuda" else None)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.number > 1:
            distributed.barrier()
