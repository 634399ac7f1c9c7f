"""The desk on one port: the gateway, and HTTP routes that share its services.

Start it with `moongate run examples.desk.app:app`.
"""

from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI, HTTPException, Request

from examples.desk.gateway import DeskGateway
from examples.desk.members import Accounts, Login, MembersModule
from examples.desk.tickets import TicketService
from moongate import Module, Moongate

__all__ = ["DeskModule", "app", "fastapi_app"]


@Module(imports=[MembersModule], providers=[TicketService, DeskGateway])
class DeskModule:
    """Everything that the desk is made of."""


def desk_routes(app: Moongate) -> APIRouter:
    """Return the routes under `/api`, which work with the services of *app*."""
    routes = APIRouter(prefix="/api", tags=["desk"])

    @routes.post("/login")
    async def login(request: Request) -> dict[str, str]:
        try:
            token = app.get(Accounts).token(msgspec.json.decode(await request.body(), type=Login))
        except msgspec.ValidationError as error:
            raise HTTPException(422, str(error)) from error
        if token is None:
            raise HTTPException(401, "No such name, or another password")
        return {"token": token}

    @routes.get("/tickets/count")
    async def number_of_tickets() -> dict[str, Any]:
        tickets = app.get(TicketService).all()
        return {"open": sum(ticket.state == "open" for ticket in tickets), "all": len(tickets)}

    return routes


fastapi_app = FastAPI(title="Moongate desk")
app = Moongate(DeskModule, http=fastapi_app)
fastapi_app.include_router(desk_routes(app))
