"""The benchmarked gateway with one enhancer more each: what it adds to a message."""

from collections.abc import AsyncIterator
from typing import Any

from benchmarks.servers.moongate_app import BenchModule
from moongate import (
    ArgumentMetadata,
    ExecutionContext,
    FactoryProvider,
    Injectable,
    Module,
    Moongate,
    NextHandler,
    Scope,
    WsException,
)


class Allow:
    def can_activate(self, context: ExecutionContext) -> bool:
        return context.client.connected or context.is_connect


class AllowLater:
    async def can_activate(self, context: ExecutionContext) -> bool:
        return context.client.connected or context.is_connect


class Unit: ...


async def open_unit() -> AsyncIterator[Unit]:
    yield Unit()


@Injectable(scope=Scope.MESSAGE)
class AllowByUnit:
    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def can_activate(self, _: ExecutionContext) -> bool:
        return self._unit is not None


class PassOn:
    async def intercept(self, _: ExecutionContext, call_next: NextHandler) -> Any:
        return await call_next()


class Keep:
    def transform(self, value: Any, _: ArgumentMetadata) -> Any:
        return value


class Tell:
    def catch(self, error: BaseException, _: ExecutionContext) -> Any:
        raise WsException("failed") from error


@Module(imports=[BenchModule], providers=[FactoryProvider(Unit, open_unit, scope=Scope.MESSAGE)])
class UnitModule: ...


plain = Moongate(BenchModule)
guard = Moongate(BenchModule, guards=[Allow])
async_guard = Moongate(BenchModule, guards=[AllowLater])
interceptor = Moongate(BenchModule, interceptors=[PassOn])
pipe = Moongate(BenchModule, pipes=[Keep])
exception_filter = Moongate(BenchModule, filters=[Tell])
message_scope = Moongate(UnitModule, guards=[AllowByUnit])
everything = Moongate(BenchModule, guards=[Allow], interceptors=[PassOn], pipes=[Keep], filters=[Tell])
