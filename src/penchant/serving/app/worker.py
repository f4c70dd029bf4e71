"""What each process of `penchant serve` runs: the application from the environment's settings."""

from __future__ import annotations

from typing import Any

import torch

from penchant.serving.app.door import build_app
from penchant.serving.app.logs import log_in_lines
from penchant.serving.app.service import Service
from penchant.serving.app.settings import ServeSettings


def app_from_environment() -> Any:
    """Return the application; one thread of arithmetic, since requests share the cores."""
    settings = ServeSettings.from_environment()
    log_in_lines(settings.log_requests)
    torch.set_num_threads(1)
    return build_app(Service(settings))
