"""An nginx with the configuration that docs/hosts.md gives."""

import os
import re
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.process import ROOT, ServerProcess, free_port

__all__ = ["Nginx"]

PAGE = ROOT / "docs/hosts.md"

MAIN = """
{user}
daemon off;
worker_processes 1;
error_log stderr;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    {temporary}
    {documented}
}}
"""


def documented() -> str:
    """The configuration as the page has it."""
    blocks = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1, "docs/hosts.md has one nginx configuration"
    return str(blocks[0])


def replace(text: str, pattern: str, line: str) -> str:
    """Replace the one line of *text* that matches."""
    changed, count = re.subn(pattern, line, text)
    assert count == 1, pattern
    return changed


class Nginx:
    """Passes everything on to *upstream*, an address as nginx writes it."""

    def __init__(
        self, folder: Path, *, upstream: str, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        port = free_port()
        listen = f"listen 127.0.0.1:{port};"
        if certificate:
            listen = f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"
        text = replace(documented(), r"listen 80;.*", listen)
        text = replace(text, r"server 127\.0\.0\.1:3000;.*", f"server {upstream};")
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        main = MAIN.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            temporary="\n    ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
            documented=text,
        )
        configuration = folder / "nginx.conf"
        configuration.write_text(main, encoding="utf-8")
        # Debian has it where only root looks.
        program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program, "nginx is missing: apt-get install nginx-light"
        self._process = ServerProcess([program, "-c", str(configuration), "-e", "stderr"], port=port)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()
