"""All processes of one machine, as a program sees them that is none of them and only sends."""

from collections.abc import Collection
from math import inf

from moongate.cluster.local_folder import Folder
from moongate.cluster.local_link import Context, Peer

__all__ = ["Everybody"]


class Everybody:
    """Knows the processes of *folder*, and not what they listen to.

    To be told that, a program would have to read all the time, and the processes would wait for it whenever a client
    joins a room. So it does not hear either what they have handled.
    """

    def __init__(self, folder: Folder, context: Context) -> None:
        self._folder = folder
        self._context = context
        self._peers: dict[str, Peer] = {}

    def listeners(self, channel: str) -> Collection[Peer]:
        """Return whoever may listen to *channel*: all that were there at the last look around."""
        del channel
        return self._peers.values()

    def look_around(self) -> None:
        """Meet those that are new, and forget those that are gone; raises OSError."""
        found = self._folder.addresses()
        for address in self._peers.keys() - found:
            self._peers.pop(address).drop()
        for address in found - self._peers.keys():
            if not self._folder.is_dead(address):
                self._peers[address] = Peer(self._context, address, self._folder.endpoint(address), inf)

    def forget_if_dead(self, peer: Peer) -> None:
        """Find out whether a process is still there."""
        if self._folder.is_dead(peer.address):
            self._peers.pop(peer.address, peer).drop()

    def close(self) -> None:
        """Let go of all of them."""
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()
