"""The tests of the desk: no network, nothing to wait for."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from examples.desk.app import DeskModule, desk_routes
from examples.desk.members import Accounts, Login
from moongate import Moongate
from moongate.testing import ConnectRefused, SocketIoClient, TestApp

pytestmark = pytest.mark.anyio

QUESTION = {"subject": "It beeps", "text": "Why does it?"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def desk() -> AsyncIterator[TestApp]:
    async with TestApp(DeskModule) as app:
        yield app


async def member(desk: TestApp, name: str) -> SocketIoClient:
    token = desk.get(Accounts).token(Login(name, name))
    return await desk.connect("/desk", auth={"token": token})


async def test_a_question_and_its_answer(desk: TestApp):
    carol, anna = await member(desk, "carol"), await member(desk, "anna")
    opened = await carol.emit_with_ack("open", QUESTION)
    assert (await anna.receive("ticket"))["subject"] == "It beeps"
    answered = await anna.emit_with_ack("reply", {"ticket": opened["id"], "text": "Press the button."})
    assert answered["state"] == "answered"
    assert [(await carol.receive("ticket"))["state"] for _ in range(2)] == ["open", "answered"]
    assert (await carol.emit_with_ack("close", {"ticket": str(opened["id"])}))["state"] == "closed"
    told = await anna.error_of("reply", {"ticket": opened["id"], "text": "Once more."})
    assert (told["message"], told["code"]) == ("That cannot be done: the ticket is closed", "not-allowed")


async def test_nobody_without_a_token(desk: TestApp):
    with pytest.raises(ConnectRefused, match="Unauthorized"):
        await desk.connect("/desk")


async def test_what_each_role_may_do(desk: TestApp):
    carol, anna = await member(desk, "carol"), await member(desk, "anna")
    assert (await carol.error_of("list"))["message"] == "Forbidden resource"
    assert (await anna.error_of("open", QUESTION))["message"] == "Forbidden resource"
    assert await anna.emit_with_ack("list", {"state": "open"}) == []


async def test_the_tickets_of_others_are_not_there(desk: TestApp):
    desk.get(Accounts).add("chris", "chris", "customer")
    carol, chris = await member(desk, "carol"), await member(desk, "chris")
    opened = await carol.emit_with_ack("open", QUESTION)
    told = await chris.error_of("close", {"ticket": opened["id"]})
    assert (told["message"], told["code"]) == (f"There is no ticket {opened['id']}", "not-found")


@pytest.mark.parametrize(
    ("body", "path"),
    [({"subject": "Hm", "text": "?"}, "$.subject"), ({"subject": "It beeps"}, "$"), ({**QUESTION, "id": 5}, "$")],
)
async def test_bodies_that_do_not_fit(desk: TestApp, body: Any, path: str):
    carol = await member(desk, "carol")
    told = await carol.error_of("open", body)
    assert (told["message"], told["errors"][0]["path"]) == ("Validation failed", path)


async def test_five_questions_a_minute_are_enough(desk: TestApp):
    carol, again = await member(desk, "carol"), await member(desk, "carol")
    for _ in range(5):
        await carol.emit_with_ack("open", QUESTION)
    told = await again.error_of("open", QUESTION)
    assert told["message"] == "Too many requests"
    assert 11 < told["retry_after"] <= 12


async def test_an_export_comes_ticket_by_ticket(desk: TestApp):
    carol, anna = await member(desk, "carol"), await member(desk, "anna")
    for _ in range(3):
        await carol.emit_with_ack("open", QUESTION)
    await anna.emit_with_ack("export")
    assert [(await anna.receive("exported"))["id"] for _ in range(3)] == [1, 2, 3]


async def test_whoever_stays_shows_a_new_token(desk: TestApp):
    stays, forgets = await member(desk, "carol"), await member(desk, "anna")
    token = desk.get(Accounts).token(Login("carol", "carol"))
    assert await stays.emit_with_ack("refresh", token) == {"sub": "carol", "role": "customer"}
    others = desk.get(Accounts).token(Login("anna", "anna"))
    assert (await stays.error_of("refresh", others))["reason"] == "token of another subject"
    assert forgets.connected


async def test_the_routes_beside_it():
    http = FastAPI()
    app = Moongate(DeskModule, http=http)
    http.include_router(desk_routes(app))
    async with (
        TestApp(app) as desk,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as web,
    ):
        assert (await web.post("/api/login", json={"name": "carol", "password": "x"})).status_code == 401
        assert (await web.post("/api/login", json={"name": ""})).status_code == 422
        token = (await web.post("/api/login", json={"name": "carol", "password": "carol"})).json()["token"]
        carol = await desk.connect("/desk", auth={"token": token})
        await carol.emit_with_ack("open", QUESTION)
        assert (await web.get("/api/tickets/count")).json() == {"open": 1, "all": 1}
