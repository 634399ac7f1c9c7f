import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.workers import Workers, is_gone, write


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder whose path is short enough for UNIX sockets below it, which pytest's own need not be."""
    with tempfile.TemporaryDirectory(prefix="cli-") as folder:
        yield Path(folder)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Workers]]:
    """Starts the application, if there is none yet an ordinary one."""
    started: list[Workers] = []

    def start(*options: str, patch: str = "") -> Workers:
        if not (tmp_path / "served.py").exists():
            write(tmp_path)
        started.append(Workers(tmp_path, *options, patch=patch))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()
        for pid in server.pids:
            assert is_gone(pid)
