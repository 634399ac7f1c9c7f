"""All Engine.IO sessions of an application: who may open one, and which request belongs to which."""

from typing import Any

from moongate.config import Settings
from moongate.engine.heartbeat import Deadlines
from moongate.engine.session import EngineHandler, Session
from moongate.engine.timers import Timers
from moongate.engine.upgrade import Upgrade
from moongate.ids import new_id
from moongate.transport.base import Receiver, Refused, Request
from moongate.transport.flow import Cork
from moongate.transport.origin import check_origin
from moongate.transport.polling import PollingTransport
from moongate.types import DisconnectReason

__all__ = ["Engine"]

_FAREWELL = 30.0
"""Seconds that a session which was closed between two polls is kept, so that the next poll can learn of it."""

_PROTOCOL_VERSION = "4"


class Engine:
    """Opens sessions and finds them again by their ids."""

    __slots__ = ("_cork", "_farewell_timers", "_farewells", "_sessions", "handler", "settings", "timers")  # fmt: skip

    def __init__(self, settings: Settings, handler: EngineHandler, cork: Cork) -> None:
        self.settings = settings
        self.handler = handler
        self.timers = Timers(settings)
        self._cork = cork
        self._sessions: dict[str, Session] = {}
        self._farewells: dict[str, PollingTransport] = {}
        self._farewell_timers: Deadlines[str] = Deadlines(_FAREWELL, self._forget_farewell)

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    def open_websocket(self, request: Request) -> Receiver:
        """Return who receives the messages of a WebSocket: a new session, or the upgrade of one; raises Refused."""
        query = request.query
        check_origin(request.headers, self.settings.cors)
        self._check_transport(query, "websocket")
        sid = query.get("sid")
        if sid is None:
            self._check_version(query)
            return Session(new_id(), request, self)
        session = self._find(sid)
        if session.transport.name != "polling" or session.upgrading or query.get("EIO") != _PROTOCOL_VERSION:
            raise _error(3, "Bad request")
        return Upgrade(session, self)

    def open_polling(self, request: Request, method: str) -> tuple[PollingTransport, Session | None]:
        """Return the polling transport that a request belongs to, and its session unless that has ended just now.

        Raises Refused.
        """
        query = request.query
        check_origin(request.headers, self.settings.cors)
        self._check_transport(query, "polling")
        sid = query.get("sid")
        if sid is not None:
            farewell = self._farewells.pop(sid, None)
            if farewell is not None:
                return farewell, None
            session = self._find(sid)
            if not isinstance(session.transport, PollingTransport) or query.get("EIO") != _PROTOCOL_VERSION:
                raise _error(3, "Bad request")
            return session.transport, session
        if method != "GET":
            raise _error(2, "Bad handshake method")
        self._check_version(query)
        session = Session(new_id(), request, self)
        transport = PollingTransport(session, self._cork)
        session.on_open(transport)
        return transport, session

    def remember(self, session: Session) -> None:
        """The session is open."""
        self._sessions[session.id] = session

    def forget(self, session: Session) -> None:
        """The session has ended."""
        self._sessions.pop(session.id, None)

    def bid_farewell(self, sid: str, transport: PollingTransport) -> None:
        """Keep the last words of a session that was closed while no poll waited."""
        self._farewells[sid] = transport
        self._farewell_timers.add(sid)

    async def close(self) -> None:
        """End every session."""
        for session in list(self._sessions.values()):
            session.close(DisconnectReason.SERVER_SHUTTING_DOWN)

    def _find(self, sid: str) -> Session:
        session = self._sessions.get(sid)
        if session is None:
            raise _error(1, "Session ID unknown")
        return session

    def _forget_farewell(self, sid: str) -> None:
        self._farewells.pop(sid, None)

    def _check_transport(self, query: dict[str, Any], actual: str) -> None:
        """Raise Refused unless the request asks for a transport that there is, by the means that belong to it."""
        asked = query.get("transport")
        if asked not in self.settings.transports:
            raise _error(0, "Transport unknown")
        if asked != actual:
            raise _error(3, "Bad request")

    @staticmethod
    def _check_version(query: dict[str, Any]) -> None:
        if query.get("EIO") != _PROTOCOL_VERSION:
            raise _error(5, "Unsupported protocol version")


def _error(code: int, message: str) -> Refused:
    """Return one of Engine.IO's errors, by its number and text in Node's server."""
    return Refused(400, b'{"code":%d,"message":"%b"}' % (code, message.encode()))
