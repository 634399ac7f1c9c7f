"""How the application is served: the options of `moongate run`."""

import sys
from pathlib import Path

import msgspec

__all__ = ["ServeOptions", "command_line"]


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server listens and what it says."""

    host: str = "127.0.0.1"
    """The address to listen on; `0.0.0.0` is every IPv4 address of the machine."""
    port: int = 3000
    """The TCP port; 0 lets the system choose a free one."""
    uds: str | None = None
    """The path of a UNIX domain socket to listen on, instead of host and port."""
    ssl_certfile: Path | None = None
    """The certificate chain (PEM). With it the server speaks TLS."""
    ssl_keyfile: Path | None = None
    """The private key of the certificate (PEM)."""
    loop: str = "auto"
    """The event loop: `asyncio`, `uvloop`, or `auto`, which is uvloop where it is installed."""
    forwarded_allow_ips: str | None = None
    """The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses and networks, with commas
    between them; `*` is whoever connects, which a UNIX socket needs. None is the environment's `FORWARDED_ALLOW_IPS`,
    and this machine if there is none."""
    log_level: str = "info"
    """What is logged: `trace`, `debug`, `info`, `warning`, `error` or `critical` and above."""
    reload: bool = False
    """Whether a change of the code restarts the server."""
    workers: int = 1
    """How many processes serve; 1 is this one."""


def command_line(import_string: str, options: ServeOptions) -> list[str]:
    """Return the command that serves *import_string* the same in one process, without reloading."""
    command = [sys.executable, "-m", "moongate", "run", import_string, "--log-level", options.log_level]
    if options.uds is None:
        command += ["--host", options.host, "--port", str(options.port)]
    else:
        command += ["--uds", options.uds]
    command += ["--loop", options.loop]
    if options.forwarded_allow_ips is not None:
        command += ["--forwarded-allow-ips", options.forwarded_allow_ips]
    if options.ssl_certfile is not None:
        command += ["--ssl-certfile", str(options.ssl_certfile), "--ssl-keyfile", str(options.ssl_keyfile)]
    return command
