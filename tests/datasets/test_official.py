"""Published files are believed by their checksum, and never read further than their size."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc
from pathlib import Path

import pytest

from contrast.errors import InputError
from contrast.official import OfficialFile

CONTENT = b"published"
FILE = OfficialFile("some.bin", len(CONTENT), f"sha1:{hashlib.sha1(CONTENT).hexdigest()}")


def test_the_published_file_is_read_packed_or_not(tmp_path: Path) -> None:
    (tmp_path / "some.bin").write_bytes(CONTENT)
    (tmp_path / "some.bin.gz").write_bytes(gzip.compress(CONTENT))
    assert FILE.read(tmp_path / "some.bin") == FILE.read(tmp_path / "some.bin.gz") == CONTENT


@pytest.mark.parametrize(
    ("content", "told"), [(b"publish", "7 bytes instead of 9"), (b"publisheD", "its SHA1 is not"), (b"published!", "its SHA1 is not")]
)
def test_any_other_content_is_told_in_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "some.bin").write_bytes(content)
    with pytest.raises(InputError, match=told) as error:
        FILE.read(tmp_path / "some.bin")
    assert str(tmp_path / "some.bin") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bomb_is_unpacked_no_further_than_the_published_size(tmp_path: Path) -> None:
    (tmp_path / "some.bin.gz").write_bytes(gzip.compress(bytes(30_000_000), 1))
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            FILE.read(tmp_path / "some.bin.gz")
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
