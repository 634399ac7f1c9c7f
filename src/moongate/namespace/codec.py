"""What a namespace needs of a protocol to speak to a client."""

from typing import Protocol

from moongate.wire.outgoing import Outgoing

__all__ = ["Codec"]


class Codec(Protocol):
    """Encodes what goes to the clients of one protocol. Raises EncodeError for what cannot be sent."""

    def event(self, event: str, arguments: tuple[object, ...], ack_id: int | None = None) -> Outgoing:
        """Encode an event, which asks for an acknowledgement if it has an id."""

    def acknowledgement(self, ack_id: int, arguments: tuple[object, ...]) -> Outgoing:
        """Encode the answer to a client's message."""

    def failure(self, ack_id: int, error: object) -> Outgoing:
        """Encode the answer to a client's message whose handler failed."""
