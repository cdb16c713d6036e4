"""A study's page on this machine's own address, made anew when its run folders have changed; nothing else is served."""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from contrast.errors import ContrastError, InputError, in_one_line
from contrast.results import Results

ADDRESS = "127.0.0.1"
PAGES = ("/", "/report.html")
PAUSE = 5.0
"""Seconds, and so many times what the last page cost, before a changed folder is read again."""
TIMES = 20.0
TELLING = ("summary.json", "failure.json", "epochs.csv", "owner.lock")
"""Files of a run whose change makes the page another one."""
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class FreshPage:
    """The page of a study as it is now.

    Args:
        folder: the study's.

    Raises:
        InputError: the folder holds no study.
    """

    def __init__(self, folder: Path) -> None:
        Results(folder)
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp: tuple[object, ...] = ()
        self._content = b""
        self._next = 0.0

    def content(self) -> bytes:
        """HTML. What several readers ask for at once is made once; a page that can't be made leaves the one before.

        Raises:
            InputError: it can't be made, and none was before.
        """
        with self._lock:
            began = time.monotonic()
            stamp = _stamp(self._folder)
            if stamp != self._stamp and began >= self._next:
                try:
                    self._content, self._stamp = _made(self._folder), stamp
                except ContrastError:
                    if not self._content:
                        raise
                self._next = time.monotonic() + max(PAUSE, TIMES * (time.monotonic() - began))
            return self._content


def _stamp(folder: Path) -> tuple[object, ...]:
    """What tells whether a folder has changed: size and time of the files that its page is made of."""
    watched = [folder / "study.lock", *(run / name for run in sorted(folder.iterdir()) if run.is_dir() for name in TELLING)]
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in watched if path.exists())


def _made(folder: Path) -> bytes:
    """The page; with pictures only when all runs have ended, since they take longest."""
    from contrast.evidence import Evidence
    from contrast.report.page import build

    results = Results(folder)
    is_over = bool(results.status()["status"].isin(["finished", "diverged", "pruned"]).all())
    return build(results, results.compare(), Evidence(results) if is_over else None).encode("utf-8", "backslashreplace")


class Server(ThreadingHTTPServer):
    """Listens on this machine's own address alone.

    Args:
        page: what it serves.
        port: 0 takes a free one.

    Raises:
        InputError: the port is taken, or no port.
    """

    daemon_threads = True

    def __init__(self, page: FreshPage, port: int) -> None:
        self.page = page
        try:
            super().__init__((ADDRESS, port), Answer)
        except (OSError, OverflowError) as error:
            told = getattr(error, "strerror", None) or str(error)
            raise InputError(f"can't be listened on: {told}", where=f"--port {port}", right="give another port, or 0 for a free one") from None

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{ADDRESS}:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    """The answer to one request."""

    server: Server
    server_version, sys_version = "contrast", ""
    timeout = 10
    """Seconds that a reader may take to ask."""

    def do_GET(self) -> None:
        """Send the page."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send what comes before the page."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        # A foreign name that leads here from elsewhere would let another site read the page.
        own = {f"{name}:{self.server.server_port}" for name in (ADDRESS, "localhost")}
        if self.headers.get("Host", "").lower() not in own:
            self._say(HTTPStatus.MISDIRECTED_REQUEST, "This server answers to its own address only.", body=body)
        elif self.path.partition("?")[0] not in PAGES:
            self._say(HTTPStatus.NOT_FOUND, "There is one page here, at /.", body=body)
        else:
            try:
                content = self.server.page.content()
            except ContrastError as error:
                self._say(HTTPStatus.SERVICE_UNAVAILABLE, in_one_line(str(error)), body=body)
                return
            self._send(HTTPStatus.OK, content, HEADERS, body=body)

    def _say(self, status: HTTPStatus, words: str, *, body: bool) -> None:
        self._send(status, f"{words}\n".encode("utf-8", "replace"), HEADERS | {"Content-Type": "text/plain; charset=utf-8"}, body=body)

    def _send(self, status: HTTPStatus, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who reads the page needs no list of it."""


def serve(folder: Path, port: int) -> None:
    """Serve a study's page until Ctrl-C.

    Raises:
        InputError: the folder holds no study, or the port can't be had.
    """
    with Server(FreshPage(folder), port) as server:
        print(f"{server.address}  (reload it to see more; Ctrl-C ends)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
