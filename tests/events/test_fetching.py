"""A data set is fetched from the first source that gives it, whole or not at all."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from penchant.errors import EnvironmentFault, InputError, OutputExistsError
from penchant.events import fetching
from penchant.events.datasets import Dataset, OwnerFile, Wheel, find_dataset
from penchant.events.downloading import Patience
from penchant.events.fetching import fetch
from penchant.events.published import Tables

ROWS = "u2\ti3\t20\nu1\ti1\t20\nu2\ti1\t10\n"
TRIPLE = "i3\tby\tann\n"
NOWHERE = "http://127.0.0.1:9"
QUICK = Patience(connect_s=2, stall_s=2, num_retries=1, pause_s=0)


def read(folder: Path) -> Tables:
    """Read the log of these tests."""
    lines = [line.split("\t") for line in (folder / "log.tsv").read_text().splitlines()]
    rows = [(user, item, int(time)) for user, item, time in lines]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return Tables(events, events.select("item_id").unique().sort("item_id"))


def archive(name: str = "small/log.tsv") -> bytes:
    """Return a zip that holds the log under a name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as box:
        box.writestr(name, ROWS)
    return stream.getvalue()


def entry(address: str, checksum: str = "", wheel: Wheel | None = None) -> Dataset:
    """Return a data set whose owner publishes at an address."""
    file = OwnerFile("small.zip", f"{address}/small.zip", ("log.tsv",), checksum)
    page = "https://example.org"
    return Dataset("small", "Small", "free", page, (2, 2, 3), (file,), read, None, wheel)


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch):
    monkeypatch.delenv(fetching.MIRROR_VARIABLE, raising=False)


def test_a_data_set_comes_from_its_owner(file_server, tmp_path):
    file_server.files["/small.zip"] = archive()
    checksum = "md5:" + hashlib.md5(archive()).hexdigest()
    fetched = fetch(entry(file_server.address, checksum), tmp_path / "to" / "small")
    assert fetched.source == "its owner"
    assert (fetched.num_users, fetched.num_items, fetched.num_events) == (2, 2, 3)
    assert fetched.notes == ()
    assert pl.read_parquet(fetched.events).rows() == [
        ("u2", "i3", 20),
        ("u1", "i1", 20),
        ("u2", "i1", 10),
    ]
    assert pl.read_parquet(fetched.items)["item_id"].to_list() == ["i1", "i3"]
    assert fetched.users is None
    told = json.loads((fetched.path / "dataset.json").read_text())
    assert told["format"] == 1
    assert told["files"] == {"small.zip": checksum}
    assert told["licence"] == "free"
    assert [one.name for one in (tmp_path / "to").iterdir()] == ["small"]


def test_a_broken_fetch_goes_on_in_the_next(file_server, tmp_path):
    file_server.files["/small.zip"] = archive()
    file_server.breaks = [50]
    once = replace(QUICK, num_retries=0)
    with pytest.raises(EnvironmentFault, match=r"its owner: 127\.0\.0\.1:.* after 50 of"):
        fetch(entry(file_server.address), tmp_path / "small", patience=once)
    assert not (tmp_path / "small").exists()
    assert fetch(entry(file_server.address), tmp_path / "small").num_events == 3
    assert file_server.asked[-1] == ("/small.zip", "bytes=50-")


def test_a_mirror_folder_is_asked_first(file_server, tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "small.zip").write_bytes(archive())
    fetched = fetch(entry(file_server.address), tmp_path / "small", mirror=tmp_path / "mirror")
    assert fetched.source == f"the mirror {tmp_path / 'mirror'}"
    assert file_server.asked == []
    assert (tmp_path / "mirror" / "small.zip").exists()


def test_the_environment_names_a_mirror_that_is_an_address(file_server, tmp_path, monkeypatch):
    file_server.files["/data/small.zip"] = archive()
    monkeypatch.setenv(fetching.MIRROR_VARIABLE, f"{file_server.address}/data/")
    fetched = fetch(entry(NOWHERE), tmp_path / "small")
    assert fetched.source == f"the mirror {file_server.address}/data/"
    assert [path for path, _ in file_server.asked] == ["/data/small.zip"]


