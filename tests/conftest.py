"""One thread for all tests: libraries that wait for each other turn seconds into minutes.

Set before torch is imported, and inherited by the commands that tests start. Drawn cases have no
deadline of their own: on a busy machine it would tell how busy it is.
"""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["POLARS_MAX_THREADS"] = "2"

settings.register_profile("house", deadline=None)
settings.load_profile("house")
