"""A start that fails half-way ends what it has begun, and may be tried again."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any

import pytest

from moongate import FactoryProvider, Inject, Module, Moongate, Namespace, WebSocketGateway

STAGES = ["factory", "after_init", "bootstrap"]


class Unreachable(Exception):
    """The database is down."""


class Rehearsal:
    """An application whose first start fails at one stage, and what happened to its parts."""

    def __init__(self, stage: str) -> None:
        self.log: list[str] = []
        self.failing: str | None = stage
        self.app = Moongate(self.module(), http=self.http)

    def fail_at(self, stage: str) -> None:
        if self.failing == stage:
            self.failing = None
            raise Unreachable

    def module(self) -> type:
        rehearsal = self

        async def pool() -> AsyncIterator[str]:
            rehearsal.log.append("pool opened")
            yield "pool"
            rehearsal.log.append("pool closed")

        async def database(pool: str) -> str:
            rehearsal.fail_at("factory")
            return pool

        @WebSocketGateway()
        class Gateway:
            def __init__(self, database: Annotated[str, Inject("database")]) -> None:
                self.database = database

            def after_init(self, server: Namespace) -> None:
                server.use(self.pass_on)
                rehearsal.fail_at("after_init")

            def handle_connection(self, client: Any) -> None:
                rehearsal.log.append("connected")

            async def pass_on(self, client: Any, call_next: Any) -> None:
                await call_next()

            def on_application_bootstrap(self) -> None:
                rehearsal.fail_at("bootstrap")

            def on_module_destroy(self) -> None:
                rehearsal.log.append("destroyed")

        @Module(providers=[FactoryProvider("pool", pool), FactoryProvider("database", database, ("pool",)), Gateway])
        class Root:
            """The only module."""

        return Root

    async def http(self, scope: Any, receive: Any, send: Any) -> None:
        for step in ("startup", "shutdown"):
            await receive()
            self.log.append(f"http {step}")
            await send({"type": f"lifespan.{step}.complete"})


def run(main: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await main

    asyncio.run(bounded())


@pytest.mark.parametrize("stage", STAGES)
def test_what_was_started_is_stopped(stage: str):
    rehearsal = Rehearsal(stage)

    async def main() -> None:
        with pytest.raises(Unreachable):
            await rehearsal.app.start()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())
    destroyed = ["destroyed"] if stage == "bootstrap" else []
    assert rehearsal.log == ["http startup", "pool opened", *destroyed, "pool closed", "http shutdown"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_next_start_begins_anew(stage: str):
    rehearsal = Rehearsal(stage)

    async def from_outside(client: Any, call_next: Any) -> None:
        await call_next()

    async def main() -> None:
        app = rehearsal.app
        app.server().use(from_outside)
        with pytest.raises(Unreachable):
            await app.start()
        await app.start()
        assert len(app.server().handlers.hooks) == 1
        assert len(app.server().handlers.middleware) == 2
        assert app.server().handlers.middleware[0] is from_outside
        rehearsal.log.clear()
        await app.stop()

    run(main())
    assert rehearsal.log == ["destroyed", "pool closed", "http shutdown"]