def test_a_mirror_without_the_file_gives_way_to_the_owner(file_server, tmp_path):
    file_server.files["/small.zip"] = archive()
    fetched = fetch(entry(file_server.address), tmp_path / "small", mirror=tmp_path)
    assert fetched.source == "its owner"


def test_a_mirrored_file_is_proved_too(tmp_path):
    (tmp_path / "small.zip").write_bytes(archive())
    wrong = "md5:" + hashlib.md5(b"another").hexdigest()
    with pytest.raises(EnvironmentFault, match=f"must give a file with {wrong}"):
        fetch(entry(NOWHERE, wrong), tmp_path / "small", mirror=tmp_path)
    assert (tmp_path / "small.zip").exists()


def test_without_any_source_each_is_named_with_its_reason(tmp_path):
    with pytest.raises(EnvironmentFault) as caught:
        fetch(entry(NOWHERE), tmp_path / "out" / "small", mirror=tmp_path)
    assert caught.value.exit_code == 3
    assert f"the mirror {tmp_path}: there is no {tmp_path}/small.zip" in caught.value.message
    assert "its owner: 127.0.0.1:9 cannot be had" in caught.value.message
    assert caught.value.hint.endswith("(--mirror, PENCHANT_MIRROR) that holds small.zip.")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unsafe_archive_stops_everything_and_is_not_kept(file_server, tmp_path):
    file_server.files["/small.zip"] = archive("../log.tsv")
    with pytest.raises(InputError, match=r"small\.zip is refused"):
        fetch(entry(file_server.address), tmp_path / "small")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_archive_is_not_kept(file_server, tmp_path):
    file_server.files["/small.zip"] = archive()[:-30]
    with pytest.raises(EnvironmentFault, match=r"small\.zip is no whole archive"):
        fetch(entry(file_server.address), tmp_path / "small")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists_is_refused_unless_replaced(file_server, tmp_path):
    file_server.files["/small.zip"] = archive()
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "mine.txt").touch()
    with pytest.raises(OutputExistsError, match=r"small exists\. .*--overwrite"):
        fetch(entry(file_server.address), tmp_path / "small")
    fetch(entry(file_server.address), tmp_path / "small", overwrite=True)
    assert not (tmp_path / "small" / "mine.txt").exists()
    assert [one.name for one in tmp_path.iterdir()] == ["small"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="small cannot be written"):
        fetch(entry(NOWHERE), tmp_path / "file" / "small")


def test_counts_that_differ_from_the_published_are_noted(file_server, tmp_path):
    file_server.files["/small.zip"] = archive()
    other = replace(entry(file_server.address), sizes=(2, 5, 3))
    assert fetch(other, tmp_path / "small").notes == ("2 items, where 5 were published",)


def test_an_unknown_name_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="No public data set is called ml-10k"):
        fetch("ml-10k", tmp_path / "small")
    assert list(tmp_path.iterdir()) == []


def test_all_files_of_a_data_set_are_fetched(file_server, tmp_path):
    reviews = '{"reviewerID": "A", "asin": "B", "overall": 4, "unixReviewTime": 86400}\n'
    metadata = "{'asin': 'B', 'title': 'Soap'}\n"
    beauty = find_dataset("amazon-beauty")
    for file, text in zip(beauty.files, (reviews, metadata), strict=True):
        file_server.files[f"/{file.name}"] = gzip.compress(text.encode())
    fetched = fetch(beauty, tmp_path / "beauty", mirror=file_server.address)
    assert pl.read_parquet(fetched.events).rows() == [("A", "B", 86400, 4.0)]
    assert pl.read_parquet(fetched.items)["title"].to_list() == ["Soap"]
    assert fetched.notes[-1] == "1 events, where 198502 were published"


