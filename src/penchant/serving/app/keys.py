"""API keys: who may do what. A file holds a keyed hash of each, never the key.

A key is 32 random bytes, so that guessing it is out of reach of any number of hashes; what a slow
hash adds for passwords it would only take from every request here.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from penchant.errors import InputError, MissingFileError, UsageError

ROLES: Final = ("read", "write", "admin")
"""Each may do what those before it may."""
PREFIX: Final = "pk"
KIND: Final = "api_keys"
FORMAT: Final = 1
LOOK_S: Final = 1.0
"""A file that changed counts after so long: a key that was taken away is refused by then."""


@dataclass(frozen=True, slots=True)
class Key:
    """Whoever asks.

    Parameters
    ----------
    id
        Names the key in logs; says nothing of its secret.
    rate_limit
        Requests a second; `None` for what the service was started with.
    """

    id: str
    role: str
    rate_limit: float | None = None

    def may(self, role: str) -> bool:
        """Say whether this key has a role, or one above it."""
        return ROLES.index(self.role) >= ROLES.index(role)


LOCAL: Final = Key("local", "admin")
"""Everybody, where no keys are asked for."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the file has it."""

    id: str
    role: str
    salt: str
    digest: str
    created_at: int
    rate_limit: float | None = None

    def is_of(self, secret: str) -> bool:
        """Say whether this is the key with a secret."""
        return hmac.compare_digest(_digest(secret, self.salt), self.digest)

    @property
    def key(self) -> Key:
        """Who asks with it."""
        return Key(self.id, self.role, self.rate_limit)


class KeyFile:
    """The keys of a file; one that changes is read again.

    Parameters
    ----------
    path
        Made by `create_key`.

    Raises
    ------
    MissingFileError, InputError
        When there is none, or it holds no keys.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._stamp, self._looked_s = self._stamped(), time.monotonic()
        self._keys = {key.id: key for key in read_keys(self.path)}
        if not self._keys:
            raise InputError(
                f"{path} must hold a key, and holds none.",
                f"Make one: penchant keys create --role write --file {path}",
            )

    def find(self, text: str) -> Key | None:
        """Return whose key this is, `None` where it is nobody's."""
        self._look()
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        stored = self._keys.get(key_id)
        if prefix != PREFIX or stored is None or not stored.is_of(secret):
            return None
        return stored.key

    def _look(self) -> None:
        """Read the file again where it changed; one that cannot be read changes nothing."""
        now = time.monotonic()
        if now - self._looked_s < LOOK_S:
            return
        with self._lock:
            self._looked_s = now
            try:
                stamp = self._stamped()
                if stamp != self._stamp:
                    self._keys = {key.id: key for key in read_keys(self.path)}
                    self._stamp = stamp
            except (InputError, MissingFileError):
                return

    def _stamped(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError:
            raise _no_file(self.path) from None
        return found.st_mtime_ns, found.st_ino


def create_key(path: str | Path, role: str, rate_limit: float | None = None) -> str:
    """Add a key to a file, made where there is none; return the key, which is told this once.

    Raises
    ------
    UsageError
        When there is no such role.
    """
    if role not in ROLES:
        raise UsageError(f'--role must be read, write or admin but is "{role}".')
    place = Path(path)
    kept = read_keys(place) if place.exists() else []
    secret, salt = secrets.token_urlsafe(32), secrets.token_hex(32)
    key_id = secrets.token_hex(4)
    now = int(time.time())
    _write(place, [*kept, StoredKey(key_id, role, salt, _digest(secret, salt), now, rate_limit)])
    return f"{PREFIX}_{key_id}_{secret}"


def revoke_key(path: str | Path, key_id: str) -> None:
    """Take a key out of a file.

    Raises
    ------
    InputError
        When it holds no such key.
    """
    place = Path(path)
    kept = read_keys(place)
    left = [key for key in kept if key.id != key_id]
    if len(left) == len(kept):
        known = ", ".join(key.id for key in kept) or "none"
        raise InputError(f'{path} has no key "{key_id}".', f"It has: {known}.")
    _write(place, left)


def read_keys(path: str | Path) -> list[StoredKey]:
    """Return the keys of a file, without their secrets.

    Raises
    ------
    MissingFileError, InputError
        When there is none, or it is no file of keys.
    """
    try:
        stored: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError:
        raise _no_file(path) from None
    except ValueError:
        stored = None
    try:
        if stored["kind"] == KIND and stored["format"] == FORMAT:
            return [StoredKey(**each) for each in stored["keys"]]
    except (KeyError, TypeError):
        pass
    raise InputError(f"{path} is no file of API keys.", "Make one: penchant keys create --file …")


def _no_file(path: str | Path) -> MissingFileError:
    return MissingFileError(
        f"There is no file of API keys at {path}.",
        f"Make one: penchant keys create --role write --file {path}",
    )


def _write(path: Path, keys: list[StoredKey]) -> None:
    """Replace a file in one step; nobody but its owner may read it."""
    body = {"kind": KIND, "format": FORMAT, "keys": [asdict(key) for key in keys]}
    part = path.with_name(f"{path.name}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(body, file, indent=2)
    part.replace(path)


def _digest(secret: str, salt: str) -> str:
    return hashlib.blake2b(secret.encode(), key=bytes.fromhex(salt), digest_size=32).hexdigest()
