import pytest
import torch

from penchant.errors import EnvironmentFault
from penchant.training.devices import choose_device, use_threads


def test_auto_is_a_device_that_is_there():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device().type == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_device_that_is_missing_is_refused_by_name():
    with pytest.raises(EnvironmentFault, match=r"device is cuda:1, but this machine has 0 cuda"):
        choose_device("cuda:1")


def test_no_number_of_threads_leaves_torch_alone():
    before = torch.get_num_threads()
    assert use_threads(0) == before
