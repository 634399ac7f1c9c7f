"""The other processes of one machine: what each listens to, and telling them what this one listens to."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from math import inf
from typing import TypeAlias

import msgspec

from moongate.cluster.local_folder import Folder
from moongate.cluster.local_link import Context, Peer

__all__ = ["CONTROL", "Peers"]

CONTROL = b"+"
"""How messages begin that are for this module. No message between nodes does, be it JSON or MessagePack."""

_PATIENCE = 2.0
"""Seconds that other processes may take to confirm; one that does not is told, and will know when it goes on."""

_SILENCE = 2
"""After how many looks around without a word from a process it is found out whether it is still there."""


class _Subscribed(msgspec.Struct, frozen=True, tag=True):
    """The process with *address* listens to *added* as well, and to *removed* no longer; if *whole*, to nothing else.

    Whoever gets it confirms its *number*.
    """

    address: str
    number: int
    added: Collection[str]
    removed: Collection[str] = ()
    whole: bool = False


class _Confirmed(msgspec.Struct, frozen=True, tag=True):
    """The process with *address* knows everything up to *number*."""

    address: str
    number: int


class _Gone(msgspec.Struct, frozen=True, tag=True):
    """The process with *address* reads from it no longer."""

    address: str


class _Handled(msgspec.Struct, frozen=True, tag=True):
    """The process with *address* has handled *size* bytes more of what it was given."""

    address: str
    size: int


_Control: TypeAlias = _Subscribed | _Confirmed | _Gone | _Handled

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Control).decode


class _Round:
    """A change that all of *missing* have still to confirm."""

    __slots__ = ("done", "missing", "number")

    def __init__(self, number: int, missing: set[Peer]) -> None:
        self.number = number
        self.missing = missing
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def remove(self, peer: Peer) -> None:
        self.missing.discard(peer)
        if not self.missing:
            self.end()

    def give_up(self) -> None:
        """Wait no longer, and for those that are missing not again until they are heard."""
        for peer in self.missing:
            peer.silent = True
        self.end()

    def end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Peers:
    """Knows the other processes of *folder*. *wanted* are the channels that this one listens to.

    The process is a peer of its own, for those channels that *loops* says: so it hears whether it can be heard.
    """

    def __init__(self, folder: Folder, context: Context, wanted: Collection[str], loops: Collection[str]) -> None:
        self._folder = folder
        self._context = context
        self._wanted = wanted
        self._loops = loops
        self._address = ""
        self._peers: dict[str, Peer] = {}  # by address; without this process itself
        self._nodes: dict[str, Peer] = {}  # by the ids of their nodes
        self._routes: dict[str, set[Peer]] = {}  # who listens to a channel
        self._itself: Peer | None = None
        self._number = 0  # of the last change
        self._rounds: list[_Round] = []
        self._look = 0  # how often it has looked around

    @property
    def behind(self) -> bool:
        """Whether somebody could not be told something."""
        return any(peer.outdated or peer.owed for peer in self._peers.values())

    def listeners(self, channel: str) -> Collection[Peer]:
        """Return those that listen to *channel*."""
        return self._routes.get(channel, ())

    def join(self, address: str) -> "asyncio.Future[None]":
        """Begin to be heard by *address*; done when those that are there know what this process listens to."""
        self.leave()
        self._address = address
        self._itself = Peer(self._context, address, self._folder.endpoint(address), inf)  # to which it says nothing
        self._route(self._itself, self._loops)
        for each in self._folder.addresses() - {address}:
            if not self._folder.is_dead(each):
                self._meet(each)
        return self._confirmation()

    def leave(self) -> None:
        """Tell the others that nobody reads from this process' address any more, and forget them."""
        for peer in tuple(self._peers.values()):
            self.forget_if_dead(peer)
            if not peer.closed:
                peer.send(CONTROL + _encode(_Gone(self._address)))  # whoever has no room for it will find it out
                self._forget(peer)
                peer.close()
        if self._itself is not None:
            self._lose(self._itself)
            self._itself = None

    def announce(self, changes: Mapping[str, bool]) -> "asyncio.Future[None]":
        """Tell which channels this process listens to now, and to which no longer; done when the others know."""
        self._number += 1
        added = [channel for channel, wanted in changes.items() if wanted]
        removed = [channel for channel, wanted in changes.items() if not wanted]
        message = CONTROL + _encode(_Subscribed(self._address, self._number, added, removed))
        for peer in self._peers.values():
            peer.outdated = peer.outdated or not peer.send(message)
        return self._confirmation()

    def control(self, data: bytes) -> None:
        """Do what a message of this module says; raises msgspec.MsgspecError."""
        match _decode(data[len(CONTROL) :]):
            case _Subscribed() as message:
                self._subscribed(message)
            case _Confirmed(address, number):
                self._confirmed(address, number)
            case _Gone(address):
                peer = self._peers.get(address)
                if peer is not None:
                    self._lose(peer)
            case _Handled(address, size):
                peer = self._peers.get(address)
                if peer is not None:
                    peer.has_handled(size)

    def heard(self, node: str) -> None:
        """Something came from a node."""
        peer = self._nodes.get(node)
        if peer is not None:
            peer.seen = self._look

    def handled(self, address: str, size: int) -> None:
        """So many bytes of what a process has given are handled; tell it now and then."""
        peer = self._peers.get(address)
        if peer is not None:
            untold = peer.came(size)
            if untold and peer.send(CONTROL + _encode(_Handled(self._address, untold))):
                peer.told(untold)

    def catch_up(self) -> None:
        """Tell those what could not be told before."""
        for peer in self._peers.values():
            if peer.outdated and peer.has_room:
                self._introduce(peer)
            if peer.owed:
                self._confirm(peer, peer.owed)

    def look_around(self) -> bool:
        """Meet those that are new and forget those that are dead; return whether this process itself is there."""
        self._look += 1
        found = self._folder.addresses()
        for address in found - self._peers.keys() - {self._address}:
            if not self._folder.is_dead(address):
                self._meet(address)
        for address, peer in tuple(self._peers.items()):
            if address not in found:
                self._lose(peer)
            elif self._look - peer.seen > _SILENCE:
                self.forget_if_dead(peer)
        return self._address in found

    def forget_if_dead(self, peer: Peer) -> None:
        """Find out whether a process is still there."""
        if peer is not self._itself and self._folder.is_dead(peer.address):
            self._lose(peer)

    def _meet(self, address: str) -> Peer:
        peer = Peer(self._context, address, self._folder.endpoint(address))
        peer.seen = self._look
        self._peers[address] = peer
        self._nodes[self._folder.node(address)] = peer
        self._introduce(peer)
        return peer

    def _introduce(self, peer: Peer) -> None:
        message = _Subscribed(self._address, self._number, list(self._wanted), whole=True)
        peer.outdated = not peer.send(CONTROL + _encode(message))

    def _lose(self, peer: Peer) -> None:
        """Nobody is there any more."""
        self._forget(peer)
        peer.drop()

    def _forget(self, peer: Peer) -> None:
        self._unroute(peer, tuple(peer.channels))
        if self._peers.get(peer.address) is peer:
            del self._peers[peer.address]
        node = self._folder.node(peer.address)
        if self._nodes.get(node) is peer:
            del self._nodes[node]
        for each in self._rounds:
            each.remove(peer)

    def _subscribed(self, message: _Subscribed) -> None:
        peer = self._peers.get(message.address)
        if peer is None:
            if message.address == self._address or message.address not in self._folder.addresses():
                return  # it is gone again
            peer = self._meet(message.address)
        if message.whole:
            peer.forget_what_is_on_the_way()  # it may have met this process anew
            self._unroute(peer, peer.channels.difference(message.added))
        self._unroute(peer, message.removed)
        self._route(peer, message.added)
        self._confirm(peer, message.number)

    def _confirm(self, peer: Peer, number: int) -> None:
        peer.owed = 0 if peer.send(CONTROL + _encode(_Confirmed(self._address, number))) else number

    def _confirmed(self, address: str, number: int) -> None:
        peer = self._peers.get(address)
        if peer is None:
            return
        peer.silent = False
        for each in self._rounds:
            if each.number <= number:
                each.remove(peer)

    def _confirmation(self) -> "asyncio.Future[None]":
        change = _Round(self._number, {peer for peer in self._peers.values() if not peer.silent})
        if not change.missing:
            change.end()
            return change.done
        timer = asyncio.get_running_loop().call_later(_PATIENCE, change.give_up)

        def ended(_: "asyncio.Future[None]") -> None:
            timer.cancel()
            self._rounds.remove(change)

        self._rounds.append(change)
        change.done.add_done_callback(ended)
        return change.done

    def _route(self, peer: Peer, channels: Iterable[str]) -> None:
        for channel in channels:
            peer.channels.add(channel)
            self._routes.setdefault(channel, set()).add(peer)

    def _unroute(self, peer: Peer, channels: Iterable[str]) -> None:
        for channel in channels:
            peer.channels.discard(channel)
            there = self._routes.get(channel)
            if there is not None:
                there.discard(peer)
                if not there:
                    del self._routes[channel]
