"""An nginx with a configuration that the documentation gives."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.process import ROOT, ServerProcess, free_port

__all__ = ["Nginx"]

DOCS = ROOT / "docs"

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


def documented(page: str) -> str:
    """The configuration as a page has it."""
    blocks = re.findall(r"```nginx\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1, f"docs/{page} has one nginx configuration"
    return str(blocks[0])


def replace(text: str, pattern: str, line: str) -> str:
    """Replace the one line of *text* that matches."""
    changed, count = re.subn(pattern, line, text)
    assert count == 1, pattern
    return changed


class Nginx:
    """Passes everything on as *page* says.

    *servers* are addresses as nginx writes them, by those that stand in their place in the page.
    """

    def __init__(
        self,
        folder: Path,
        servers: Mapping[str, str],
        *,
        page: str = "hosts.md",
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        port = free_port()
        listen = f"listen 127.0.0.1:{port};"
        if certificate:
            listen = f"listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"
        text = replace(documented(page), r"listen 80;.*", listen)
        for address, real in servers.items():
            text = replace(text, rf"server {re.escape(address)};.*", f"server {real};")
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
