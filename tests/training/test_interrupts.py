import os
import signal
import threading

import pytest

from penchant.training.interrupts import InterruptFlag


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with InterruptFlag():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_second_interrupt_ends_at_once():
    with InterruptFlag() as flag:
        os.kill(os.getpid(), signal.SIGINT)
        assert flag.is_set
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_outside_of_the_main_thread_nothing_is_caught():
    found = []

    def enter():
        with InterruptFlag() as flag:
            found.append(flag.is_set)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [False]
