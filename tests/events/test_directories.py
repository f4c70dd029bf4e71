import json
from pathlib import Path

import pytest

from penchant.errors import CorruptBundleError, MissingFileError, OutputExistsError
from penchant.events.directories import check_files, checksums, read_manifest, writing_directory


def write(path, text, fail=False, **options):
    with writing_directory(path, "mark.json", **options) as temporary:
        (temporary / "mark.json").write_text(text)
        (temporary / "sub").mkdir()
        if fail:
            raise RuntimeError


def test_a_directory_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "deep" / "data"
    with writing_directory(target, "mark.json") as temporary:
        (temporary / "mark.json").write_text("{}")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["data"]


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError):
        write(tmp_path / "data", "{}", fail=True)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_older_directory_in_place(tmp_path):
    write(tmp_path / "data", "old")
    with pytest.raises(RuntimeError):
        write(tmp_path / "data", "new", fail=True, overwrite=True)
    assert (tmp_path / "data" / "mark.json").read_text() == "old"


def test_a_place_that_is_taken_is_refused(tmp_path):
    write(tmp_path / "data", "old")
    with pytest.raises(OutputExistsError, match=r"data exists already\. Choose another place"):
        write(tmp_path / "data", "new")
    write(tmp_path / "data", "new", overwrite=True)
    assert (tmp_path / "data" / "mark.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_directory_of_another_kind_is_never_overwritten(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("dear")
    with pytest.raises(OutputExistsError, match=r"something else \(there is no mark\.json in it"):
        write(tmp_path / "letters", "new", overwrite=True)
    with pytest.raises(OutputExistsError, match="something else"):
        write(tmp_path / "letters" / "dear.txt", "new", overwrite=True)
    assert (tmp_path / "letters" / "dear.txt").read_text() == "dear"


def test_an_empty_directory_may_be_overwritten(tmp_path):
    write(tmp_path, "new", overwrite=True)
    assert (tmp_path / "mark.json").read_text() == "new"


def manifest_of(path, **fields):
    (path / "mark.json").write_text(json.dumps(fields))
    return read_manifest(path, "mark.json", "prepared data", 3)


def test_a_manifest_of_an_older_or_equal_format_is_read(tmp_path):
    assert manifest_of(tmp_path, kind="prepared data", format=3, x=1)["x"] == 1
    assert manifest_of(tmp_path, kind="prepared data", format=2)["format"] == 2


def test_a_newer_format_is_refused_by_name(tmp_path):
    with pytest.raises(
        CorruptBundleError,
        match=r"mark\.json has format 4, written by Penchant 9\.1, but .* up to 3\. Update",
    ):
        manifest_of(tmp_path, kind="prepared data", format=4, version="9.1")


def test_another_kind_is_refused(tmp_path):
    with pytest.raises(CorruptBundleError, match="holds bundle and no prepared data"):
        manifest_of(tmp_path, kind="bundle", format=1)


@pytest.mark.parametrize("text", ['{"kind": "prepa', "[]", "{}", '"x"', "\ufeff"])
def test_a_cut_manifest_is_refused(tmp_path, text):
    (tmp_path / "mark.json").write_text(text)
    with pytest.raises(CorruptBundleError, match=r"mark\.json is cut or altered"):
        read_manifest(tmp_path, "mark.json", "prepared data", 3)


def test_a_missing_manifest_is_refused(tmp_path):
    with pytest.raises(CorruptBundleError, match=r"holds no prepared data: it has no mark\.json"):
        read_manifest(tmp_path, "mark.json", "prepared data", 3)
    with pytest.raises(MissingFileError, match=r"There is no directory .*nowhere"):
        read_manifest(tmp_path / "nowhere", "mark.json", "prepared data", 3)


def test_files_that_changed_are_refused_by_name(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"abcd")
    files = checksums(tmp_path)
    check_files(tmp_path, files)
    (tmp_path / "a.bin").write_bytes(b"abce")
    with pytest.raises(CorruptBundleError, match=r"a\.bin was altered"):
        check_files(tmp_path, files)
    (tmp_path / "a.bin").write_bytes(b"abc")
    with pytest.raises(CorruptBundleError, match=r"a\.bin must have 4 bytes but has 3"):
        check_files(tmp_path, files)
    (tmp_path / "a.bin").unlink()
    with pytest.raises(CorruptBundleError, match=r"a\.bin is missing"):
        check_files(tmp_path, files)


def test_what_stood_there_is_put_back_when_the_new_cannot_take_its_place(tmp_path, monkeypatch):
    with writing_directory(tmp_path / "data", "mark.json", overwrite=False) as path:
        (path / "mark.json").write_text("old")
    rename = Path.rename

    def failing(self, target):
        if ".old-" not in self.name and ".old-" not in Path(target).name:
            raise OSError("disk gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with (
        pytest.raises(OSError, match="disk gone"),
        writing_directory(tmp_path / "data", "mark.json", overwrite=True) as path,
    ):
        (path / "mark.json").write_text("new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]
    assert (tmp_path / "data" / "mark.json").read_text() == "old"
