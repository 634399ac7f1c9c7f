"""How a node's connection to its cluster is, and what went through it."""

from typing import Literal, TypeAlias

import msgspec

__all__ = ["ClusterHealth", "Counters", "Status"]

Status: TypeAlias = Literal["up", "degraded", "down"]
"""`degraded`: connected, but the node does not hear itself, or cannot send; `down`: not connected."""


class Counters(msgspec.Struct, kw_only=True):
    """What happened to messages since the start."""

    published: int = 0
    """The bus took them."""
    received: int = 0
    """They came from other nodes."""
    refused: int = 0
    """The outbox was full, or the bus took none of this kind: it was out of memory, read-only, ..."""
    dropped: int = 0
    """They waited longer than `outbox_timeout`, or the node stopped before."""
    unknown: int = 0
    """The connection was lost while they were sent: they arrived, or not."""
    malformed: int = 0
    """They came, and were no messages."""
    ignored: int = 0
    """They came, and were of a kind that this version has no use for."""
    failed: int = 0
    """They came, and handling them raised; the log says what."""
    reconnects: int = 0
    """How often the node was cut off and came back. What was sent by others meanwhile is lost to its clients."""


class ClusterHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A node as it sees itself and its cluster; the counters are those of `Counters`."""

    status: Status
    reason: str
    """Why it is not `up`; empty if it is."""
    node: str
    """Its id: 16 hexadecimal digits."""
    nodes: tuple[str, ...]
    """The other Moongate nodes that are alive, as far as their heartbeats tell. Node's servers send none."""
    outbox: int
    """How many messages wait to be sent."""
    published: int
    received: int
    refused: int
    dropped: int
    unknown: int
    malformed: int
    ignored: int
    failed: int
    reconnects: int
