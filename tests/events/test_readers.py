import gzip
import json
import os
import tempfile
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant.errors import EnvironmentFault, InputError, MissingFileError, PenchantError
from penchant.events import EventLog
from penchant.events.readers import ROW, open_table
from penchant.events.sources import Scratch

HEADER = "user_id,item_id,timestamp\n"
ROWS = [("u2", "b", 1700000300), ("u1", "a", 1700000100), ("u2", "a", 1700000200)]
EXPECTED = [(user, item, time * 1000) for user, item, time in ROWS]


def delimited(delimiter: str = ",", header: bool = True) -> str:
    lines = ["user_id,item_id,timestamp"] if header else []
    lines += [f"{user},{item},{time}" for user, item, time in ROWS]
    return "\n".join(lines).replace(",", delimiter) + "\n"


def frame() -> pl.DataFrame:
    return pl.DataFrame(ROWS, schema=["user_id", "item_id", "timestamp"], orient="row")


def triples(log: EventLog) -> list[tuple[object, ...]]:
    return log.frame.select("user_id", "item_id", "time_ms").collect().rows()


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_delimiter_is_sniffed(tmp_path: Path, delimiter: str) -> None:
    log = EventLog.read(write(tmp_path / "log.csv", delimited(delimiter)))
    assert triples(log) == EXPECTED
    assert (f"The delimiter is {delimiter!r}." in log.notes) == (delimiter != ",")


@pytest.mark.parametrize(("delimiter", "given"), [("::", "::"), ("\t", "\\t"), (":", ":")])
def test_delimiter_can_be_given(tmp_path: Path, delimiter: str, given: str) -> None:
    path = write(tmp_path / "log.dat", delimited(delimiter))
    assert triples(EventLog.read(path, delimiter=given)) == EXPECTED


def test_delimiter_of_the_header_wins_over_more_frequent_ones(tmp_path: Path) -> None:
    text = "user_id;item_id;timestamp\n" + "a,b,c,d;x,y,z;1700000000\n" * 3
    log = EventLog.read(write(tmp_path / "log.csv", text))
    assert triples(log)[0] == ("a,b,c,d", "x,y,z", 1700000000000)


