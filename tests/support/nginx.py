"""A running nginx."""

import os
import shutil
from pathlib import Path

from tests.support.process import ServerProcess

__all__ = ["nginx"]

_MAIN = """
{user}
daemon off;
worker_processes 1;
error_log stderr;
pid {folder}/nginx.pid;
events {{}}
http {{
    {temporary}
    {http}
}}
"""


def nginx(folder: Path, http: str, port: int) -> ServerProcess:
    """An nginx that serves on *port* what the block *http* of its configuration says; it may write into *folder*."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    configuration = folder / "nginx.conf"
    text = _MAIN.format(
        user="user root;" if os.geteuid() == 0 else "",
        folder=folder,
        temporary="\n    ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
        http=http,
    )
    configuration.write_text(text, encoding="utf-8")
    # Debian has it where only root looks.
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "nginx is missing: apt-get install nginx-light"
    return ServerProcess([program, "-c", str(configuration), "-e", "stderr"], port=port)
