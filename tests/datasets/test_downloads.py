"""Downloads, against a server of our own on this machine: checked, bounded, tried again, and never half there."""

from __future__ import annotations

import gzip
import hashlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import contrast
from contrast import downloads
from contrast.datasets import fashion_mnist
from contrast.datasets.cifar10 import REMOTE, Cifar10
from contrast.downloads import OFFLINE, Remote, fetched
from contrast.errors import InputError
from contrast.official import OfficialFile, missing
from contrast.protocols import Places

CONTENT = bytes(range(256)) * 5000
MISSING = missing("the set", names=["some.bin"], folders=[Path("somewhere")], get="get it")


class Server(ThreadingHTTPServer):
    """Serves one content, and misbehaves as told: an entry of `script` a request, then well."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents: dict[str, bytes] = {"/some.bin": CONTENT}
        self.script: list[str] = []
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        does = self.server.script.pop(0) if self.server.script else "well"
        content = self.server.contents.get(self.path)
        if content is None or does == "not there":
            self.send_error(404)
            return
        sent = {"cut": content[: len(content) // 2], "wrong": content[:-1] + b"!", "endless": content * 3}.get(does, content)
        self.send_response(200)
        self.send_header("Content-Length", str(len(sent) if does == "endless" else len(content)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv(OFFLINE, raising=False)
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    return tmp_path / "cache" / "contrast"


def remote(server: Server, name: str = "some.bin", content: bytes = CONTENT) -> Remote:
    return Remote(f"{server.address}/{name}", f"set/{name}", f"md5:{hashlib.md5(content).hexdigest()}", len(content))


def told(remotes: list[Remote], places: Places) -> str:
    with pytest.raises(InputError) as error:
        fetched(remotes, places, MISSING)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_file_is_fetched_once_and_found_from_then_on(server: Server, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    places = Places(folders=(cache,))
    path = fetched([remote(server)], places, MISSING)
    assert path == cache / "set" / "some.bin" == places.find("set/some.bin")
    assert path.read_bytes() == CONTENT
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == f"downloading {server.address}/some.bin (1.3 MB)\n"
    assert fetched([remote(server)], places, MISSING) == path
    assert server.asked == ["/some.bin"]


@pytest.mark.parametrize("script", [["cut"], ["wrong"], ["cut", "wrong"]])
def test_what_broke_off_or_came_out_wrong_is_tried_again(server: Server, cache: Path, script: list[str]) -> None:
    server.script = list(script)
    assert fetched([remote(server)], Places(folders=(cache,)), MISSING).read_bytes() == CONTENT
    assert len(server.asked) == len(script) + 1


@pytest.mark.parametrize(
    ("does", "requests", "reason"),
    [
        ("cut", 3, "the transfer broke off"),
        ("wrong", 3, "what came has another checksum than the published file"),
        ("not there", 1, "404"),
        ("endless", 1, "more than 1,280,000 bytes came, so this is not the published file"),
    ],
)
def test_what_can_not_be_had_is_told_and_nothing_stays(server: Server, cache: Path, does: str, requests: int, reason: str) -> None:
    server.script = [does] * 9
    said = told([remote(server)], Places(folders=(cache,)))
    for part in ("the set was not found", f"{server.address}/some.bin could not be downloaded ({reason}", str(cache / "set" / "some.bin"), "--data"):
        assert part in said
    assert len(server.asked) == requests
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_an_unreachable_host_is_told_quickly(cache: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/some.bin"
        began = time.monotonic()
        said = told([Remote(url, "some.bin", "md5:0", 9)], Places(folders=(cache,)))
    assert time.monotonic() - began < 5
    assert f"{url} could not be downloaded (its host refuses the connection)" in said
    unknown = told([Remote("http://no-such-host.invalid/some.bin", "some.bin", "md5:0", 9)], Places(folders=(cache,)))
    assert "its host is not known here: no network?" in unknown


def test_the_file_that_a_set_is_found_by_comes_last(server: Server, cache: Path) -> None:
    server.contents["/other.bin"] = b"other"
    server.script = ["well", "not there"]
    both = [remote(server), remote(server, "other.bin", b"other")]
    told(both, Places(folders=(cache,)))
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["other.bin"]
    fetched(both, Places(folders=(cache,)), MISSING)
    assert server.asked == ["/other.bin", "/some.bin", "/some.bin"]


def test_nothing_is_asked_for_without_a_cache_folder_or_offline(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for places in (Places(), Places(folders=(cache.parent,)), Places(folders=(cache,), offline=True)):
        assert told([remote(server)], places) == str(MISSING)
    monkeypatch.setenv(OFFLINE, "1")
    assert told([remote(server)], Places(folders=(cache,))) == str(MISSING)
    with pytest.raises(InputError, match="CIFAR-10 was not found"):
        Cifar10().read(Places(folders=(cache,)))
    assert server.asked == []


def test_a_full_disk_is_not_tried_again(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: downloads._Bounded, content: bytes) -> None:
        self.transfer.received += len(content)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads._Bounded, "write", full)
    assert "No space left on device" in told([remote(server)], Places(folders=(cache,)))
    assert len(server.asked) == 1


def test_a_named_set_is_fetched_and_read(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def idx(*sizes: int) -> bytes:
        count = 1
        for size in sizes:
            count *= size
        return bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes) + bytes(i % 10 for i in range(count))

    files = {}
    for part, prefix, count in (("train", "train", 20), ("test", "t10k", 10)):
        pair = (f"{prefix}-images-idx3-ubyte.gz", gzip.compress(idx(count, 28, 28))), (f"{prefix}-labels-idx1-ubyte.gz", gzip.compress(idx(count)))
        server.contents |= {f"/{name}": content for name, content in pair}
        files[part] = tuple(OfficialFile(name, len(content), f"md5:{hashlib.md5(content).hexdigest()}") for name, content in pair)
    monkeypatch.setattr(fashion_mnist, "FILES", files)
    monkeypatch.setattr(fashion_mnist, "ADDRESS", f"{server.address}/")
    for _ in range(2):
        images = fashion_mnist.FashionMnist().read(Places(folders=(cache,)))
        assert (images.pixels.shape, images.ids[20]) == ((30, 28, 28, 1), "test/0")
    assert len(server.asked) == 4


def test_the_published_archive_of_cifar10_is_asked_for() -> None:
    assert REMOTE.url == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"


def test_one_module_alone_knows_the_downloader() -> None:
    root = Path(contrast.__file__).parent
    texts = {path.stem: path.read_text(encoding="utf-8") for path in root.rglob("*.py")}
    assert {name for name, text in texts.items() if re.search(r"^\s*(import|from) pooch\b", text, re.MULTILINE)} == {"downloads"}
