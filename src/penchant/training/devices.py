"""Where a training runs: the device and the number of threads."""

from __future__ import annotations

import torch

from penchant.errors import EnvironmentFault


def choose_device(name: str = "auto") -> torch.device:
    """Return a device by name; `auto` is a CUDA device where there is one, else the processor.

    Raises
    ------
    EnvironmentFault
        When the named device is not there.

    Notes
    -----
    Apple's `mps` is none of them: the streaming attention sums decays in float64, which it lacks.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    available = torch.cuda.device_count() if device.type == "cuda" else 1
    if (device.index or 0) >= available:
        raise EnvironmentFault(
            f"training.device is {name}, but this machine has {available} {device.type} devices.",
            "Say training.device=auto or cpu.",
        )
    return device


def use_threads(num_threads: int) -> int:
    """Let torch use so many threads (0: leave its own choice) and return how many it uses."""
    if num_threads:
        torch.set_num_threads(num_threads)
    return torch.get_num_threads()
