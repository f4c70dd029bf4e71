import pytest

from .small import small_data


@pytest.fixture(scope="session")
def data():
    return small_data()
