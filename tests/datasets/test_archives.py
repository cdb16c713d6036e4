"""Archives are untrusted: whatever lies in one, nothing is written outside its folder, and one line says what is wrong."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrast import archives
from contrast.archives import is_archive, kept_in, unpacked
from contrast.errors import InputError
from contrast.protocols import Places

PETS = {"pets/cat/1.png": b"one", "pets/cat/two \n<img> 🐈.png": b"two", "pets/dog/deep/3.png": b"three", "pets/.hidden": b"", "__MACOSX/x": b"m"}


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz", format: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, mode, format=format) as archive:  # type: ignore[call-overload]
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def packed_zip(path: Path, files: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def written(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def everything(folder: Path) -> set[tuple[str, bool]]:
    return {(str(path), path.is_symlink()) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", ["pets.zip", "pets.ZIP", "pets.tar", "pets.tar.gz", "pets.tgz", "pets.tar.bz2", "pets.tar.xz"])
def test_every_kind_of_archive_is_unpacked_whole(tmp_path: Path, name: str) -> None:
    path, mode = tmp_path / name, {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(name.rpartition(".")[2], "w")
    assert is_archive(path)
    if name.lower().endswith("zip"):
        packed_zip(path, PETS)
    else:
        tar(path, member("./pets", tarfile.DIRTYPE), member("./pets", tarfile.DIRTYPE), *(member(k, content=v) for k, v in PETS.items()), mode=mode)
    folder = unpacked(path, tmp_path / "into")
    assert folder.name == "pets", "the folder around all others is stepped into"
    assert written(folder.parent) == PETS
    assert not stat.S_IMODE((folder / "cat" / "1.png").stat().st_mode) & 0o111


def test_the_same_content_is_unpacked_once_whatever_the_file_is_called(tmp_path: Path) -> None:
    first = unpacked(packed_zip(tmp_path / "a.zip", PETS), tmp_path / "into")
    os.utime(first / "cat" / "1.png", (1, 1))
    (tmp_path / "b.zip").write_bytes((tmp_path / "a.zip").read_bytes())
    assert unpacked(tmp_path / "b.zip", tmp_path / "into") == first
    assert (first / "cat" / "1.png").stat().st_mtime == 1
    other = unpacked(packed_zip(tmp_path / "a.zip", PETS | {"pets/cat/1.png": b"changed"}), tmp_path / "into")
    assert other != first
    assert (other / "cat" / "1.png").read_bytes() == b"changed"


def test_folders_side_by_side_are_left_as_they_are(tmp_path: Path) -> None:
    folder = unpacked(packed_zip(tmp_path / "a.zip", {"cat/1.png": b"1", "dog/1.png": b"2"}), tmp_path / "into")
    assert sorted(child.name for child in folder.iterdir()) == ["cat", "dog"]
    single = unpacked(packed_zip(tmp_path / "b.zip", {"cat/1.png": b"1"}), tmp_path / "into")
    assert [child.name for child in single.iterdir()] == ["cat"], "a class folder is no folder around others"


LINK = 0o120777
ATTACKS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "dots in a tar": (lambda p: tar(p / "a.tar.gz", member("cat/../../../out", content=b"x")), "leads out of the folder"),
    "dots in a zip": (lambda p: packed_zip(p / "a.zip", {"../../out": b"x"}), "leads out of the folder"),
    "a folder above": (lambda p: tar(p / "a.tar", member("..", tarfile.DIRTYPE), mode="w"), "leads out of the folder"),
    "absolute in a tar": (lambda p: tar(p / "a.tar.gz", member(f"{p}/out", content=b"x")), "is an absolute path"),
    "absolute in a zip": (lambda p: packed_zip(p / "a.zip", {f"{p}/out": b"x"}), "is an absolute path"),
    "a drive": (lambda p: packed_zip(p / "a.zip", {"C:/out": b"x"}), "is an absolute path"),
    "backslashes": (lambda p: packed_zip(p / "a.zip", {"..\\..\\out": b"x"}), "a name that is not allowed"),
    "a link out, and a file through it": (
        lambda p: tar(p / "a.tar.gz", member("cat", tarfile.SYMTYPE, linkname=str(p)), member("cat/out", content=b"x")),
        "holds 'cat', which is a link to",
    ),
    "a link out in a zip": (lambda p: packed_zip(p / "a.zip", {"cat": str(p).encode()}, LINK), "holds 'cat', which is a link"),
    "a hard link": (lambda p: tar(p / "a.tar.gz", member("cat/1.png", tarfile.LNKTYPE, linkname="/etc/passwd")), "is a link to '/etc/passwd'"),
    "a device": (lambda p: tar(p / "a.tar.gz", member("cat/1.png", tarfile.CHRTYPE, devmajor=1, devminor=3)), "is a device or a pipe"),
    "a pipe": (lambda p: tar(p / "a.tar.gz", member("cat/1.png", tarfile.FIFOTYPE)), "is a device or a pipe"),
    "a device in a zip": (lambda p: packed_zip(p / "a.zip", {"cat/1.png": b""}, stat.S_IFCHR | 0o644), "is a device or a pipe"),
    "a file twice": (lambda p: tar(p / "a.tar.gz", member("cat/1.png", content=b"1"), member("./cat/1.png", content=b"2")), "twice"),
    "a file as a folder": (lambda p: tar(p / "a.tar.gz", member("cat", content=b"1"), member("cat/1.png", content=b"2")), "can't be unpacked into"),
    "a name too long": (lambda p: tar(p / "a.tar.gz", member("x" * 300, content=b"1")), "File name too long"),
    "too deep": (lambda p: tar(p / "a.tar.gz", member("a/" * 60 + "1.png", content=b"1")), "more than 50 deep"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_is_written_by_an_attack_and_one_line_says_what(tmp_path: Path, attack: str) -> None:
    build, told = ATTACKS[attack]
    box = tmp_path / "deeper" / "box"
    box.mkdir(parents=True)
    path = build(box)
    before = everything(tmp_path)
    with pytest.raises(InputError, match=told) as error:
        unpacked(path, box / "into")
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    left = {(name, link) for name, link in everything(tmp_path) - before if not name.endswith(".lock")}
    assert left == {(str(box / "into"), False)}


def bombs(path: Path, count: int, size: int) -> list[Path]:
    files = {f"cat/{i}.bmp": bytes(size) for i in range(count)}
    return [packed_zip(path / "bomb.zip", files), tar(path / "bomb.tar.gz", *(member(k, content=v) for k, v in files.items()))]


def test_a_bomb_is_stopped_by_what_it_writes_and_not_by_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE", 1_000_000)
    for path in bombs(tmp_path, 4, 1_000_000):
        assert path.stat().st_size * archives.RATIO < 4_000_000
        with pytest.raises(InputError, match="unpacks to far more than its size"):
            unpacked(path, tmp_path / "into")
    assert not [p for p in (tmp_path / "into").iterdir() if p.suffix != ".lock"]
    content = bytearray((tmp_path / "bomb.zip").read_bytes())
    for at in range(len(content) - 4):
        if content[at : at + 4] == (1_000_000).to_bytes(4, "little"):
            content[at : at + 4] = (10).to_bytes(4, "little")
    (tmp_path / "liar.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"liar\.zip: (is no archive|unpacks to)"):
        unpacked(tmp_path / "liar.zip", tmp_path / "into")


def test_too_many_files_and_too_little_room_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed_zip(tmp_path / "a.zip", {f"cat/{i}": b"x" * 100 for i in range(6)})
    monkeypatch.setattr(archives, "MOST_FILES", 5)
    with pytest.raises(InputError, match="holds more than 5 files"):
        unpacked(path, tmp_path / "into")
    monkeypatch.setattr(archives, "MOST_FILES", 6)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 500}))
    with pytest.raises(InputError, match="more than there is room on the disk"):
        unpacked(path, tmp_path / "into")


def test_a_sparse_file_and_a_giant_head_are_refused_before_they_are_read(tmp_path: Path) -> None:
    for kind, told in ((tarfile.GNUTYPE_SPARSE, "no plain file"), (tarfile.GNUTYPE_LONGNAME, "a head of 2,000,000,000 bytes")):
        info = tarfile.TarInfo("cat/1.png")
        info.type, info.size = kind, 2_000_000_000
        (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(20_000))
        with pytest.raises(InputError, match=rf"({told}|is no archive)"):
            unpacked(tmp_path / "a.tar", tmp_path / "into")
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 3_000_000
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(4_000_000)))
    with pytest.raises(InputError, match="has a head of 3,000,000 bytes"):
        unpacked(tmp_path / "b.tar.gz", tmp_path / "into")


def test_a_locked_zip_is_told(tmp_path: Path) -> None:
    content = bytearray(packed_zip(tmp_path / "a.zip", {"cat/1.png": b"x"}).read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="is locked with a password"):
        unpacked(tmp_path / "a.zip", tmp_path / "into")


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_damaged_archives_are_told_in_one_line_and_leave_nothing(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / data.draw(st.sampled_from(["a.zip", "a.tar", "a.tar.gz", "a.tar.xz"]))
    if path.suffix == ".zip":
        packed_zip(path, PETS)
    else:
        tar(path, *(member(k, content=v) for k, v in PETS.items()), mode={".tar": "w", ".gz": "w:gz", ".xz": "w:xz"}[path.suffix])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    left = data.draw(st.one_of(st.integers(0, 40), st.integers(0, len(content))), label="bytes left")
    path.write_bytes(content[:left])
    told = ""
    try:
        unpacked(path, tmp_path / "into")
    except InputError as error:
        told = str(error)
    assert "\n" not in told
    assert not list((tmp_path / "into").glob("*.part"))
    assert {p.name for p in tmp_path.iterdir()} <= {"into", "a.zip", "a.tar", "a.tar.gz", "a.tar.xz"}


def test_archives_are_kept_in_the_cache_folder_or_the_last_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache = tmp_path / "cache" / "contrast"
    assert kept_in(Places(folders=(cache, tmp_path))) == cache / "unpacked"
    assert kept_in(Places(folders=(tmp_path,))) == tmp_path / "unpacked"
    with pytest.raises(InputError, match="no folder to unpack"):
        kept_in(Places())