@pytest.fixture
def package_index(tmp_path, monkeypatch):
    """Point pip at a folder with one wheel that carries the log, and return its entry."""
    links = tmp_path / "links"
    links.mkdir()
    wheel = links / "example_log-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as box:
        box.writestr("example_log/data/log.tsv", ROWS)
        box.writestr("example_log/data/log.kg", TRIPLE)
        box.writestr("example_log/__init__.py", "raise SystemExit('never imported')\n")
        metadata = "Metadata-Version: 2.1\nName: example-log\nVersion: 1.0\nRequires-Dist: nope\n"
        box.writestr("example_log-1.0.dist-info/METADATA", metadata)
        box.writestr("example_log-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        box.writestr("example_log-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    checksum = "sha256:" + hashlib.sha256(wheel.read_bytes()).hexdigest()
    return Wheel("example-log==1.0", checksum, ("log.tsv",), read)


def test_the_package_index_is_the_last_resort(package_index, tmp_path):
    fetched = fetch(entry(NOWHERE, wheel=package_index), tmp_path / "small")
    assert fetched.source == "the copy in the package example-log==1.0"
    assert fetched.num_events == 3
    told = json.loads((fetched.path / "dataset.json").read_text())
    assert told["files"] == {"example-log==1.0": package_index.checksum}


def read_graph(folder: Path) -> pl.DataFrame:
    rows = [tuple((folder / "log.kg").read_text().split())]
    return pl.DataFrame(rows, schema=["head", "relation", "tail"], orient="row")


def with_graph(wheel: Wheel) -> Wheel:
    def convert(folder: Path) -> Tables:
        return replace(read(folder), graph=read_graph(folder))

    names = (*wheel.unpacked, "log.kg")
    return replace(wheel, unpacked=names, convert=convert, graph=read_graph)


def test_a_package_may_carry_a_graph(package_index, tmp_path):
    fetched = fetch(entry(NOWHERE, wheel=with_graph(package_index)), tmp_path / "small")
    assert fetched.graph == tmp_path / "small" / "graph.parquet"
    assert pl.read_parquet(fetched.graph).rows() == [("i3", "by", "ann")]
    told = json.loads((fetched.path / "dataset.json").read_text())
    assert told["columns"]["graph"] == ["head", "relation", "tail"]


def test_the_graph_of_a_package_comes_beside_the_files_of_the_owner(
    package_index, file_server, tmp_path
):
    file_server.files["/small.zip"] = archive()
    wheel = with_graph(package_index)
    fetched = fetch(entry(file_server.address, wheel=wheel), tmp_path / "small")
    assert fetched.source == "its owner"
    assert fetched.graph is not None
    told = json.loads((fetched.path / "dataset.json").read_text())
    assert told["files"] == {"small.zip": None, "example-log==1.0": wheel.checksum}


def test_without_the_package_the_owners_files_come_without_a_graph(
    package_index, file_server, tmp_path
):
    file_server.files["/small.zip"] = archive()
    wheel = replace(with_graph(package_index), requirement="example-log==2.0")
    fetched = fetch(entry(file_server.address, wheel=wheel), tmp_path / "small")
    assert fetched.graph is None
    [note] = fetched.notes
    assert note.startswith("without the graph of items of example-log==2.0: pip cannot download")


def test_a_wheel_that_was_altered_is_refused(package_index, tmp_path):
    altered = replace(package_index, checksum="sha256:" + "0" * 64)
    with pytest.raises(
        EnvironmentFault, match=r"example-log==1\.0 must give a file with sha256:00"
    ):
        fetch(entry(NOWHERE, wheel=altered), tmp_path / "small")


def test_a_package_that_is_not_there_is_named(package_index, tmp_path):
    other = replace(package_index, requirement="example-log==2.0")
    with pytest.raises(EnvironmentFault, match=r"pip cannot download it: ERROR: No matching dist"):
        fetch(entry(NOWHERE, wheel=other), tmp_path / "small")


def test_a_pip_that_does_not_answer_is_given_up(package_index, tmp_path, monkeypatch):
    def never(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("pip", 120)

    monkeypatch.setattr(subprocess, "run", never)
    with pytest.raises(EnvironmentFault, match="pip gave no answer within 120 s"):
        fetch(entry(NOWHERE, wheel=package_index), tmp_path / "small")


def test_fetching_works_without_torch():
    code = "import sys, penchant.events.fetching; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
