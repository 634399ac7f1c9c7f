"""The commands and their options."""

import sys
from pathlib import Path
from typing import NoReturn

import click
import msgspec
from click.core import ParameterSource

from moongate.cli.loading import ImportString, load
from moongate.errors import ConfigurationError
from moongate.server import reload as reloader
from moongate.server.options import ServeOptions

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
@click.option("--reload", is_flag=True, help="Restart when a Python file of the current directory changes.")
@click.pass_context
def run(context: click.Context, /, target: str, **values: object) -> None:
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
        app = load(name)
        from moongate.server import uvicorn  # an optional dependency: raises MissingExtraError

        status = uvicorn.run(app, options)
    except ConfigurationError as error:
        _fail(error)
    sys.exit(status)


def _check_options(context: click.Context) -> None:
    """Refuse options that contradict each other."""
    given = {name for name in context.params if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    for name in ("host", "port"):
        if {"uds", name} <= given:
            raise click.UsageError(f"--uds and --{name} contradict each other: the server listens in one place.")
    for name, other in (("ssl_certfile", "ssl_keyfile"), ("ssl_keyfile", "ssl_certfile")):
        if name in given and other not in given:
            option, missing = (f"--{word.replace('_', '-')}" for word in (name, other))
            raise click.UsageError(f"{option} needs {missing} too.")


def _fail(error: ConfigurationError) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(_WRONG_USE)
