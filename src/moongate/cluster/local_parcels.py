"""Messages for one other process, several in each message of ZeroMQ: that costs less than each one by itself."""

from collections.abc import Iterator, Sequence

import msgspec

from moongate.cluster.local_link import Peer

__all__ = ["Parcel", "Parcels", "opened"]

_MOST = 64
_LARGEST = 65_536
"""How many messages, and about how many bytes, go together at most."""


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """Messages that are sent together; `sender` is the address of their process, empty if it has none."""

    sender: str
    messages: list[bytes]


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Parcel).decode


def opened(data: bytes) -> Parcel:
    """Return the messages that were sent together; raises msgspec.MsgspecError."""
    return _unpack(data)


class Parcels:
    """Those messages of a batch of *sender* that *peer* is to get, in order."""

    __slots__ = ("_messages", "_numbers", "_sender", "_sent", "peer")

    def __init__(self, sender: str, peer: Peer) -> None:
        self.peer: Peer = peer
        self._sender = sender
        self._messages: list[bytes] = []
        self._numbers: list[int] = []  # which of the batch they are
        self._sent = 0

    def add(self, number: int, message: bytes) -> None:
        """Let *message*, which has that number in the batch, be sent behind the others."""
        self._numbers.append(number)
        self._messages.append(message)

    @property
    def sent(self) -> Sequence[int]:
        """The numbers of those that have left."""
        return self._numbers[: self._sent]

    @property
    def unsent(self) -> Sequence[int]:
        """The numbers of those that have not."""
        return self._numbers[self._sent :]

    def send(self) -> bool:
        """Send what was not sent yet; return whether there was room for all of it."""
        for end in self._ends():
            if not self.peer.give(_pack(Parcel(self._sender, self._messages[self._sent : end]))):
                return False
            self._sent = end
        return True

    def _ends(self) -> Iterator[int]:
        """Return where each parcel ends."""
        size, start = 0, self._sent
        for end in range(start + 1, len(self._messages) + 1):
            size += len(self._messages[end - 1])
            if size >= _LARGEST or end - start == _MOST or end == len(self._messages):
                yield end
                size, start = 0, end
