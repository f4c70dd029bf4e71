"""One thread for all tests: libraries that wait for each other turn seconds into minutes.

Set before torch is imported, and inherited by the commands that tests start.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["POLARS_MAX_THREADS"] = "2"
