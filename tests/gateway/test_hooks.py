"""Hooks that nobody could call, or would."""

# ruff: noqa: ANN001  # Some declarations are wrong on purpose.

from collections.abc import Callable
from typing import Any

import pytest

from moongate.errors import GatewayError
from moongate.gateway.decorators import SubscribeMessage, WebSocketGateway
from moongate.gateway.explorer import check


def error_of(name: str, hook: object) -> str:
    target = WebSocketGateway()(type("ChatGateway", (), {name: hook}))
    with pytest.raises(GatewayError) as caught:
        check([("AppModule", target)])
    assert caught.value.where == f"ChatGateway.{name}"
    return str(caught.value)


def accepts(name: str, hook: object) -> None:
    check([("AppModule", WebSocketGateway()(type("ChatGateway", (), {name: hook})))])


@pytest.mark.parametrize(
    ("name", "hook", "mend"),
    [
        ("after_init", lambda self: None, "after_init(self, server: Namespace)"),
        ("after_init", lambda self, server, more: None, "after_init(self, server: Namespace)"),
        ("handle_connection", lambda self, client, request: None, "handle_connection(self, client: Socket)"),
        ("handle_connection", lambda self, *, client: None, "handle_connection(self, client: Socket)"),
        ("handle_disconnect", lambda self: None, "handle_disconnect(self, client: Socket, reason: str)"),
        ("handle_disconnect", lambda self, a, b, c: None, "handle_disconnect(self, client: Socket, reason: str)"),
    ],
)
def test_a_hook_takes_what_it_is_called_with(name: str, hook: Callable[..., Any], mend: str):
    text = error_of(name, hook)
    assert "a hook is called with" in text
    assert f"`async def {mend}`" in text


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        ("after_init", lambda self, server, more=None: None),
        ("handle_connection", lambda self, *args: None),
        ("handle_disconnect", lambda self, client: None),
        ("handle_disconnect", lambda self, client, reason="": None),
        ("handle_connection", None),
    ],
)
def test_a_hook_may_be_written_in_many_ways(name: str, hook: Callable[..., Any] | None):
    accepts(name, hook)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("afterInit", "after_init"),
        ("on_gateway_init", "after_init"),
        ("handleConnection", "handle_connection"),
        ("on_connect", "handle_connection"),
        ("handle_conection", "handle_connection"),
        ("handleDisconnect", "handle_disconnect"),
        ("handle_disconnection", "handle_disconnect"),
        ("on_disconnect", "handle_disconnect"),
        ("handle_disconect", "handle_disconnect"),
    ],
)
def test_a_misspelt_hook_is_told_its_name(written: str, meant: str):
    text = error_of(written, lambda self, client: None)
    assert "nobody would call it" in text
    assert f"Name it `{meant}`" in text


@pytest.mark.parametrize("name", ["handle_message", "_on_connect", "connect", "connections", "initialise"])
def test_methods_of_ones_own_are_left_alone(name: str):
    accepts(name, lambda self: None)


def test_a_method_that_is_called_like_a_hook_may_stand_beside_it():
    @WebSocketGateway()
    class Gateway:
        def handle_connection(self, client: object) -> None:
            self.on_connect()

        def on_connect(self) -> None: ...

        @SubscribeMessage("leave")
        def on_disconnect(self) -> None: ...

    check([("AppModule", Gateway)])


def test_a_hook_is_a_method_that_runs():
    def stream(self, client: object):
        yield

    async def async_stream(self, client: object):
        yield

    assert "would never run" in error_of("handle_connection", stream)
    assert "would never run" in error_of("handle_connection", async_stream)
    assert "expected a method, got a staticmethod" in error_of("handle_connection", staticmethod(print))


def test_a_hook_is_no_handler():
    hook = SubscribeMessage("hello")(lambda self, client: None)
    assert "Give the handler a name of its own" in error_of("handle_connection", hook)
