"""The clients of all namespaces of one pattern."""

from collections.abc import Collection
from itertools import chain
from typing import Any
from weakref import WeakSet

from moongate.cluster.rooms import Target
from moongate.namespace.clients import Client, Clients
from moongate.namespace.codec import PacketCodec
from moongate.namespace.runtime import Runtime
from moongate.types import Event
from moongate.wire.outgoing import Outgoing

__all__ = ["Family"]


class Family(Clients):
    """Reaches the clients of every namespace that a pattern has at the moment; they have rooms of their own."""

    __slots__ = ("_members",)

    def __init__(self, pattern: str, runtime: Runtime, codec: PacketCodec) -> None:
        super().__init__(pattern, runtime, codec)
        self._members: WeakSet[Clients] = WeakSet()

    def member(self, name: str, codec: PacketCodec) -> Clients:
        """Return the clients of one namespace. They belong here as long as somebody holds them."""
        # The numbers of acknowledgements are shared, since one event may go to clients of all.
        clients = Clients(name, self.runtime, codec, ack_ids=self._ack_ids)
        self._members.add(clients)
        return clients

    def select(self, target: Target) -> Collection[Client]:
        """Return the clients that *target* means in each namespace."""
        return list(chain.from_iterable(clients.select(target) for clients in self._members))

    def deliver(
        self, target: Target, event: Event, arguments: tuple[Any, ...], message: Outgoing, *, volatile: bool
    ) -> None:
        """Send an event in each namespace; *message* is of use to none, since it names the pattern."""
        del message
        for clients in self._members:
            own = clients.codec.event(event, arguments)
            clients.deliver(target, event, arguments, own, volatile=volatile)
