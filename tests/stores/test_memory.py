from penchant.stores import InProcessStore, LoggedEvent, Outcome

from .contract import StoreContract


class TestInProcessStore(StoreContract):
    def make_store(self, tmp_path):
        return InProcessStore()


def test_tombstones_hold_no_user_id():
    store = InProcessStore(key=b"k" * 32)
    store.append(LoggedEvent("zoe@example.org", "a", 10, "e1"))
    store.forget("zoe@example.org", now_ms=20)
    assert "zoe" not in repr(vars(store))


def test_what_was_read_does_not_change_with_the_store():
    store = InProcessStore()
    store.append(LoggedEvent("u1", "a", 10, "e1"))
    before = store.events("u1")
    outcome, _ = store.append(LoggedEvent("u1", "b", 11, "e2"))
    assert outcome is Outcome.ACCEPTED
    assert len(before) == 1
