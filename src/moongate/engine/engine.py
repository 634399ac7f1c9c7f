"""All Engine.IO sessions of an application: who may open one, and which request belongs to which."""

from collections.abc import Awaitable
from typing import NamedTuple

from moongate.config import Settings
from moongate.engine.admission import Admission, Headers, Rejected
from moongate.engine.deadlines import Deadlines
from moongate.engine.forwarding import Forwarding
from moongate.engine.legacy import LegacyBodies, LegacySession
from moongate.engine.options import EngineOptions
from moongate.engine.session import EngineHandler, Session
from moongate.engine.timers import Timers
from moongate.engine.unwanted import Unwanted
from moongate.engine.upgrade import Upgrade
from moongate.errors import ProtocolError
from moongate.ids import new_id
from moongate.transport.base import Accepted, Receiver, Refused, Request
from moongate.transport.flow import Cork
from moongate.transport.origin import check_origin
from moongate.transport.polling import PollingTransport
from moongate.types import DisconnectReason
from moongate.wire.engineio import ErrorCode
from moongate.wire.websocket import first_subprotocol

__all__ = ["Engine", "Polling"]

_FAREWELL = 30.0
"""Seconds that the last words of a session are kept for the polls that fetch them."""


class Polling(NamedTuple):
    """What belongs to one request by HTTP."""

    transport: PollingTransport
    session: Session | None
    """None if it has ended just now."""
    headers: Headers
    """What the application adds to the answer."""


class _Farewell(NamedTuple):
    """A session that has ended, and what it has to say still."""

    session: Session
    transport: PollingTransport


