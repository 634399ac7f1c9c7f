"""All Engine.IO sessions of an application: who may open one, and which request belongs to which."""

from moongate.config import Settings
from moongate.engine.deadlines import Deadlines
from moongate.engine.session import EngineHandler, Session
from moongate.engine.timers import Timers
from moongate.engine.upgrade import Upgrade
from moongate.ids import new_id
from moongate.transport.base import Receiver, Refused, Request
from moongate.transport.flow import Cork
from moongate.transport.origin import check_origin
from moongate.transport.polling import PollingTransport
from moongate.types import DisconnectReason
from moongate.wire.engineio import ErrorCode, error_body

__all__ = ["Engine"]

_FAREWELL = 30.0
"""Seconds that the last words of a session are kept for the polls that fetch them."""

_PROTOCOL_VERSION = "4"


class Engine:
    """Opens sessions and finds them again by their ids."""

    __slots__ = (
        "_closed", "_cork", "_farewell_timers", "_farewells", "_sessions", "handler", "settings", "timers",
    )  # fmt: skip

    def __init__(self, settings: Settings, handler: EngineHandler, cork: Cork) -> None:
        self.settings: Settings = settings
        self.handler: EngineHandler = handler
        self.timers: Timers = Timers(settings)
        self._cork = cork
        self._closed = False
        self._sessions: dict[str, Session] = {}
        self._farewells: dict[str, PollingTransport] = {}
        self._farewell_timers: Deadlines[str] = Deadlines(_FAREWELL, self._forget_farewell)

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    def open_websocket(self, request: Request) -> Receiver:
        """Return who receives the messages of a WebSocket: a new session, or the upgrade of one; raises Refused."""
        check_origin(request.headers, self.settings.cors)
        query = request.query
        self._check_transport(query)
        sid = query.get("sid")
        if sid:
            session = self._find(sid, query)
            if session.transport.name != "polling" or session.candidate is not None:
                raise _error(ErrorCode.BAD_REQUEST)
            receiver: Receiver = Upgrade(session, self)
        else:
            receiver = self._new_session(request, query)
        if query["transport"] != "websocket":
            raise _error(ErrorCode.BAD_REQUEST)
        return receiver

    def open_polling(self, request: Request, method: str) -> tuple[PollingTransport, Session | None]:
        """Return the polling transport that a request belongs to, and its session unless that has ended just now.

        Raises Refused.
        """
        check_origin(request.headers, self.settings.cors)
        query = request.query
        self._check_transport(query)
        sid = query.get("sid")
        if sid:
            farewell = self._farewells.get(sid)
            if method == "GET" and farewell is not None:
                if not farewell.unfetched:
                    self._forget_farewell(sid)
                return farewell, None
            session = self._find(sid, query)
            if not isinstance(session.transport, PollingTransport) or query["transport"] != "polling":
                raise _error(ErrorCode.BAD_REQUEST)
            return session.transport, session
        if method != "GET":
            raise _error(ErrorCode.BAD_HANDSHAKE_METHOD)
        if query["transport"] != "polling":
            raise _error(ErrorCode.BAD_REQUEST)
        session = self._new_session(request, query)
        transport = PollingTransport(session, self._cork, self.settings.high_water)
        session.on_open(transport)
        return transport, session

    def remember(self, session: Session) -> None:
        """The session is open."""
        self._sessions[session.id] = session

    def forget(self, session: Session) -> None:
        """The session has ended."""
        self._sessions.pop(session.id, None)

    def bid_farewell(self, sid: str, transport: PollingTransport) -> None:
        """Keep the last words of a session that has ended, for the next polls."""
        self._farewells[sid] = transport
        self._farewell_timers.add(sid)

    async def close(self) -> None:
        """End every session, and open no more."""
        self._closed = True
        for session in list(self._sessions.values()):
            session.close(DisconnectReason.SERVER_SHUTTING_DOWN)

    def _new_session(self, request: Request, query: dict[str, str]) -> Session:
        if query.get("EIO") != _PROTOCOL_VERSION:
            raise _error(ErrorCode.UNSUPPORTED_PROTOCOL_VERSION)
        if self._closed:
            raise Refused(503, b"Not accepting clients", "text/plain")
        return Session(new_id(), request, self)

    def _find(self, sid: str, query: dict[str, str]) -> Session:
        session = self._sessions.get(sid)
        if session is None:
            raise _error(ErrorCode.UNKNOWN_SID)
        if query.get("EIO") != _PROTOCOL_VERSION:
            raise _error(ErrorCode.BAD_REQUEST)
        return session

    def _check_transport(self, query: dict[str, str]) -> None:
        """Raise Refused unless the request asks for a transport that there is."""
        if query.get("transport") not in self.settings.transports:
            raise _error(ErrorCode.UNKNOWN_TRANSPORT)

    def _forget_farewell(self, sid: str) -> None:
        self._farewells.pop(sid, None)


def _error(code: ErrorCode) -> Refused:
    """Return one of Engine.IO's errors, with the status and the body of the official server."""
    return Refused(400, error_body(code))
