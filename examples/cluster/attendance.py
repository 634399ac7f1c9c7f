"""Who is in town, on all servers."""

import asyncio
from contextlib import suppress
from typing import Annotated

from examples.cluster.bodies import Person
from moongate import Inject, Injectable, Namespace

__all__ = ["Attendance"]

PAUSE = 2.0
"""Seconds between two looks around: a server that was killed tells nobody that its clients are gone."""


@Injectable()
class Attendance:
    """Tells everybody in town who is there."""

    def __init__(self, town: Annotated[Namespace, Inject("/town")]) -> None:
        self.town = town
        self._told: list[Person] = []
        self._task: asyncio.Task[None] | None = None

    async def on_application_bootstrap(self) -> None:
        self._task = asyncio.create_task(self._look_around())

    async def on_application_shutdown(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def people(self) -> list[Person]:
        clients = await self.town.fetch_sockets()
        people = [Person(id=client.id, **client.data) for client in clients if "room" in client.data]
        return sorted(people, key=lambda person: (person.name.casefold(), person.id))

    async def tell(self) -> None:
        self._told = await self.people()
        self.town.emit("people", self._told)

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            if await self.people() != self._told:
                await self.tell()
