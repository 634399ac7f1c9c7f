"""What others need begins before them and ends after them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from moongate import FactoryProvider, Inject, Module, Moongate, WebSocketGateway


def test_what_others_need_is_there_until_they_have_ended():
    log: list[str] = []

    async def connection() -> AsyncIterator[str]:
        log.append("connection opened")
        yield "connection"
        log.append("connection closed")

    class Database:
        def __init__(self, connection: Annotated[str, Inject("connection")]) -> None:
            self.connection = connection
            self.is_open = False

        async def on_module_init(self) -> None:
            self.is_open = True
            log.append("database opened")

        async def on_application_shutdown(self) -> None:
            self.is_open = False
            log.append("database closed")

    @Module(providers=[FactoryProvider("connection", connection), Database], exports=[Database])
    class DatabaseModule: ...

    @WebSocketGateway()
    class Gateway:
        def __init__(self, database: Database) -> None:
            self.database = database

        async def on_module_init(self) -> None:
            log.append(f"gateway begins, database open: {self.database.is_open}")

        async def on_application_shutdown(self) -> None:
            log.append(f"gateway ends, database open: {self.database.is_open}")

    @Module(imports=[DatabaseModule], providers=[Gateway])
    class Root: ...

    async def main() -> None:
        app = Moongate(Root)
        await app.start()
        await app.stop()

    asyncio.run(main())
    assert log == [
        "connection opened",
        "database opened",
        "gateway begins, database open: True",
        "gateway ends, database open: True",
        "database closed",
        "connection closed",
    ]