def test_files_without_header_are_read_by_number(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", delimited(header=False))
    log = EventLog.read(path, header=False, columns="user_id=0,item_id=1,timestamp=2")
    assert triples(log) == EXPECTED


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("is_gzip", [False, True])
def test_every_kind_reads_the_same_gzipped_or_not(
    tmp_path: Path, suffix: str, is_gzip: bool
) -> None:
    path = tmp_path / f"log{suffix}"
    rows = [dict(zip(("user_id", "item_id", "timestamp"), row, strict=True)) for row in ROWS]
    if suffix == ".csv":
        path.write_text(delimited())
    elif suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        frame().write_parquet(path)
    if is_gzip:
        path = write(tmp_path / f"log{suffix}.gz", gzip.compress(path.read_bytes()))
    assert triples(EventLog.read(path)) == EXPECTED


def test_unpacked_files_go_away_with_the_log(tmp_path: Path) -> None:
    log = EventLog.read(write(tmp_path / "log.csv.gz", gzip.compress(delimited().encode())))
    folder = log.resources[0].path
    assert list(folder.iterdir())
    del log
    assert not folder.exists()


def test_gzip_is_known_by_its_content_too(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", gzip.compress(delimited().encode()))
    assert triples(EventLog.read(path)) == EXPECTED


@pytest.mark.parametrize("name", ["part-00000", "log.unknown"])
def test_unknown_suffix_is_read_by_content(tmp_path: Path, name: str) -> None:
    frame().write_parquet(tmp_path / "p")
    assert triples(EventLog.read(write(tmp_path / name, (tmp_path / "p").read_bytes()))) == EXPECTED
    assert triples(EventLog.read(write(tmp_path / "x", '{"user_id":1,"item_id":2,"timestamp":3}')))
    assert triples(EventLog.read(write(tmp_path / "y", delimited()))) == EXPECTED


def test_folder_is_read_part_by_part_in_order_of_names(tmp_path: Path) -> None:
    lines = delimited().splitlines(keepends=True)
    write(tmp_path / "log" / "b.csv", lines[0] + lines[3])
    write(tmp_path / "log" / "a.csv.gz", gzip.compress("".join(lines[:3]).encode()))
    write(tmp_path / "log" / "_SUCCESS", "")
    write(tmp_path / "log" / ".hidden.csv", "x")
    log = EventLog.read(tmp_path / "log")
    assert triples(log) == EXPECTED
    assert log.frame.select("order").collect().to_series().to_list() == [0, 1, 2]


def test_bad_row_of_a_later_part_is_named_by_its_own_line(tmp_path: Path) -> None:
    write(tmp_path / "log" / "a.csv", delimited())
    write(tmp_path / "log" / "b.csv", HEADER + "u1,a,1700000000\n,b,1700000000\n")
    with pytest.raises(InputError, match=r"b.csv, line 3: user_id is empty. 1 of 5 rows is bad."):
        EventLog.read(tmp_path / "log")


def test_json_parts_may_have_further_keys(tmp_path: Path) -> None:
    write(tmp_path / "log" / "a.jsonl", '{"user_id": 1, "item_id": 2, "timestamp": 1700000000}\n')
    line = '{"timestamp": 1700000001, "item_id": 2, "user_id": 1, "value": 3}\n'
    write(tmp_path / "log" / "b.jsonl", line)
    log = EventLog.read(tmp_path / "log")
    assert log.frame.select("value").collect().to_series().to_list() == [None, 3.0]


@pytest.mark.parametrize(
    "convert",
    [pl.DataFrame.lazy, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow, pl.DataFrame.clone],
)
def test_frames_read_as_files_do(convert) -> None:
    log = EventLog.read(convert(frame()))
    assert triples(log) == EXPECTED
    assert log.source == "the frame"


def test_whole_floats_of_pandas_are_ids_without_a_point() -> None:
    rows = {"user_id": [7.0, None], "item_id": ["a", "b"], "timestamp": [1.7e9, 1.7e9]}
    log = EventLog.read(pd.DataFrame(rows), on_bad_rows="drop")
    assert triples(log) == [("7", "a", 1700000000000)]
    assert log.num_dropped_rows == 1


def test_columns_of_mixed_python_values_are_refused() -> None:
    rows = pd.DataFrame({"user_id": [1, "x"], "item_id": [1, 2], "timestamp": [3, 4]})
    with pytest.raises(InputError, match=r"The pandas frame cannot be read: .*astype\(str\)"):
        EventLog.read(rows)


def test_lists_are_refused_with_the_way_out() -> None:
    with pytest.raises(InputError, match="must be a path or a polars, pandas or pyarrow frame"):
        EventLog.read([{"user_id": 1}])


def test_arrow_tables_with_strange_types_are_read() -> None:
    table = pa.table({
        "user_id": pa.array(["u1", "u2"]).dictionary_encode(),
        "item_id": pa.array([b"a", b"b"]),
        "timestamp": pa.array([1, 2], pa.timestamp("us", tz="Europe/Berlin")),
    })  # fmt: skip
    assert triples(EventLog.read(table)) == [("u1", "a", 0), ("u2", "b", 0)]


def test_quoted_fields_may_hold_delimiters_and_line_ends(tmp_path: Path) -> None:
    rows = '1,"a, b",1700000000\n"multi\nline","say ""x""",1700000001\n,c,1700000002\n'
    path = write(tmp_path / "log.csv", HEADER + rows)
    log = EventLog.read(path, on_bad_rows="drop")
    assert triples(log) == [
        ("1", "a, b", 1700000000000),
        ("multi\nline", 'say "x"', 1700000001000),
    ]
    with pytest.raises(InputError, match="line 5: user_id is empty"):
        EventLog.read(path)


def test_quotes_are_plain_characters_where_no_field_opens_with_one(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", HEADER + '1,2" disk,1700000000\n1,x,1700000001\n')
    assert triples(EventLog.read(path))[0][1] == '2" disk'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_and_byte_order_marks_are_passed_over(tmp_path: Path, end: str) -> None:
    lines = ["", HEADER.strip(), "1,a,1700000000", "", "2,b,1700000001", "2,,1700000002", "", ""]
    path = write(tmp_path / "log.csv", b"\xef\xbb\xbf" + end.join(lines).encode())
    log = EventLog.read(path, on_bad_rows="drop")
    assert triples(log) == [("1", "a", 1700000000000), ("2", "b", 1700000001000)]
    assert "Blank lines were skipped." in log.notes
    with pytest.raises(InputError, match="line 6: item_id is empty"):
        EventLog.read(path)


@pytest.mark.parametrize("has_header", [True, False])
def test_blank_lines_may_stand_before_the_first_row(tmp_path: Path, has_header: bool) -> None:
    head = f"\n{HEADER}\n\n" if has_header else "\n\n"
    path = write(tmp_path / "log.csv", head + "1,a,1700000000\n\n2,b,\n")
    columns = None if has_header else "user_id=0,item_id=1,timestamp=2"
    options = {"columns": columns, "header": has_header}
    log = EventLog.read(path, **options, on_bad_rows="drop")
    assert triples(log) == [("1", "a", 1700000000000)]
    line = 7 if has_header else 5
    with pytest.raises(InputError, match=f"line {line}: .* is empty"):
        EventLog.read(path, **options)


def test_recbole_headers_lose_their_types(tmp_path: Path) -> None:
    text = "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu\ti\t4\t1700000000.5\n"
    log = EventLog.read(write(tmp_path / "ml.inter", text))
    row = log.frame.select("user_id", "item_id", "value", "time_ms").collect().row(0)
    assert row == ("u", "i", 4.0, 1700000000500)
    assert any('"rating" as value' in note for note in log.notes)


def test_rows_are_numbered_from_zero_and_placed_in_their_file(tmp_path: Path) -> None:
    table = open_table(write(tmp_path / "log.csv", delimited()))
    assert table.collect(table.frame.select(ROW)).to_series().to_list() == [0, 1, 2]
    assert table.place(2).endswith("log.csv, line 4")
    frame().write_parquet(tmp_path / "log.parquet")
    assert open_table(tmp_path / "log.parquet").place(2).endswith("log.parquet, row 3")


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "empty.csv": ("", "empty.csv is empty. It must hold rows."),
    "blank.csv": ("\n\n", "blank.csv is empty. It must hold a header and one row a line."),
    "header.csv": (HEADER, "header.csv has a header but no rows."),
    "short.csv": (
        HEADER + "1,2,3\n1,2\n",
        "short.csv, line 3 has 2 fields where the first line has 3 (delimiter ',').",
    ),
    "long.csv": (HEADER + "1,2,3,4\n", "long.csv, line 2 has 4 fields where the first line has 3"),
    "one.csv": (HEADER + "1\n", "one.csv, line 2 has 1 field where"),
    "quotedshort.csv": (
        HEADER + '"a\nb",2,3\n"1",2\n',
        "quotedshort.csv, line 4 has 2 fields where the first line has 3",
    ),
    "bin.csv": (b"\x93\x00\x01" * 99, "bin.csv is not a text file: line 1 has a NUL byte."),
    "bin.parquet": (b"\x93\x00\x01" * 99, "bin.parquet is no readable Parquet file"),
    "utf.csv": (
        HEADER.encode() + b"1,\xff\xfe,3\n",
        "utf.csv, line 2 is not UTF-8 text: byte 3 of the line is 0xff. Save the file as UTF-8",
    ),
    "dup.csv": (
        "user_id,user_id,item_id,timestamp\n1,1,2,3\n",
        "dup.csv, line 1 names the column user_id twice. Each name must stand once.",
    ),
    "inch.csv": (
        HEADER + '"x",2,3\n1,2" disk,3\n',
        "inch.csv, line 3 has a quote in the middle of a field.",
    ),
    "inch2.csv": (
        HEADER + '"x",2,3\n1,2",3\n',
        "inch2.csv, line 3 has a quote in the middle of a field. Put such a field in quotes",
    ),
    "after.csv": (
        HEADER + '1,2,3\n1,""x,3\n',
        "after.csv, line 3: the row that starts here is malformed (',' expected after '\"').",
    ),
    "mac.csv": (
        "user_id,item_id,timestamp\r1,2,3\r",
        "mac.csv, line 1 has a carriage return that ends no line. End lines with a line feed",
    ),
    "inf.jsonl": (
        '{"user_id":1,"item_id":2,"timestamp":1e999}\n',
        "inf.jsonl, line 1 is not valid JSON: 1e999 is no finite number.",
    ),
    "mark.jsonl": (
        b'\xef\xbb\xbf{"user_id":1,"item_id":2,"timestamp":3}\n',
        "mark.jsonl, line 1 is not valid JSON: Unexpected UTF-8 BOM",
    ),
    "cut.jsonl": (
        '{"user_id":1,"item_id":2,"timestamp":3}\n\n{"user_id":1,"item_id":2\n',
        "cut.jsonl, line 3 is not valid JSON: Expecting ',' delimiter.",
    ),
    "array.json": ('[{"user_id":1}]\n', "array.json, line 1 holds a JSON list, not an object."),
    "number.jsonl": (
        '{"user_id":1,"item_id":2,"timestamp":3}\n3\n',
        "number.jsonl, line 2 holds a JSON int, not an object.",
    ),
    "blank.jsonl": ("\n\n", "blank.jsonl is empty. It must hold one JSON object a line."),
    "cut.csv.gz": (
        gzip.compress(os.urandom(5000))[:3000],
        "cut.csv.gz is a cut or damaged gzip file: Compressed file ended before the end",
    ),
    "not.csv.gz": (HEADER, "not.csv.gz is a cut or damaged gzip file: Not a gzipped file"),
    "empty.csv.gz": (gzip.compress(b""), "empty.csv.gz is empty."),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_get_one_message_that_names_file_and_line(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    path = write(tmp_path / name, content)
    with pytest.raises(InputError) as caught:
        EventLog.read(path)
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
    assert caught.value.hint
    assert len(f"{caught.value.message}\n{caught.value.hint}".splitlines()) <= 3


SAMPLES = {
    "log.csv": (HEADER + '"u""1",a,1700000001\nu2,"b\nc",1700000002\n' * 3).encode(),
    "log.jsonl": b'{"user_id":"u1","item_id":2,"timestamp":1700000001,"value":1.5}\n' * 3,
}
PIECES = [
    b'"',
    b'""',
    b",",
    b";",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"{",
    b"]",
    b"\\",
    b"e9",
    b"nan",
    b"",
]


@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(
        st.tuples(st.integers(0, 120), st.integers(0, 9), st.sampled_from(PIECES)), max_size=4
    ),
)
def test_no_damage_escapes_as_anything_but_one_clear_error(
    name: str, damages: list[tuple[int, int, bytes]]
) -> None:
    content = SAMPLES[name]
    for start, length, piece in damages:
        content = content[:start] + piece + content[start + length :]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / name, content)
        error = None
        try:
            EventLog.read(path, on_bad_rows="drop").frame.collect()
        except InputError as caught:
            error = caught
    if error is not None:
        assert name in error.message
        assert "cannot be read" not in error.message  # every fault has a message of its own
        assert len(f"{error.message}\n{error.hint}".splitlines()) <= 3


def test_unclosed_quote_is_named_where_it_gives_up(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", HEADER + '"1,2,3\n' + "1,2,3\n" * 30_000)
    with pytest.raises(
        InputError, match=r"line 2: the row that starts here is malformed \(field larger"
    ):
        EventLog.read(path)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_endless_line_is_refused_after_a_megabyte(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"line{suffix}"
    with path.open("wb") as file:
        file.write(b"user_id,item_id,timestamp\n")
        file.seek(200_000_000)  # a sparse file: the line is never written out
        file.write(b"x")
    with pytest.raises(InputError, match="line 2 has a NUL byte"):
        EventLog.read(path)
    write(path, "a" * 2_500_000)
    with pytest.raises(InputError, match="line 1 is longer than 1,048,576 bytes"):
        EventLog.read(path)


def test_character_cut_by_the_line_limit_is_no_encoding_error(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "é" * 2_000_001)
    with pytest.raises(InputError, match="line 1 is longer than"):
        EventLog.read(path)


def test_damaged_parquet_page_is_found_at_the_door(tmp_path: Path) -> None:
    rows = range(50_000)
    table = pl.DataFrame({"user_id": rows, "item_id": rows, "timestamp": rows, "x": rows})
    table.write_parquet(tmp_path / "log.parquet", compression="zstd")
    content = bytearray((tmp_path / "log.parquet").read_bytes())
    content[-40_000:-30_000] = b"\x5a" * 10_000
    table.write_parquet(tmp_path / "a.parquet")
    write(tmp_path / "log.parquet", bytes(content))
    for source in (tmp_path, tmp_path / "log.parquet"):
        with pytest.raises(InputError, match=r"log.parquet cannot be read: .* Check that the file"):
            EventLog.read(source)


def test_missing_file_names_one_that_is_near(tmp_path: Path) -> None:
    write(tmp_path / "events.csv", delimited())
    with pytest.raises(
        MissingFileError, match=r"event.csv does not exist. Did you mean .*ents.csv"
    ):
        EventLog.read(tmp_path / "event.csv")
    with pytest.raises(MissingFileError, match=r"does not exist. Check the path."):
        EventLog.read(tmp_path / "nowhere" / "other.csv")


def test_folder_without_parts_lists_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder without readable parts; it holds nothing"):
        EventLog.read(tmp_path)
    write(tmp_path / "readme.md", "x")
    with pytest.raises(InputError, match=r"it holds readme.md. Readable are .csv"):
        EventLog.read(tmp_path)


def test_parts_that_do_not_agree_are_named(tmp_path: Path) -> None:
    write(tmp_path / "kinds" / "a.csv", delimited())
    write(tmp_path / "kinds" / "b.jsonl", '{"user_id":1}')
    with pytest.raises(InputError, match=r"kinds mixes kinds of files: .*a.csv and .*b.jsonl"):
        EventLog.read(tmp_path / "kinds")
    write(tmp_path / "names" / "a.csv", delimited())
    write(tmp_path / "names" / "b.csv", "user_id,item,timestamp\n1,2,3\n")
    with pytest.raises(
        InputError, match=r"b.csv and .*a.csv do not agree: column item stands only"
    ):
        EventLog.read(tmp_path / "names")
    frame().write_parquet(tmp_path / "types" / "a.parquet", mkdir=True)
    frame().with_columns(user_id=pl.lit(1)).write_parquet(tmp_path / "types" / "b.parquet")
    with pytest.raises(InputError, match="do not agree: user_id is String and Int32"):
        EventLog.read(tmp_path / "types")


def test_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch) -> None:
    path = write(tmp_path / "log.csv", delimited())

    def refuse(*_args: object, **_keywords: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"log.csv cannot be opened: Permission denied"):
        EventLog.read(path)


def test_full_disk_while_unpacking_is_a_fault_of_the_surroundings(
    tmp_path: Path, monkeypatch
) -> None:
    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    scratch = Scratch()
    path = write(tmp_path / "log.csv.gz", gzip.compress(b"x"))
    monkeypatch.setattr("penchant.events.sources.shutil.copyfileobj", fail)
    with pytest.raises(
        EnvironmentFault, match=r"cannot be unpacked to .*: No space left on device"
    ):
        scratch.unpack(path, "log.csv.gz")


def test_pandas_without_pyarrow_says_what_to_install(monkeypatch) -> None:
    def fail(*_args: object) -> None:
        raise ImportError("no pyarrow")

    monkeypatch.setattr("penchant.events.readers.pl.from_pandas", fail)
    with pytest.raises(PenchantError, match=r"needs pyarrow: .*pip install 'penchant\[pandas\]'"):
        EventLog.read(pd.DataFrame({"user_id": [1]}))
