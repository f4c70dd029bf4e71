import json
import random

import numpy as np
import torch

from penchant.seeds import seed_everything
from penchant.training.random_states import random_states, restore_random_states


def draw():
    return random.random(), np.random.normal(), float(torch.randn(1)), random.gauss(0, 1)  # noqa: NPY002


def test_restored_generators_draw_the_same_numbers():
    seed_everything(4)
    draw()
    tensors, plain = random_states()
    expected = draw()
    seed_everything(5)
    restore_random_states(tensors, json.loads(json.dumps(plain)))
    assert draw() == expected
