"""Tickets: what customers ask, and what agents make of it."""

from collections.abc import AsyncIterator
from itertools import count
from typing import Annotated, Literal

import msgspec

from examples.desk.members import Member
from moongate import Inject, Injectable, Namespace

__all__ = ["NewTicket", "NotAllowed", "Reply", "State", "Ticket", "TicketNotFound", "TicketService"]

State = Literal["open", "answered", "closed"]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class NewTicket(msgspec.Struct, forbid_unknown_fields=True):
    """What a customer asks."""

    subject: Annotated[str, msgspec.Meta(min_length=3, max_length=100)]
    text: Text


class Reply(msgspec.Struct, forbid_unknown_fields=True):
    """What is said about a ticket."""

    ticket: int
    text: Text


class Ticket(msgspec.Struct):
    """A question and all that was said about it since, each with who said it."""

    id: int
    customer: str
    subject: str
    state: State = "open"
    posts: list[tuple[str, str]] = []


class TicketNotFound(LookupError):
    """There is no ticket of this number, or none that the member may see: nobody learns which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class NotAllowed(Exception):
    """A ticket does not allow this in its state."""


@Injectable()
class TicketService:
    """Keeps the tickets in memory, and tells everybody concerned of each that is new or has changed."""

    def __init__(self, server: Annotated[Namespace, Inject("/desk")]) -> None:
        self._server = server
        self._tickets: dict[int, Ticket] = {}
        self._numbers = count(1)

    def open(self, member: Member, new: NewTicket) -> Ticket:
        ticket = Ticket(next(self._numbers), member.sub, new.subject, posts=[(member.sub, new.text)])
        self._tickets[ticket.id] = ticket
        return self._changed(ticket)

    def reply(self, member: Member, reply: Reply) -> Ticket:
        ticket = self.find(member, reply.ticket)
        if ticket.state == "closed":
            raise NotAllowed("the ticket is closed")
        ticket.posts.append((member.sub, reply.text))
        ticket.state = "answered" if member.role == "agent" else "open"
        return self._changed(ticket)

    def close(self, member: Member, number: int) -> Ticket:
        ticket = self.find(member, number)
        ticket.state = "closed"
        return self._changed(ticket)

    def find(self, member: Member, number: int) -> Ticket:
        """Return a ticket; raises TicketNotFound."""
        ticket = self._tickets.get(number)
        if ticket is None or (member.role == "customer" and ticket.customer != member.sub):
            raise TicketNotFound(number)
        return ticket

    def all(self, state: State | None = None) -> list[Ticket]:
        return [ticket for ticket in self._tickets.values() if state is None or ticket.state == state]

    async def export(self) -> AsyncIterator[Ticket]:
        """Yield every ticket, one after another."""
        for ticket in list(self._tickets.values()):
            yield ticket

    def _changed(self, ticket: Ticket) -> Ticket:
        self._server.to("agents", ticket.customer).emit("ticket", ticket)
        return ticket
