"""Downloads go on, are proved, and archives are not trusted."""

import errno
import gzip
import hashlib
import io
import socket
import stat
import time
import zipfile

import pytest

from penchant.errors import EnvironmentFault, InputError
from penchant.events import downloading
from penchant.events.downloading import Patience, download, unpack, unpack_folder

QUICK = Patience(connect_s=2, stall_s=2, num_retries=2, pause_s=0)
BODY = bytes(range(256)) * 400  # 102,400 bytes
MD5 = "md5:" + hashlib.md5(BODY).hexdigest()


def zip_of(**members: bytes) -> bytes:
    """Return a zip with members by name (`__` for a slash)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as box:
        for name, content in members.items():
            box.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


def test_a_file_arrives_whole_and_progress_is_told(file_server, tmp_path):
    file_server.files["/log.zip"] = BODY
    told = []
    path = download(
        f"{file_server.address}/log.zip",
        tmp_path / "log.zip",
        checksum=MD5,
        progress=lambda *news: told.append(news),
    )
    assert path.read_bytes() == BODY
    assert told[-1] == ("log.zip", 102_400, 102_400)
    assert [one.name for one in tmp_path.iterdir()] == ["log.zip"]


def test_a_broken_connection_is_gone_on_with_where_it_broke(file_server, tmp_path):
    file_server.files["/log.zip"] = BODY
    file_server.breaks = [60_000, 10_000]
    path = download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=QUICK)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in file_server.asked] == [None, "bytes=60000-", "bytes=70000-"]


def test_a_download_goes_on_in_a_later_call(file_server, tmp_path):
    file_server.files["/log.zip"] = BODY
    file_server.breaks = [60_000]
    once = Patience(num_retries=0)
    with pytest.raises(EnvironmentFault, match="the connection ended after 60000 of 102400 bytes"):
        download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=once)
    assert not (tmp_path / "log.zip").exists()
    path = download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=once)
    assert path.read_bytes() == BODY
    assert file_server.asked[-1] == ("/log.zip", "bytes=60000-")


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(file_server, tmp_path):
    file_server.files["/log.zip"] = BODY
    file_server.breaks = [60_000]
    once = Patience(num_retries=0)
    with pytest.raises(EnvironmentFault):
        download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=once)
    file_server.files["/log.zip"], file_server.etag = BODY[::-1], '"two"'
    path = download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=once)
    assert path.read_bytes() == BODY[::-1]


def test_what_cannot_be_told_apart_is_fetched_from_its_start(file_server, tmp_path):
    file_server.files["/log.zip"], file_server.etag = BODY, None
    file_server.breaks = [60_000]
    path = download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=QUICK)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in file_server.asked] == [None, None]


def test_a_server_without_range_is_asked_for_all_again(file_server, tmp_path):
    file_server.files["/log.zip"], file_server.ranges = BODY, False
    file_server.breaks = [60_000]
    path = download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=QUICK)
    assert path.read_bytes() == BODY


def test_a_part_longer_than_the_file_is_thrown_away(file_server, tmp_path):
    file_server.files["/log.zip"] = BODY
    (tmp_path / "log.zip.part").write_bytes(BODY + BODY)
    note = f'{{"address": "{file_server.address}/log.zip", "validator": "\\"one\\""}}'
    (tmp_path / "log.zip.part.json").write_text(note)
    path = download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=QUICK)
    assert path.read_bytes() == BODY


def test_a_busy_server_is_asked_again(file_server, tmp_path):
    file_server.files["/log.zip"] = BODY
    file_server.statuses = [503, 429]
    path = download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=QUICK)
    assert path.read_bytes() == BODY


def test_a_missing_file_is_asked_for_once(file_server, tmp_path):
    with pytest.raises(EnvironmentFault, match=r"/log\.zip answers 404 Not Found"):
        download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=QUICK)
    assert len(file_server.asked) == 1


def test_a_wrong_checksum_is_refused_and_the_file_is_gone(file_server, tmp_path):
    file_server.files["/log.zip"] = b"another"
    found = hashlib.md5(b"another").hexdigest()
    with pytest.raises(EnvironmentFault, match=f"must give a file with {MD5} but gives .*{found}"):
        download(f"{file_server.address}/log.zip", tmp_path / "log.zip", checksum=MD5)
    assert list(tmp_path.iterdir()) == []


def test_a_proved_file_is_not_fetched_again(file_server, tmp_path):
    (tmp_path / "log.zip").write_bytes(BODY)
    download(f"{file_server.address}/log.zip", tmp_path / "log.zip", checksum=MD5)
    assert file_server.asked == []


def test_a_closed_port_fails_at_once(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(EnvironmentFault, match=f"127.0.0.1:{port} cannot be had"):
        download(f"http://127.0.0.1:{port}/log.zip", tmp_path / "log.zip")
    assert time.monotonic() - started < 30  # not the minutes of a network stack


def test_a_server_that_says_nothing_is_given_up(tmp_path):
    patience = Patience(connect_s=0.2, stall_s=0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(EnvironmentFault, match=r"cannot be had: no answer within 0\.2 s"):
            download(f"http://127.0.0.1:{port}/log.zip", tmp_path / "log.zip", patience=patience)
    assert time.monotonic() - started < 30


def test_a_full_disk_is_not_tried_again(file_server, tmp_path, monkeypatch):
    file_server.files["/log.zip"] = BODY
    calls = []

    def full(*_: object) -> None:
        calls.append(1)
        (tmp_path / "log.zip.part").write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloading, "_go_on", full)
    with pytest.raises(EnvironmentFault, match="No space left on device"):
        download(f"{file_server.address}/log.zip", tmp_path / "log.zip", patience=QUICK)
    assert len(calls) == 1


def test_named_members_are_unpacked_flat(tmp_path):
    (tmp_path / "log.zip").write_bytes(zip_of(ml__u_data=b"rows", ml__old__u_data=b"old", x=b"no"))
    (tmp_path / "in").mkdir()
    unpack(tmp_path / "log.zip", tmp_path / "in", ("u_data",))
    assert [(one.name, one.read_bytes()) for one in (tmp_path / "in").iterdir()] == [
        ("u_data", b"rows")
    ]


def test_a_gzip_is_unpacked_under_the_given_name(tmp_path):
    (tmp_path / "log.json.gz").write_bytes(gzip.compress(b"rows"))
    unpack(tmp_path / "log.json.gz", tmp_path, ("reviews.json",))
    assert (tmp_path / "reviews.json").read_bytes() == b"rows"


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/etc/out", "C:/out", "..\\out", "C:\\out"]
)
def test_a_member_outside_the_folder_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as box:
        box.writestr("u.data", b"rows")
        box.writestr(zipfile.ZipInfo(name), b"bad")
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match=r"log\.zip is refused: it holds .*, which would land out"):
        unpack(tmp_path / "log.zip", tmp_path / "in", ("u.data",))
    assert list((tmp_path / "in").iterdir()) == []


def test_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("u.data")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "log.zip", "w") as box:
        box.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match=r"it holds u\.data, which is a link"):
        unpack(tmp_path / "log.zip", tmp_path, ("u.data",))


def test_a_zip_of_absurd_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(downloading, "SMALL_BYTES", 1000)
    monkeypatch.setattr(downloading, "MOST_TIMES_LARGER", 10)
    archive = zip_of(u_data=bytes(100_000))
    (tmp_path / "log.zip").write_bytes(archive)
    most = max(1000, 10 * len(archive))
    with pytest.raises(InputError, match=f"it would unpack to 100000 bytes, at most {most}"):
        unpack(tmp_path / "log.zip", tmp_path, ("u_data",))


def test_a_gzip_of_absurd_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(downloading, "SMALL_BYTES", 5000)
    monkeypatch.setattr(downloading, "MOST_TIMES_LARGER", 10)
    (tmp_path / "log.gz").write_bytes(gzip.compress(bytes(100_000)))
    with pytest.raises(InputError, match=r"log\.gz is refused: it unpacks to more than 5000 bytes"):
        unpack(tmp_path / "log.gz", tmp_path, ("log",))
    assert (tmp_path / "log").stat().st_size == 5000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.zip", b"no archive"),
        ("log.zip", zip_of(u_data=BODY)[:-40]),
        ("log.gz", b"no archive"),
        ("log.gz", gzip.compress(BODY)[:-40]),
    ],
)
def test_a_damaged_archive_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EnvironmentFault, match=rf"{name} is no whole archive"):
        unpack(tmp_path / name, tmp_path, ("u_data",))


def test_a_missing_member_is_named(tmp_path):
    (tmp_path / "log.zip").write_bytes(zip_of(other=b"rows"))
    with pytest.raises(EnvironmentFault, match=r"log\.zip must hold u\.data and does not"):
        unpack(tmp_path / "log.zip", tmp_path, ("u.data",))


def test_one_folder_of_an_archive_is_unpacked_as_it_stands(tmp_path):
    box = zip_of(package__model__a_b=b"1", package__c=b"2", packages__d=b"3", other__c=b"4")
    (tmp_path / "package.whl").write_bytes(box)
    unpack_folder(tmp_path / "package.whl", tmp_path / "in", "package")
    found = [path for path in sorted((tmp_path / "in").rglob("*")) if path.is_file()]
    names = [str(path.relative_to(tmp_path / "in")) for path in found]
    assert names == ["c", "model/a_b"]
    assert [path.read_bytes() for path in found] == [b"2", b"1"]


def test_a_folder_of_an_archive_is_trusted_no_more_than_a_file(tmp_path):
    (tmp_path / "a.whl").write_bytes(zip_of(package__a=b"1", package__x__=b""))
    with pytest.raises(EnvironmentFault, match=r"a\.whl must hold absent and does not"):
        unpack_folder(tmp_path / "a.whl", tmp_path / "in", "absent")
    (tmp_path / "b.whl").write_bytes(zip_of(**{"package__..__..__b": b"1"}))
    with pytest.raises(InputError, match=r"b\.whl is refused: .* outside its folder"):
        unpack_folder(tmp_path / "b.whl", tmp_path / "in", "package")
    (tmp_path / "c.whl").write_bytes(b"PK" + bytes(50))
    with pytest.raises(EnvironmentFault, match=r"c\.whl is no whole archive"):
        unpack_folder(tmp_path / "c.whl", tmp_path / "in", "package")
    assert not (tmp_path / "in").exists()
