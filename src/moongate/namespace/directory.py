"""All namespaces of an application: those with a name, and those that a pattern makes when they are asked for."""

from collections.abc import Iterator
from weakref import WeakValueDictionary

import msgspec

from moongate.cluster.node import Node
from moongate.errors import ConfigurationError
from moongate.namespace.clients import Clients
from moongate.namespace.codec import PacketCodec
from moongate.namespace.family import Family
from moongate.namespace.handlers import Handlers
from moongate.namespace.namespace import Namespace
from moongate.namespace.pattern import Pattern, is_pattern
from moongate.namespace.runtime import Runtime
from moongate.wire.parser import ParserCodec
from moongate.wire.socketio import SocketIoCodec

__all__ = ["Directory"]


_RESERVED = frozenset(",?#")
"""What ends a namespace's name: in packets, in the address that a client is given, in channels of a cluster."""


class _Dynamic(msgspec.Struct, frozen=True):
    """The namespaces of one pattern."""

    pattern: Pattern
    family: Family
    namespace: Namespace
    """All of them at once."""


class Directory:
    """Finds namespaces by their names."""

    __slots__ = ("_declared", "_dynamic", "_node", "_opened", "runtime")

    def __init__(self, runtime: Runtime) -> None:
        self.runtime: Runtime = runtime
        self._node: Node | None = None  # once this server has joined a cluster
        self._declared: dict[str, Namespace] = {}
        self._dynamic: dict[str, _Dynamic] = {}  # by the text of the pattern, in the order of declaration
        # A namespace of a pattern lives as long as its clients, or whoever else holds it.
        self._opened: WeakValueDictionary[str, Namespace] = WeakValueDictionary()

    def declare(self, name: str) -> Namespace:
        """Return the namespace *name*, or the one of a pattern; it is made if there is none.

        Raises ConfigurationError for what is no name, and for a pattern that another one would always hide.
        """
        if not name.startswith("/") or not _RESERVED.isdisjoint(name):
            raise ConfigurationError(
                f"expected a namespace like '/chat', got {name!r}",
                mend=f"Start it with a slash, and leave out {' '.join(sorted(_RESERVED))}",
            )
        if is_pattern(name):
            return self._declare_pattern(name).namespace
        namespace = self._declared.get(name)
        if namespace is None:
            namespace = self._declared[name] = self._join(
                Namespace(
                    Clients(name, self.runtime, self.codec(name)),
                    Handlers(error_cause=self.runtime.settings.error_cause),
                )
            )
        return namespace

    def find(self, name: str) -> Namespace | None:
        """Return the namespace *name* if it is declared, else make it if a pattern matches, the first that does."""
        namespace = self._declared.get(name) or self._opened.get(name)
        return namespace or self._open(name)

    def join_cluster(self, node: Node) -> None:
        """Be one with the namespaces of the other servers, now and whenever a pattern makes a namespace."""
        self._node = node
        for namespace in (*self, *self.opened):
            namespace.join_cluster(node)

    def __iter__(self) -> Iterator[Namespace]:
        """Yield what was declared: the namespaces with a name, then those of the patterns."""
        yield from self._declared.values()
        for dynamic in self._dynamic.values():
            yield dynamic.namespace

    @property
    def opened(self) -> list[Namespace]:
        """The namespaces that patterns have made, as far as they are alive."""
        return list(self._opened.values())

    async def settled(self) -> None:
        """Wait until what other servers send to the namespaces arrives."""
        for namespace in self:
            adapter = namespace.clients.adapter
            if adapter is not None:
                await adapter.settled

    def _join(self, namespace: Namespace) -> Namespace:
        if self._node is not None:
            namespace.join_cluster(self._node)
        return namespace

    def _open(self, name: str) -> Namespace | None:
        for dynamic in self._dynamic.values():
            params = dynamic.pattern.match(name)
            if params is not None:
                clients = dynamic.family.member(name, self.codec(name))
                return self._join(self._opened.setdefault(name, Namespace(clients, dynamic.namespace.handlers, params)))
        return None

    def _declare_pattern(self, text: str) -> _Dynamic:
        dynamic = self._dynamic.get(text)
        if dynamic is None:
            pattern = Pattern(text)
            for other in self._dynamic.values():
                if other.pattern.shape == pattern.shape:
                    raise ConfigurationError(
                        f"{text!r} and {other.pattern.text!r} match the same names",
                        where="namespaces",
                        mend="Name the parameters alike, so that both are the same pattern.",
                    )
            family = Family(text, self.runtime, self.codec(text))
            handlers = Handlers(error_cause=self.runtime.settings.error_cause)
            dynamic = self._dynamic[text] = _Dynamic(pattern, family, self._join(Namespace(family, handlers)))
        return dynamic

    def codec(self, name: str) -> PacketCodec:
        """Return what encodes packets of the namespace *name*, whether there is one or not."""
        if self.runtime.parser is not None:
            return ParserCodec(name, self.runtime.parser, self.runtime.encoder)
        return SocketIoCodec(name, self.runtime.encoder, self.runtime.settings.max_attachments)
