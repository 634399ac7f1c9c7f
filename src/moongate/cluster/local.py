"""The processes of one machine, as they are given to `Moongate(cluster=...)`: no server is needed."""

import os
from pathlib import Path
from typing import Any

from moongate.cluster.bus import Bus, Options
from moongate.errors import ConfigurationError, MissingExtraError
from moongate.wire.payload import PayloadEncoder

__all__ = ["LocalCluster"]


class LocalCluster:
    """Joins the processes of one machine by UNIX sockets in *folder*, which is created for this user alone.

    Each process sends straight to those that want the message: for a room, to those with members. A process that reads
    too slowly holds up those that send to it for a moment; what it does not take then is refused for it alone, and
    reported. Whoever joins with a folder that is shared by no more than these processes is one of the cluster.
    """

    def __init__(self, folder: str | os.PathLike[str], **options: Any) -> None:
        if not os.fspath(folder):
            raise ConfigurationError("expected the path of a folder", where="LocalCluster")
        self.folder: Path = Path(folder).absolute()
        self.options: Options = Options(**options)

    def bus(self, encoder: PayloadEncoder) -> Bus:
        """Return a new bus; raises MissingExtraError."""
        try:
            from moongate.cluster.local_bus import LocalBus
        except ModuleNotFoundError as error:
            raise MissingExtraError("LocalCluster", extra="workers") from error
        return LocalBus(self.folder, self.options, encoder)