class Engine:
    """Opens sessions and finds them again by their ids."""

    __slots__ = (
        "_admission", "_closed", "_cork", "_farewell_timers", "_farewells", "_sessions", "forwarding", "handler",
        "settings", "timers",
    )  # fmt: skip

    def __init__(
        self, settings: Settings, handler: EngineHandler, cork: Cork, options: EngineOptions | None = None
    ) -> None:
        self.settings: Settings = settings
        self.handler: EngineHandler = handler
        self.timers: Timers = Timers(settings)
        self.forwarding: Forwarding | None = None  # to the other servers of a cluster
        self._admission = Admission(settings, options or EngineOptions())
        self._cork = cork
        self._closed = False
        self._sessions: dict[str, Session] = {}
        self._farewells: dict[str, _Farewell] = {}
        self._farewell_timers: Deadlines[str] = Deadlines(_FAREWELL, self._forget_farewell)

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    def open_websocket(self, request: Request) -> Accepted | Awaitable[Accepted]:
        """Return who receives the messages of a WebSocket: a new session, or the upgrade of one; raises Refused.

        It is an awaitable, which may raise as well, only if the application has something to decide.
        """
        check_origin(request.headers, self.settings.cors)
        query = request.query
        try:
            self._check_transport(query)
            sid = query.get("sid")
            node = self.elsewhere(sid)
            if node is not None and self.forwarding is not None:
                return self.forwarding.open_websocket(node, request)
            if sid:
                farewell = self._farewells.get(sid)
                session = self._find(sid, query) if farewell is None else farewell.session
                self._check_same(session, query)
                receiver = Upgrade(session, self) if query["transport"] == "websocket" else Unwanted()
                return self._accept(receiver, request, initial=False)
            if self._admission.asks:
                return self._ask_websocket(request, query)
            if query["transport"] != "websocket":
                return self._accept(Unwanted(), request, initial=True)
            return self._accept(self._new_session(request, query, new_id()), request, initial=True)
        except Rejected as rejected:
            raise rejected.websocket() from None

    async def _ask_websocket(self, request: Request, query: dict[str, str]) -> Accepted:
        """Let the application decide over a new session; raises Refused."""
        try:
            await self._admission.allow(request)
            if query["transport"] != "websocket":
                return self._accept(Unwanted(), request, initial=True)
            self._check_version(query)
            sid = await self._admission.new_id(request, self._sessions)
            return self._accept(self._new_session(request, query, sid), request, initial=True)
        except Rejected as rejected:
            raise rejected.websocket() from None

    def _accept(self, receiver: Receiver, request: Request, *, initial: bool) -> Accepted:
        offered = request.header("sec-websocket-protocol")
        try:
            # None means anything here, and clients that offer some hang up without an answer to that.
            subprotocol = None if offered is None else first_subprotocol(offered)
        except ProtocolError:
            raise Refused(400, b"Invalid Sec-WebSocket-Protocol header", "text/html") from None
        return Accepted(receiver, self._admission.headers(request, initial=initial), subprotocol)

    async def open_polling(self, request: Request, method: str) -> Polling:
        """Return what belongs to a request by HTTP; raises Refused."""
        check_origin(request.headers, self.settings.cors)
        query = request.query
        try:
            self._check_transport(query)
            sid = query.get("sid")
            if sid:
                return self._find_polling(sid, request, query, method)
            if method != "GET":
                raise Rejected(ErrorCode.BAD_HANDSHAKE_METHOD)
            # With a `j` the answer would have to be a script (JSONP), which every page may read.
            if query["transport"] != "polling" or "j" in query:
                raise Rejected(ErrorCode.BAD_REQUEST)
            await self._admission.allow(request)
            self._check_version(query)
            sid = await self._admission.new_id(request, self._sessions)
            if self.forwarding is not None:
                sid = self.forwarding.mark(sid)
            session = self._new_session(request, query, sid)
        except Rejected as rejected:
            raise rejected.polling() from None
        headers = (*self._admission.cookie(sid), *self._admission.headers(request, initial=True))
        transport = self._new_transport(session)
        session.on_open(transport)
        return Polling(transport, session, headers)

    def elsewhere(self, sid: str | None) -> str | None:
        """Return the other server of the cluster that has the session *sid*, None if it is not one of theirs."""
        if self.forwarding is None or not sid or sid in self._sessions or sid in self._farewells:
            return None
        return self.forwarding.owner_of(sid)

    def _find_polling(self, sid: str, request: Request, query: dict[str, str], method: str) -> Polling:
        """Return what belongs to the request of a client that has been here before."""
        farewell = self._farewells.get(sid)
        if farewell is None:
            session = self._find(sid, query)
            transport = session.transport
        else:
            self._check_same(farewell.session, query)
            session, transport = None, farewell.transport
        if not isinstance(transport, PollingTransport) or query["transport"] != "polling":
            raise Rejected(ErrorCode.BAD_REQUEST)
        headers = self._admission.headers(request, initial=False)
        if farewell is not None and method == "GET" and not farewell.transport.unfetched:
            self._forget_farewell(sid)
        return Polling(transport, session, headers)

    def remember(self, session: Session) -> bool:
        """The session is open; False if another one has its id."""
        self._forget_farewell(session.id)
        return self._sessions.setdefault(session.id, session) is session

    def forget(self, session: Session) -> None:
        """The session has ended."""
        self._sessions.pop(session.id, None)

    def bid_farewell(self, session: Session, transport: PollingTransport) -> None:
        """Keep the last words of a session that has ended, for the next polls."""
        self._farewells[session.id] = _Farewell(session, transport)
        self._farewell_timers.add(session.id)

    def polls(self, session: Session) -> bool:
        """Whether a session polls, or did and has its last words still to be fetched."""
        farewell = self._farewells.get(session.id)
        return session.transport.name == "polling" or (farewell is not None and farewell.session is session)

    def recall_farewell(self, session: Session) -> list[tuple[bool, bytes]]:
        """Return the last words of a session that has ended, if nobody has fetched them, and let go of them."""
        farewell = self._farewells.pop(session.id, None)
        return [] if farewell is None else farewell.transport.take()

    def end_session(self, request: Request) -> None:
        """End the session that *request* is of, without last words: what a poll has taken of it is lost."""
        session = self._sessions.get(request.query.get("sid", ""))
        if session is not None:
            session.close(DisconnectReason.TRANSPORT_ERROR)
            self._forget_farewell(session.id)

    async def close(self) -> None:
        """End every session, and open no more."""
        self._closed = True
        for session in list(self._sessions.values()):
            session.close(DisconnectReason.SERVER_SHUTTING_DOWN)

    def _new_session(self, request: Request, query: dict[str, str], sid: str) -> Session:
        self._check_version(query)
        if self._closed:
            raise Refused(503, b"Not accepting clients", "text/plain")
        kind = Session if _revision(query) == Session.revision else LegacySession
        return kind(sid, request, self)

    def _new_transport(self, session: Session) -> PollingTransport:
        if isinstance(session, LegacySession):
            bodies = LegacyBodies(takes_binary=session.takes_binary)
            return PollingTransport(session, self._cork, self.settings.high_water, bodies)
        return PollingTransport(session, self._cork, self.settings.high_water)

    def _find(self, sid: str, query: dict[str, str]) -> Session:
        session = self._sessions.get(sid)
        if session is None:
            raise Rejected(ErrorCode.UNKNOWN_SID)
        self._check_same(session, query)
        return session

    @staticmethod
    def _check_same(session: Session, query: dict[str, str]) -> None:
        """Raise Rejected unless a client speaks the protocol with which it came."""
        if _revision(query) != session.revision:
            raise Rejected(ErrorCode.BAD_REQUEST)

    def _check_transport(self, query: dict[str, str]) -> None:
        """Raise Rejected unless the request asks for a transport that there is."""
        if query.get("transport") not in self.settings.transports:
            raise Rejected(ErrorCode.UNKNOWN_TRANSPORT)

    def _check_version(self, query: dict[str, str]) -> None:
        """Raise Rejected unless a new client speaks the protocol as it is here."""
        if _revision(query) != Session.revision and not self.settings.allow_eio3:
            raise Rejected(ErrorCode.UNSUPPORTED_PROTOCOL_VERSION)

    def _forget_farewell(self, sid: str) -> None:
        farewell = self._farewells.pop(sid, None)
        if farewell is not None and farewell.session.candidate is not None:
            farewell.session.candidate.abandon()


def _revision(query: dict[str, str]) -> int:
    """Return the revision of the protocol that a client speaks; whatever is not the current one is the one before."""
    return Session.revision if query.get("EIO") == str(Session.revision) else LegacySession.revision
