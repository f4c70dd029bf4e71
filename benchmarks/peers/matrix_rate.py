"""Prints the rate of a large float32 matrix product, the measure of the machine."""

from __future__ import annotations

import json
import statistics
import sys
import time

import torch

SIZE = 4096


def main() -> None:
    """Print billions of floating-point operations a second, the median of five."""
    torch.set_num_threads(int(sys.argv[1]))
    left, right = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    out = left @ right
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(left, right, out=out)
        spent.append(time.perf_counter() - start)
    print(json.dumps({"gflops": 2 * SIZE**3 / statistics.median(spent) / 1e9}))


if __name__ == "__main__":
    main()
