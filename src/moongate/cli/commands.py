"""The commands and their options."""

import importlib.util
import sys
from pathlib import Path
from typing import NoReturn

import click
import msgspec
from click.core import ParameterSource

from moongate.app import Moongate
from moongate.cli.loading import ImportString, load
from moongate.cluster.local import LocalCluster
from moongate.errors import ConfigurationError, MissingExtraError
from moongate.server import reload as reloader
from moongate.server import workers
from moongate.server.options import ServeOptions
from moongate.server.worker import Seat, Worker

__all__ = ["moongate"]

_LOG_LEVELS = ("critical", "error", "warning", "info", "debug", "trace")
_LOOPS = ("auto", "asyncio", "uvloop")
_WRONG_USE = 2
_DEFAULTS = ServeOptions()
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="moongate")
def moongate() -> None:
    """WebSocket gateways for Python."""


@moongate.command()
@click.argument("target", metavar="MODULE:APP")
@click.option("--host", default=_DEFAULTS.host, show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_DEFAULTS.port,
    show_default=True,
    help="The port; 0 is a free one.",
)
@click.option("--uds", type=click.Path(), help="A UNIX domain socket to listen on, instead of host and port.")
@click.option("--ssl-certfile", type=_FILE, help="The certificate chain, as PEM: the server speaks TLS.")
@click.option("--ssl-keyfile", type=_FILE, help="The private key of the certificate, as PEM.")
@click.option(
    "--loop",
    type=click.Choice(_LOOPS),
    default=_DEFAULTS.loop,
    show_default=True,
    help="The event loop; auto is uvloop where it is installed.",
)
@click.option(
    "--forwarded-allow-ips",
    metavar="ADDRESSES",
    help="The proxies whose X-Forwarded-For and -Proto are believed, with commas between them; * is whoever connects."
    "  [default: $FORWARDED_ALLOW_IPS, or this machine]",
)
@click.option(
    "--log-level",
    type=click.Choice(_LOG_LEVELS),
    default=_DEFAULTS.log_level,
    show_default=True,
    help="What is logged.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=_DEFAULTS.workers,
    show_default=True,
    help="How many processes serve on the one port.",
)
@click.option("--as-worker", hidden=True, help="What a worker is told by its parent.")
@click.option("--reload", is_flag=True, help="Restart when a Python file of the current directory changes.")
@click.pass_context
def run(context: click.Context, /, target: str, as_worker: str | None, **values: object) -> None:
    """Serve the application APP of MODULE, as in: moongate run chat:app.

    MODULE is named as an import would name it, seen from the current directory.
    """
    _check_options(context)
    options = msgspec.convert(values, ServeOptions)
    try:
        name = ImportString.parse(target)
        if options.reload:
            reloader.run(target, options)
            return
        status = workers.run(target, options) if options.workers > 1 else _serve(name, options, as_worker)
    except ConfigurationError as error:
        _fail(error)
    sys.exit(status)


def _serve(name: ImportString, options: ServeOptions, as_worker: str | None) -> int:
    """Serve the application in this process; return the exit status."""
    worker = None if as_worker is None else Worker(msgspec.json.decode(as_worker, type=Seat))
    if worker is not None:
        worker.begin()
    app = load(name)
    from moongate.server import uvicorn  # an optional dependency: raises MissingExtraError

    if worker is None:
        return uvicorn.run(app, options)
    _join_workers(app, worker.seat.folder)
    try:
        return uvicorn.run(app, options, worker)
    finally:
        worker.end()


def _join_workers(app: Moongate, folder: str) -> None:
    """Make one cluster of the workers of this server, unless the application names one."""
    if app.cluster is not None:
        return
    if importlib.util.find_spec("zmq") is None:
        raise MissingExtraError("--workers", extra="workers")
    app.cluster = LocalCluster(folder)


def _check_options(context: click.Context) -> None:
    """Refuse options that contradict each other."""
    given = {name for name in context.params if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    for name in ("host", "port"):
        if {"uds", name} <= given:
            raise click.UsageError(f"--uds and --{name} contradict each other: the server listens in one place.")
    if {"workers", "reload"} <= given:
        raise click.UsageError("--workers and --reload contradict each other: reload while you write, in one process.")
    for name, other in (("ssl_certfile", "ssl_keyfile"), ("ssl_keyfile", "ssl_certfile")):
        if name in given and other not in given:
            option, missing = (f"--{word.replace('_', '-')}" for word in (name, other))
            raise click.UsageError(f"{option} needs {missing} too.")


def _fail(error: ConfigurationError) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(_WRONG_USE)
