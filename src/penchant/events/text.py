"""Text files looked through once before they are parsed: encoding, line lengths, shape.

The pass runs in blocks of a megabyte, so neither a long file nor a long line needs memory. What
it finds wrong is named with its line; the parser behind it then meets well-formed input only.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penchant.errors import InputError

MAX_LINE_BYTES = 1 << 20
DELIMITERS = (",", "\t", ";", "|")
RECBOLE_TYPES = ("token", "token_seq", "float", "float_seq")


@dataclass(frozen=True)
class TextForm:
    """How a delimited file is laid out.

    Parameters
    ----------
    delimiter
        One character or more.
    names
        Of the columns; `0`, `1`, … where there is no header.
    has_header
        Whether the first line holds names.
    num_skipped_lines
        Lines before the first row: blank ones, on both sides of the header, and the header.
    is_quoted
        Whether fields in double quotes occur; otherwise a quote is a character like others.
    has_blank_lines
        Whether empty lines stand between the rows.
    num_rows
        Rows, without the header and blank lines.
    is_typed
        Whether the header carried types (`user_id:token`), which `names` no longer has.
    """

    delimiter: str
    names: tuple[str, ...]
    has_header: bool
    num_skipped_lines: int
    is_quoted: bool
    has_blank_lines: bool
    num_rows: int
    is_typed: bool


def text_blocks(path: Path, shown: str) -> Iterator[tuple[int, bytes]]:
    """Yield (number of the first line, whole lines) of a file, checked to be sane UTF-8 text.

    Raises
    ------
    InputError
        When the file is empty, holds NUL bytes or invalid UTF-8, or a line is over a megabyte.
    """
    line, rest = 1, b""
    with path.open("rb") as file:
        while chunk := file.read(MAX_LINE_BYTES):
            chunk = rest + chunk
            cut = chunk.rfind(b"\n") + 1
            block, rest = chunk[:cut], chunk[cut:]
            if block:
                _check_encoding(block, line, shown)
                yield line, block
                line += block.count(b"\n")
            if len(rest) > MAX_LINE_BYTES:
                _check_encoding(rest[:MAX_LINE_BYTES], line, shown, is_cut=True)
                raise InputError(
                    f"{shown}, line {line} is longer than {MAX_LINE_BYTES:,} bytes.",
                    "A line must hold one row; check that the file has line ends.",
                )
    if rest:
        _check_encoding(rest, line, shown)
        yield line, rest


def _check_encoding(block: bytes, line: int, shown: str, is_cut: bool = False) -> None:
    nul = block.find(b"\0")
    if nul >= 0:
        line += block.count(b"\n", 0, nul)
        raise InputError(
            f"{shown} is not a text file: line {line} has a NUL byte.",
            "Give a CSV, TSV, JSON Lines or Parquet file, named by its suffix.",
        )
    if block.isascii():
        return
    try:
        codecs.getincrementaldecoder("utf-8")().decode(block, final=not is_cut)
    except UnicodeDecodeError as error:
        line += block.count(b"\n", 0, error.start)
        column = error.start - block.rfind(b"\n", 0, error.start)
        raise InputError(
            f"{shown}, line {line} is not UTF-8 text: byte {column} of the line is "
            f"0x{block[error.start]:02x}.",
            "Save the file as UTF-8 (iconv -f LATIN1 -t UTF-8).",
        ) from None


def inspect_delimited(
    path: Path, shown: str, delimiter: str | None = None, has_header: bool = True
) -> TextForm:
    """Look through a delimited file and return its form.

    Raises
    ------
    InputError
        When the text is not sane, the header names a column twice, there are no rows, or a row
        has more or fewer fields than the others.
    """
    blocks = text_blocks(path, shown)
    first = next(blocks, (1, b""))[1]
    head = _head(first).split("\n")
    lines = [line for line in head if line]
    if not lines:
        raise InputError(f"{shown} is empty.", "It must hold a header and one row a line.")
    if "\r" in lines[0]:
        raise InputError(
            f"{shown}, line {head.index(lines[0]) + 1} has a carriage return that ends no line.",
            "End lines with a line feed (tr '\\r' '\\n').",
        )
    chosen = _sniff(lines[:50], shown) if delimiter is None else delimiter
    fields = _split(lines[0], chosen)
    names, is_typed = _header(fields, shown) if has_header else (_numbered(fields), False)
    check = _Widths(shown, chosen, len(names))
    check.count(itertools.chain([(1, first)], blocks))
    num_rows = check.num_rows - has_header
    if num_rows < 1:
        raise InputError(f"{shown} has a header but no rows.", "Add one row a line below it.")
    with_text = [number for number, line in enumerate(head) if line]
    num_skipped = with_text[has_header] if len(with_text) > has_header else with_text[0] + 1
    return TextForm(
        chosen,
        names,
        has_header,
        num_skipped,
        check.is_quoted,
        check.num_blank > 0,
        num_rows,
        is_typed,
    )


def _head(block: bytes) -> str:
    return block.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")


def _split(line: str, delimiter: str) -> list[str]:
    if len(delimiter) > 1:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter))


def _sniff(lines: list[str], shown: str) -> str:
    """Choose the delimiter whose header has known names, then the one whose lines agree."""

    def merit(delimiter: str) -> tuple[int, float, int, bool]:
        widths = [len(_split(line.replace("\r", ""), delimiter)) for line in lines]
        known = {"user_id", "item_id", "timestamp", "position"}
        found = sum(n.split(":")[0].strip() in known for n in _split(lines[0], delimiter))
        share = widths.count(widths[0]) / len(widths) if widths[0] > 1 else 0.0
        return found, share, widths[0], delimiter == "\t" and ".tsv" in shown

    return max(DELIMITERS, key=merit)


def _numbered(fields: list[str]) -> tuple[str, ...]:
    return tuple(str(index) for index in range(len(fields)))


def _header(fields: list[str], shown: str) -> tuple[tuple[str, ...], bool]:
    names = [field.strip() for field in fields]
    is_typed = all(name.rpartition(":")[2] in RECBOLE_TYPES for name in names)
    if is_typed:
        names = [name.rpartition(":")[0] for name in names]
    names = [name or f"column_{index}" for index, name in enumerate(names)]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(
                f"{shown}, line 1 names the column {name} twice.", "Each name must stand once."
            )
    return tuple(names), is_typed


@dataclass
class _Widths:
    """Counts the fields of every line, and the lines."""

    shown: str
    delimiter: str
    width: int
    num_rows: int = 0
    num_blank: int = 0
    is_quoted: bool = False

    def count(self, blocks: Iterator[tuple[int, bytes]]) -> None:
        """Go through all blocks; from the first quoted field on, through the `csv` module."""
        opens = re.compile(rb"(?:\A|\n|" + re.escape(self.delimiter.encode()) + rb')"')
        for number, block in blocks:
            text = block.removeprefix(codecs.BOM_UTF8) if number == 1 else block
            if len(self.delimiter) == 1 and b'"' in text and opens.search(text):
                self.is_quoted = True
                self._count_quoted(number, itertools.chain([(number, text)], blocks))
                return
            if not self._count_even(text):
                self._count_lines(number, text)

    def _count_even(self, block: bytes) -> bool:
        """Count a block in which all lines have the right width; any other is left alone."""
        if len(self.delimiter) > 1 or self.width == 1:
            return False
        data = np.frombuffer(block, np.uint8)
        ends = data[(data == ord("\n")) | (data == ord(self.delimiter))] == ord("\n")
        if not block.endswith(b"\n"):
            ends = np.append(ends, True)
        num_rows, odd = divmod(len(ends), self.width)
        if odd or ends.sum() != num_rows or not ends[self.width - 1 :: self.width].all():
            return False
        self.num_rows += num_rows
        return True

    def _count_lines(self, number: int, block: bytes) -> None:
        mark = self.delimiter.encode()
        for offset, line in enumerate(block.removesuffix(b"\n").split(b"\n")):
            if line in (b"", b"\r"):
                self.num_blank += 1
            else:
                self._expect(line.count(mark) + 1, number + offset)

    def _count_quoted(self, number: int, blocks: Iterator[tuple[int, bytes]]) -> None:
        taken: list[str] = []  # the lines of the row that is being read
        reader = csv.reader(_tee(_lines(blocks), taken), delimiter=self.delimiter, strict=True)
        line = number
        try:
            for row in reader:
                if row:
                    if any('"' in field for field in row):
                        self._refuse_stray_quotes("".join(taken), line)
                    self._expect(len(row), number + reader.line_num - 1)
                else:
                    self.num_blank += 1
                taken.clear()
                line = number + reader.line_num
        except csv.Error as error:
            raise InputError(
                f"{self.shown}, line {line}: the row that starts here is malformed ({error}).",
                "Close every quote, and double the quotes inside a quoted field.",
            ) from None

    def _refuse_stray_quotes(self, row: str, line: int) -> None:
        """Refuse a quote in a field that is not quoted: parsers do not agree on what it means."""
        mark = re.escape(self.delimiter)
        field = rf'(?:"(?:[^"]|"")*"|[^"\r\n{mark}]*)'
        if not re.fullmatch(rf"{field}(?:{mark}{field})*[\r\n]*", row):
            raise InputError(
                f"{self.shown}, line {line} has a quote in the middle of a field.",
                "Put such a field in quotes and double the quote in it.",
            )

    def _expect(self, found: int, line: int) -> None:
        self.num_rows += 1
        if found != self.width:
            raise InputError(
                f"{self.shown}, line {line} has {found} field{'s' * (found != 1)} where the first "
                f"line has {self.width} (delimiter {self.delimiter!r}).",
                "Give every row the same number of fields, or name another --delimiter.",
            )


def _lines(blocks: Iterator[tuple[int, bytes]]) -> Iterator[str]:
    for _, block in blocks:
        yield from (line + "\n" for line in block.decode().removesuffix("\n").split("\n"))


def _tee(lines: Iterator[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def line_of(path: Path, row: int, form: TextForm | None) -> int:
    """Return the line at which the row numbered `row` (from 0) of a checked file starts.

    `form` is None for JSON Lines. Reads the file up to there: for messages only.
    """
    skipped = row + (form is not None and form.has_header)
    with path.open(encoding="utf-8-sig", newline="") as file:
        if form is not None and form.is_quoted:
            reader, before = csv.reader(file, delimiter=form.delimiter), 0
            for fields in reader:
                if fields and skipped == 0:
                    return before + 1
                skipped, before = skipped - bool(fields), reader.line_num
        for number, line in enumerate(file, start=1):
            if line.strip("\r\n") and skipped == 0:
                return number
            skipped -= bool(line.strip("\r\n"))
    return row + 1
