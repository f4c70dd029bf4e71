"""How commands speak: tables and lines for people, one JSON document for scripts.

A person's text goes to standard output, and to standard error when `--json` has claimed standard
output.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def jsonable(value: Any) -> Any:
    """Return a value as JSON can hold it: NaN and infinities become null.

    Examples
    --------
    >>> jsonable({"a": (1.5, float("nan")), 2: {"x"}})
    {'a': [1.5, None], '2': ['x']}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, dict):
        return {str(key): jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(entry) for entry in value]
    if hasattr(value, "item"):  # a NumPy scalar
        return jsonable(value.item())
    return str(value)


def print_document(body: dict[str, Any]) -> None:
    """Print the one document of `--json`; letters are escaped where the output cannot hold them."""
    takes_all = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    content = jsonable({"schema": 1, **body})
    print(json.dumps(content, ensure_ascii=not takes_all, allow_nan=False), flush=True)


class Output:
    """The voice of one command.

    Parameters
    ----------
    as_json
        Standard output belongs to one document; all else goes to standard error.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self._stream = sys.stderr if as_json else sys.stdout
        self._console: Console | None = None

    @property
    def on_terminal(self) -> bool:
        """Whether a person reads along."""
        return self._stream.isatty()

    def console(self) -> Console:
        """Return the console that people read."""
        if self._console is None:
            from rich.console import Console

            width = None if self.on_terminal else 120
            self._console = Console(file=self._stream, width=width, highlight=False, soft_wrap=True)
        return self._console

    def line(self, text: str = "") -> None:
        """Print a line of text."""
        if self.on_terminal:
            self.console().print(text, markup=False)
        else:
            print(text, file=self._stream, flush=True)

    def heading(self, text: str) -> None:
        """Print a line that opens a section."""
        self.line()
        if self.on_terminal:
            self.console().print(text, style="bold", markup=False)
        else:
            print(text, file=self._stream, flush=True)

    def warn(self, text: str) -> None:
        """Print a warning on standard error."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        """Print a table; columns of numbers are set to the right."""
        texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
        right = [
            bool(rows) and all(isinstance(row[i], int | float) or _numeric(row[i]) for row in rows)
            for i in range(len(columns))
        ]
        if title:
            self.heading(title)
        if self.on_terminal:
            self._rich_table(columns, texts, right)
        else:
            for text in plain_table(columns, texts, right):
                print(text, file=self._stream)

    def _rich_table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]
    ) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for column, is_right in zip(columns, right, strict=True):
            table.add_column(column, justify="right" if is_right else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console().print(table)

    def document(self, body: dict[str, Any]) -> None:
        """Print the document of `--json`; nothing otherwise."""
        if self.as_json:
            print_document(body)


def _numeric(cell: Any) -> bool:
    text = str(cell).strip().rstrip("%").replace(",", "").replace(" ", "")
    return bool(text) and (text[0].isdigit() or text[0] in "-+.") and text[-1].isdigit()


def plain_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]
) -> list[str]:
    """Return the lines of a table.

    Examples
    --------
    >>> plain_table(["item", "score"], [["a", "1.5"], ["bcd", "12"]], [False, True])
    ['item  score', '----  -----', 'a       1.5', 'bcd      12']
    """
    lines = [list(columns), [], *rows]
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    lines[1] = ["-" * width for width in widths]
    set_cells = [
        [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ]
        for row in lines
    ]
    return ["  ".join(row).rstrip() for row in set_cells]
