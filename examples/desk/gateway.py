"""What members say to the desk, and what they hear."""

from collections.abc import AsyncIterator
from typing import Annotated

from examples.desk.around import DeskErrors, Timing
from examples.desk.members import CurrentMember, Member, for_roles
from examples.desk.tickets import NewTicket, Reply, State, Ticket, TicketService
from moongate import (
    MessageBody,
    ParseInt,
    Socket,
    SubscribeMessage,
    UseFilters,
    UseInterceptors,
    WebSocketGateway,
    WsResponse,
)
from moongate.auth import JwtGuard, claims_of
from moongate.throttling import Limit, Throttle

__all__ = ["DeskGateway"]


@UseFilters(DeskErrors)
@UseInterceptors(Timing)
@WebSocketGateway("/desk")
class DeskGateway:
    """Members hear `ticket` whenever one that concerns them is new or has changed."""

    def __init__(self, tickets: TicketService, guard: JwtGuard) -> None:
        self.tickets = tickets
        self.guard = guard

    async def handle_connection(self, client: Socket) -> None:
        member = claims_of(client, Member)
        client.join("agents" if member.role == "agent" else member.sub)

    @for_roles("customer")
    @Throttle(Limit(5, per=60, by="user"))
    @SubscribeMessage("open")
    async def open(self, member: CurrentMember, new: NewTicket) -> Ticket:
        return self.tickets.open(member, new)

    @SubscribeMessage("reply")
    async def reply(self, member: CurrentMember, reply: Reply) -> Ticket:
        return self.tickets.reply(member, reply)

    @SubscribeMessage("close")
    async def close(self, member: CurrentMember, number: Annotated[int, MessageBody("ticket"), ParseInt()]) -> Ticket:
        return self.tickets.close(member, number)

    @for_roles("agent")
    @SubscribeMessage("list")
    async def list_tickets(self, state: Annotated[State | None, MessageBody("state")] = None) -> list[Ticket]:
        return self.tickets.all(state)

    @for_roles("agent")
    @SubscribeMessage("export")
    async def export(self) -> AsyncIterator[WsResponse[Ticket]]:
        async for ticket in self.tickets.export():
            yield WsResponse("exported", ticket)

    @SubscribeMessage("refresh")
    async def refresh(self, client: Socket, token: str) -> Member:
        member: Member = await self.guard.refresh(client, token)
        return member
