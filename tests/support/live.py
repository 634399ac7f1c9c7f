"""Running servers for the tests: what `moongate.testing` offers, made of providers alone."""

from typing import Any, Protocol

from moongate import Module, Moongate, Settings
from moongate.testing import LiveServer

__all__ = ["LiveServer", "Serve", "application"]


class Serve(Protocol):
    """Starts a server whose root module has these providers, with these settings."""

    def __call__(
        self,
        *providers: Any,
        module: Any = None,
        http: Any = None,
        plain: bool = False,
        enhancers: dict[str, Any] | None = None,
        **settings: Any,
    ) -> LiveServer: ...


def application(
    *providers: Any, module: Any = None, http: Any = None, enhancers: dict[str, Any] | None = None, **settings: Any
) -> Moongate:
    """An application whose root module has these providers, unless *module* is given; *enhancers* are around all."""
    root = module or Module(providers=list(providers))(type("TestModule", (), {}))
    return Moongate(root, http=http, settings=Settings(**settings), **(enhancers or {}))
