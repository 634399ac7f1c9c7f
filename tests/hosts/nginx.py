"""An nginx with a configuration that the documentation gives."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.nginx import nginx
from tests.support.process import ROOT, free_port

__all__ = ["Nginx"]

DOCS = ROOT / "docs"


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
        self._process = nginx(folder, f"access_log off;\n{text}", port)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()
