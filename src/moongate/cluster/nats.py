"""NATS, as it is given to `Moongate(cluster=...)`."""

from collections.abc import Mapping, Sequence
from typing import Any

from moongate.cluster.bus import Bus, Options
from moongate.errors import ConfigurationError, MissingExtraError
from moongate.wire.payload import PayloadEncoder

__all__ = ["NatsCluster"]

_OURS = {"servers", "allow_reconnect", "max_reconnect_attempts", "reconnect_time_wait", "pending_size", "no_echo"} | {
    f"{event}_cb" for event in ("error", "closed", "disconnected", "reconnected")
}
"""Arguments of `nats.connect` that are not for the application to choose."""


class NatsCluster:
    """Joins Moongate nodes by the publish and subscribe of NATS. A message for a room reaches nodes with members only.

    *servers* is a URL, as `nats://127.0.0.1:4222`, or all URLs of a NATS cluster. *connect* are further arguments of
    `nats.connect`, for credentials and TLS. All other options are those of `Options`; `max_payload` of the servers
    has to be as large as `max_message` for the largest messages to pass. In a NATS cluster a new subscription is
    confirmed by one server and needs a moment to reach the others.
    """

    def __init__(
        self, servers: str | Sequence[str], *, connect: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        self.servers: tuple[str, ...] = (servers,) if isinstance(servers, str) else tuple(servers)
        self.connect: Mapping[str, Any] = dict(connect or {})
        self.options: Options = Options(**options)
        if not self.servers or not all(self.servers):
            raise ConfigurationError(
                f"expected a URL like 'nats://localhost:4222', or several, got {servers!r}", where="NatsCluster"
            )
        wrong = _OURS & self.connect.keys()
        if wrong:
            raise ConfigurationError(
                f"connect may not have {', '.join(sorted(wrong))}", where="NatsCluster", mend="Moongate connects again."
            )

    def bus(self, encoder: PayloadEncoder) -> Bus:
        """Return a new bus; raises MissingExtraError."""
        try:
            from moongate.cluster.nats_bus import NatsBus
        except ModuleNotFoundError as error:
            raise MissingExtraError("NatsCluster", extra="nats") from error
        return NatsBus(self.servers, self.connect, self.options, encoder)
