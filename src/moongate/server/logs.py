"""How the log of a served application looks if the program has not set up logging itself."""

import logging

__all__ = ["configure_logging"]


def configure_logging(level: str, *, with_process: bool = False) -> None:
    """Make the log readable; *with_process* says in every line which process it comes from."""
    if logging.getLogger().hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.addFilter(_named_readably)
    process = "%(processName)-9s " if with_process else ""
    logging.basicConfig(
        level=logging.DEBUG if level == "trace" else level.upper(),
        format=f"%(asctime)s %(levelname)-7s {process}%(name)s  %(message)s",
        datefmt="%H:%M:%S",
        handlers=[handler],
    )


def _named_readably(record: logging.LogRecord) -> bool:
    """Call uvicorn by its name: all that it says comes from `uvicorn.error`, errors or not."""
    if record.name == "uvicorn.error":
        record.name = "uvicorn"
    return True
