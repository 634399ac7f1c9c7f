"""The entry of the command `moongate`."""

import sys

from moongate.errors import MissingExtraError

__all__ = ["main"]


def main() -> None:
    """Run the command line; ends the process."""
    try:
        import click
    except ImportError:
        print(f"Error: {MissingExtraError('The command line', extra='cli')}", file=sys.stderr)
        sys.exit(2)
    del click  # Only the question was whether it is there.
    from moongate.cli.commands import moongate

    moongate(prog_name="moongate")
