from penchant.stores.sql.sealing import KEY_BYTES, SPENT, Vault, new_key


def test_what_was_sealed_comes_back_and_is_not_to_be_read():
    vault, key = Vault(b"secret"), new_key()
    for content in (["item 5", None, 2.5], {"city": "汉字\ud800"}, "", "x" * 5_000):
        sealed = vault.seal(key, "told", 7, content)
        assert vault.unseal(key, "told", 7, sealed) == content
        assert b"item" not in sealed


def test_no_two_places_and_no_two_keys_share_a_stream():
    vault, one, other = Vault(b"secret"), new_key(), new_key()
    sealed = {
        vault.seal(key, kind, number, "the same")
        for key in (one, other)
        for kind in ("event", "told")
        for number in (1, 2)
    }
    assert len(sealed) == 2 * 2 * 2
    assert len(one) == len(SPENT) == KEY_BYTES
    assert SPENT not in (one, other)


def test_digests_depend_on_the_secret_of_the_store():
    one, other = Vault(b"one"), Vault(b"other")
    assert one.blind("zoe") == Vault(b"one").blind("zoe") != other.blind("zoe")
    assert one.digest("e1") != other.digest("e1")
    assert len(one.blind("zoe")) == 16
    assert -(2**63) <= one.digest("e1") < 2**63


def test_what_was_asked_for_is_forgotten():
    vault = Vault(b"one")
    vault.blind("zoe")
    vault.digest("e1")
    vault.clear()
    assert vault.blind.cache_info().currsize == vault.digest.cache_info().currsize == 0
