"""The page while runs go on: written within its share of the time, never at the study's cost, and served to this machine alone."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.reading.made_study import Made, write

from contrast import live_page, serving
from contrast.errors import InputError
from contrast.live_page import LivePage
from contrast.orders import Event
from contrast.results import Results
from contrast.serving import FreshPage, Server

STATES = {(arm, 2): "interrupted" for arm in ("baseline", "batch norm", "dropout")}


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[float]:
    """Pages that take three seconds each; when they were written."""
    written: list[float] = []

    def write_slowly(folder: Path) -> None:
        written.append(clock.now)
        clock.now += 3.0

    monkeypatch.setattr(live_page, "write", write_slowly)
    return written


class TestMoments:
    def test_pages_take_a_hundredth_of_the_time_at_most(self, tmp_path: Path, clock: Clock, slow: list[float]) -> None:
        page = LivePage(tmp_path, clock)
        for _ in range(2000):
            clock.now += 1.0
            page.noted(Event("finished", "a", 0))
            assert 3.0 * len(slow) <= 0.01 * clock.now + 3.0
        assert slow[0] >= 200
        assert len(slow) == page.written == 6

    def test_between_ends_of_runs_a_minute_passes(self, tmp_path: Path, clock: Clock, slow: list[float]) -> None:
        page = LivePage(tmp_path, clock)
        clock.now = 10_000.0
        page.noted(Event("progress", "a", 0))
        for _ in range(59):
            clock.now += 1.0
            page.noted(Event("progress", "a", 0))
        assert len(slow) == 1
        page.noted(Event("finished", "a", 0))
        assert len(slow) == 2

    def test_a_page_that_says_running_is_not_left_behind(self, tmp_path: Path, clock: Clock, slow: list[float]) -> None:
        page = LivePage(tmp_path, clock)
        page.ended()
        assert slow == []
        clock.now = 10_000.0
        page.noted(Event("finished", "a", 0))
        page.ended()
        assert len(slow) == 2

    def test_a_page_that_can_t_be_written_is_told_once_and_tried_again(
        self, tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = LivePage(tmp_path, clock)
        for _ in range(3):
            clock.now += 10_000.0
            page.noted(Event("finished", "a", 0))
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("contrast: the page could not be written, and will be tried again: ")
        assert page.written == 0
        monkeypatch.setattr(live_page, "write", lambda folder: None)
        clock.now += 10_000.0
        page.noted(Event("finished", "a", 0))
        assert page.written == 1


def test_what_stands_is_on_the_page_and_what_comes_later_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", Made(images=30, states=STATES))
    live_page.write(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "6 of 9 runs ended; 3 interrupted. What follows is what is known so far." in text
    assert 'http-equiv="refresh"' not in text
    assert "Image by image" in text
    assert "are added when the page is written with `contrast report`" in text


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(FreshPage(write(tmp_path / "s", Made(images=20, states=STATES))), 0) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def asked(server: Server, path: str = "/", host: str | None = None, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    try:
        connection.request(method, path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


class TestServing:
    def test_the_page_is_served_and_made_anew_when_a_run_has_changed(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[Path] = []
        monkeypatch.setattr(serving, "_made", lambda folder: made.append(folder) or f"page {len(made)}".encode())
        monkeypatch.setattr(serving, "PAUSE", 0.0)
        monkeypatch.setattr(serving, "TIMES", 0.0)
        status, content, headers = asked(server)
        assert (status, content) == (200, b"page 1")
        assert headers["Cache-Control"] == "no-store"
        assert asked(server, "/report.html?x=1")[1] == b"page 1"
        (next((made[0]).glob("baseline-seed2-*")) / "summary.json").write_text("{}", encoding="utf-8")
        assert asked(server)[1] == b"page 2"
        assert asked(server, method="HEAD")[:2] == (200, b"")

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8642", "127.0.0.1", "localhost:1", ""])
    def test_a_foreign_host_is_refused(self, server: Server, host: str) -> None:
        status, content, _ = asked(server, host=host)
        assert status == 421
        assert b"<" not in content

    @pytest.mark.parametrize("path", ["/study.lock", "/../study.lock", "/%2e%2e/etc/passwd", "/report.html/x", "/baseline"])
    def test_nothing_but_the_page_is_served(self, server: Server, path: str) -> None:
        assert asked(server, path)[0] == 404

    def test_it_listens_on_this_machine_alone(self, server: Server) -> None:
        assert server.server_address[0] == "127.0.0.1"
        assert server.address == f"http://127.0.0.1:{server.server_port}/"

    def test_other_methods_are_refused(self, server: Server) -> None:
        assert asked(server, method="POST")[0] == 501

    def test_a_port_that_is_taken_or_none_is_one_line(self, server: Server) -> None:
        for port in (server.server_port, 70_000):
            with pytest.raises(InputError, match=f"--port {port}"):
                Server(server.page, port)

    def test_a_folder_without_a_study_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(InputError):
            FreshPage(tmp_path)

    def test_a_folder_that_breaks_keeps_the_page_before(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = write(tmp_path / "s", Made(images=20))
        page = FreshPage(folder)
        monkeypatch.setattr(serving, "PAUSE", 0.0)
        monkeypatch.setattr(serving, "TIMES", 0.0)
        monkeypatch.setattr(serving, "_made", lambda folder: Results(folder).name.encode())
        first = page.content()
        assert first == b"quickstart"
        (folder / "study.lock").write_text("{", encoding="utf-8")
        assert page.content() == first
        with pytest.raises(InputError):
            FreshPage(folder)
