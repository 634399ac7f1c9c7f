"""Modules that a function makes, with providers that its arguments decide: `for_root(...)`, `for_feature(...)`."""

from collections.abc import Iterable
from typing import Any

import msgspec

from moongate.di.provider import Declared, Token

__all__ = ["DynamicModule"]


class DynamicModule(msgspec.Struct, frozen=True, eq=False):
    """The module *module* with more than its `Module` says. It stands wherever a module may be imported.

    Each one is a module of its own, with its own instances, however alike; the same one, imported twice, is there once.
    """

    module: type
    imports: Iterable[Any] = ()
    providers: Iterable[Declared] = ()
    exports: Iterable[Token] = ()
    global_: bool = False

    def __post_init__(self) -> None:
        for name in ("imports", "providers", "exports"):
            msgspec.structs.force_setattr(self, name, tuple(getattr(self, name)))
