"""An nginx that gives each request to the next of several servers, whatever client it is from."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.nginx import nginx
from tests.support.process import free_port

__all__ = ["Balancer"]

_HTTP = """
    log_format requests "$upstream_addr $request_method $status $http_upgrade";
    access_log {folder}/access.log requests;
    upstream servers {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://servers;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
        }}
    }}
"""


class Balancer:
    """Listens at `url`. `requests` are those that were answered, each with its server, method, status and upgrade."""

    def __init__(self, urls: Sequence[str]) -> None:
        port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="balancer-")
        servers = " ".join(f"server {url.removeprefix('http://')};" for url in urls)
        http = _HTTP.format(folder=self._folder.name, servers=servers, port=port)
        self._process = nginx(Path(self._folder.name), http, port)
        self.url: str = self._process.url

    @property
    def requests(self) -> list[list[str]]:
        lines = (Path(self._folder.name) / "access.log").read_text(encoding="utf-8").splitlines()
        return [line.split() for line in lines]

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()
        self._folder.cleanup()
