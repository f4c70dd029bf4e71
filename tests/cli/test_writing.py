import polars as pl
import pytest

from penchant.cli.writing import write_json, writing_table
from penchant.errors import OutputExistsError, UsageError

PIECES = [pl.DataFrame({"a": ["x", "ü,"], "b": [1, 2]}), pl.DataFrame({"a": ["z"], "b": [3]})]
READERS = {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}


@pytest.mark.parametrize("kind", READERS)
def test_pieces_become_one_table(tmp_path, kind):
    path = tmp_path / "new folder" / f"t{kind}"
    with writing_table(path) as writer:
        for piece in PIECES:
            writer.write(piece)
        assert not path.exists()
    assert READERS[kind](path).equals(pl.concat(PIECES))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", READERS)
def test_a_failure_leaves_what_was_there(tmp_path, kind):
    path = tmp_path / f"t{kind}"
    path.write_text("before")

    def write_and_fail():
        with writing_table(path, overwrite=True) as writer:
            writer.write(PIECES[0])
            raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        write_and_fail()
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_place_that_is_taken_is_refused(tmp_path):
    (tmp_path / "t.csv").touch()
    with (
        pytest.raises(OutputExistsError, match=r"t\.csv exists already"),
        writing_table(tmp_path / "t.csv"),
    ):
        pass
    (tmp_path / "d.csv").mkdir()
    with (
        pytest.raises(OutputExistsError, match=r"d\.csv is a folder"),
        writing_table(tmp_path / "d.csv", overwrite=True),
    ):
        pass


def test_an_unknown_kind_is_refused(tmp_path):
    with (
        pytest.raises(UsageError, match=r"--out must end in \.parquet, \.csv, \.jsonl"),
        writing_table(tmp_path / "t.xlsx"),
    ):
        pass


def test_numbers_that_are_none_are_written_as_null(tmp_path):
    write_json(tmp_path / "m.json", {"a": float("nan")})
    assert (tmp_path / "m.json").read_text() == '{\n  "a": null\n}\n'
