"""The tree of errors that Penchant raises on purpose.

Every leaf is also a built-in that a caller would expect (`ValueError`, `KeyError`, …). A message
says what must hold, what was found and where, and how to mend it. The command line and the server
map this tree to exit codes and status codes, each in one place.
"""

from __future__ import annotations


class PenchantError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message
        What must hold and what was found, where.
    hint
        How to mend it, one sentence; shown on a line of its own.
    """

    code = "error"
    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(PenchantError, ValueError):
    """A file, a column or a value from outside is not what it must be."""

    code = "bad_input"


class MissingFileError(PenchantError, FileNotFoundError):
    """A file or directory that was named does not exist."""

    code = "missing_file"

    __str__ = PenchantError.__str__


class UnknownItemError(PenchantError, KeyError):
    """An item id is not in the vocabulary."""

    code = "unknown_item"

    __str__ = PenchantError.__str__


class UnknownUserError(PenchantError, KeyError):
    """A user id is not in the prepared data."""

    code = "unknown_user"

    __str__ = PenchantError.__str__


class ConfigError(PenchantError, ValueError):
    """A setting is unknown, of the wrong type, or out of range."""

    code = "bad_config"


class ShapeError(PenchantError, ValueError):
    """Two tensors that must agree in shape do not."""

    code = "bad_shape"


class CorruptBundleError(PenchantError, ValueError):
    """A bundle, run or data set is incomplete, altered, or written by a newer version."""

    code = "corrupt_bundle"


class OutputExistsError(PenchantError, FileExistsError):
    """The place to write to is taken."""

    code = "output_exists"

    __str__ = PenchantError.__str__


class TrainingDivergedError(PenchantError, ArithmeticError):
    """The loss is no longer a finite number."""

    code = "training_diverged"


class TrainingInterrupted(PenchantError, KeyboardInterrupt):  # noqa: N818  as KeyboardInterrupt
    """A training was asked to stop; it can be resumed."""

    code = "interrupted"
    exit_code = 130


class StaleMemoryError(PenchantError, RuntimeError):
    """A memory was put with a revision that is no longer the newest."""

    code = "stale_memory"


class StaleDocumentError(PenchantError, RuntimeError):
    """A setting was put with a revision that is no longer the newest."""

    code = "stale_document"


class CorruptStoreError(PenchantError, ValueError):
    """A store is damaged, is none, or was written by a newer version."""

    code = "corrupt_store"


class UsageError(PenchantError, ValueError):
    """Options that do not go together, or a command called in a way it does not know."""

    code = "usage"
    exit_code = 2


class EnvironmentFault(PenchantError, OSError):  # noqa: N818  EnvironmentError is taken
    """The surroundings fail: network, disk, port."""

    code = "environment"
    exit_code = 3

    __str__ = PenchantError.__str__


class MissingExtraError(PenchantError, ImportError):
    """An optional part is not installed."""

    code = "missing_extra"
    exit_code = 3
