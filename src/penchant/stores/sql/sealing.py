"""What of a user is kept unreadable without the user's own key, so that erasing it erases all.

Engines leave copies of deleted rows where nobody can reach them: in unused parts of pages, in
logs, in files not yet vacuumed. A key of sixteen bytes at a fixed place can be overwritten. It
stands beside what it seals: this is no protection from somebody who reads the store of a user who
was not forgotten.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from functools import lru_cache
from typing import Any, Final

KEY_BYTES: Final = 16
SPENT: Final = bytes(KEY_BYTES)
"""What stands in the place of the key of a forgotten user."""


class Vault:
    """Digests and seals under the secret of one store.

    Parameters
    ----------
    secret
        Of the store; digests of the same text under another are others.

    Examples
    --------
    >>> vault = Vault(b"secret")
    >>> key = new_key()
    >>> vault.unseal(key, "event", 7, vault.seal(key, "event", 7, ["item 5", None]))
    ['item 5', None]
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.digest = lru_cache(maxsize=2**16)(self._digest)
        self.blind = lru_cache(maxsize=2**16)(self._blind)

    def _blind(self, user_id: str) -> bytes:
        """Return the sixteen bytes that stand for a user."""
        return hashlib.blake2b(_bytes(user_id), key=self._secret, digest_size=16).digest()

    def clear(self) -> None:
        """Forget which ids were asked for."""
        self.digest.cache_clear()
        self.blind.cache_clear()

    def _digest(self, text: str) -> int:
        """Return a signed number of 64 bits that stands for the id of an event, item or request."""
        found = hashlib.blake2b(_bytes(text), key=self._secret, digest_size=8, person=b"id")
        return int.from_bytes(found.digest(), signed=True)

    def seal(self, key: bytes, kind: str, number: int, content: Any) -> bytes:
        """Return JSON values under a user's key.

        Parameters
        ----------
        kind, number
            No two contents under the same key may share both: the stream that hides a content is
            made of these.
        """
        clear = json.dumps(content, separators=(",", ":")).encode("ascii")
        return _mixed(clear, key, kind, number)

    def unseal(self, key: bytes, kind: str, number: int, sealed: bytes) -> Any:
        """Return what was sealed."""
        return json.loads(_mixed(sealed, key, kind, number))


def new_key() -> bytes:
    """Return a key for a user; never `SPENT`."""
    return secrets.token_bytes(KEY_BYTES - 1) + b"\x01"


def _mixed(text: bytes, key: bytes, kind: str, number: int) -> bytes:
    """Return a text under a stream of SHAKE-128, which is its own inverse."""
    size = len(text)
    label = key + kind.encode("ascii") + number.to_bytes(8)
    stream = hashlib.shake_128(label).digest(size)
    return (int.from_bytes(text) ^ int.from_bytes(stream)).to_bytes(size)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
