"""An nginx that gives each request to the next of several servers, whatever client it is from."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.process import ServerProcess, free_port

__all__ = ["Balancer"]

_CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
error_log stderr;
pid {folder}/nginx.pid;
events {{}}
http {{
    log_format requests "$upstream_addr $request_method $status $http_upgrade";
    access_log {folder}/access.log requests;
    {temporary}
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
}}
"""


class Balancer:
    """Listens at `url`. `requests` are those that were answered, each with its server, method, status and upgrade."""

    def __init__(self, urls: Sequence[str]) -> None:
        port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="balancer-")
        folder = Path(self._folder.name)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        text = _CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            temporary="\n    ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
            servers=" ".join(f"server {url.removeprefix('http://')};" for url in urls),
            port=port,
        )
        (folder / "nginx.conf").write_text(text, encoding="utf-8")
        # Debian has it where only root looks.
        program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program, "nginx is missing: apt-get install nginx-light"
        self._process = ServerProcess([program, "-c", str(folder / "nginx.conf"), "-e", "stderr"], port=port)
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
