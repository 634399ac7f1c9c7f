"""Connections of Socket.IO clients of the major versions 1 and 2 (Socket.IO protocol, revisions 3 and 4)."""

from typing import Any
from urllib.parse import parse_qsl

from moongate.namespace.codec import PacketCodec
from moongate.namespace.connection import SocketIoConnection, auth_of
from moongate.wire.outgoing import Outgoing
from moongate.wire.socketio import ROOT, Packet, PacketType

__all__ = ["LegacyConnection"]


class LegacyConnection(SocketIoConnection):
    """A client that is in `/` without asking, and whose ids are made of the one of its session, as it makes them."""

    __slots__ = ()

    def join_root(self) -> None:
        """Let the client in where it expects to be from the beginning."""
        if not self.session.closed:
            self._ask(ROOT, {})

    def _route(self, packet: Packet) -> None:
        packet.namespace, _, query = packet.namespace.partition(b"?")
        if packet.type == PacketType.CONNECT:
            auth_of(packet)  # it means nothing, but has to be what it should
            self._ask(packet.namespace, dict(parse_qsl(query.decode(), keep_blank_values=True)))
        else:
            super()._route(packet)

    def _new_id(self, name: bytes) -> str:
        return self.session.id if name == ROOT else f"{name.decode()}#{self.session.id}"

    @staticmethod
    def _connected(codec: PacketCodec, sid: str) -> Outgoing:
        del sid  # the client knows it
        return codec.connected(None)

    @staticmethod
    def _refused(codec: PacketCodec, refusal: dict[str, Any]) -> Outgoing:
        return codec.refused(refusal.get("data") or refusal["message"])
