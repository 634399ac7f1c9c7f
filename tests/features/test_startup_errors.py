"""What is declared wrongly is said at start-up: the class, the method and the mend."""

from typing import Annotated, Any

import anyio
import pytest

from moongate import (
    Ack,
    ConfigurationError,
    GatewayError,
    Injectable,
    MessageBody,
    Module,
    ModuleError,
    Moongate,
    Settings,
    Socket,
    SubscribeMessage,
    WebSocketGateway,
)
from tests.support.live import application


def start(*providers: Any, **settings: Any) -> None:
    """Start and stop an application."""

    async def run() -> None:
        app = application(*providers, **settings)
        await app.start()
        await app.stop()

    anyio.run(run)


def said(*providers: Any, error: type[ConfigurationError] = GatewayError) -> str:
    """What is said at start-up about these providers."""
    with pytest.raises(error) as caught:
        start(*providers)
    assert caught.value.mend, "it does not say what to do"
    return str(caught.value)


def test_a_parameter_without_an_annotation():
    @WebSocketGateway()
    class ChatGateway:
        @SubscribeMessage("message")
        async def on_message(self, client: Socket, body): ...  # noqa: ANN001  # that is what is wrong

    text = said(ChatGateway)
    for word in ("ChatGateway", "on_message", "body"):
        assert word in text


def test_a_parameter_that_nobody_can_fill():
    @WebSocketGateway()
    class ChatGateway:
        @SubscribeMessage("message")
        async def on_message(self, **options: Any) -> None: ...

    text = said(ChatGateway)
    for word in ("ChatGateway", "on_message", "options"):
        assert word in text


def test_a_body_type_that_cannot_be_decoded():
    class Unknown:
        def __init__(self, connection: object) -> None: ...

    @WebSocketGateway()
    class ChatGateway:
        @SubscribeMessage("message")
        async def on_message(self, body: Unknown) -> None: ...

    text = said(ChatGateway)
    for word in ("ChatGateway", "on_message", "body", "Unknown"):
        assert word in text


def test_an_annotation_that_cannot_be_resolved():
    @WebSocketGateway()
    class ChatGateway:
        @SubscribeMessage("message")
        async def on_message(self, body: "NowhereToBeFound") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    text = said(ChatGateway)
    for word in ("ChatGateway", "on_message", "NowhereToBeFound"):
        assert word in text


def test_two_acks():
    @WebSocketGateway()
    class ChatGateway:
        @SubscribeMessage("message")
        async def on_message(self, first: Ack, second: Ack) -> None: ...

    text = said(ChatGateway)
    for word in ("ChatGateway", "on_message", "first", "second"):
        assert word in text


def test_threaded_needs_a_plain_function():
    @WebSocketGateway()
    class ChatGateway:
        @SubscribeMessage("message", threaded=True)
        async def on_message(self) -> None: ...

    text = said(ChatGateway)
    for word in ("ChatGateway", "on_message", "threaded"):
        assert word in text


def test_a_class_with_handlers_that_is_no_gateway():
    @Injectable()
    class ChatGateway:
        @SubscribeMessage("message")
        async def on_message(self) -> None: ...

    text = said(ChatGateway, error=ConfigurationError)
    assert "ChatGateway" in text
    assert "WebSocketGateway" in text


def test_the_same_gateway_in_two_modules():
    @WebSocketGateway("/chat")
    class ChatGateway:
        @SubscribeMessage("message")
        async def on_message(self) -> None: ...

    @Module(providers=[ChatGateway])
    class FirstModule: ...

    @Module(providers=[ChatGateway], imports=[FirstModule])
    class RootModule: ...

    with pytest.raises(ConfigurationError) as caught:
        start(module=RootModule)
    for word in ("ChatGateway", "FirstModule", "RootModule"):
        assert word in str(caught.value)


def test_two_gateways_that_contradict_each_other():
    @WebSocketGateway("/chat", protocols=["socketio"])
    class OfficialGateway: ...

    @WebSocketGateway("/chat", protocols=["websocket"])
    class PlainGateway: ...

    text = said(OfficialGateway, PlainGateway)
    for word in ("OfficialGateway", "PlainGateway", "/chat"):
        assert word in text


@pytest.mark.parametrize(
    "declare",
    [
        lambda: WebSocketGateway(3000),  # type: ignore[arg-type]
        lambda: WebSocketGateway(""),
        lambda: WebSocketGateway()(lambda: None),  # type: ignore[type-var]
        lambda: WebSocketGateway("/a,b"),
        lambda: SubscribeMessage(""),
        lambda: SubscribeMessage("connect"),
        lambda: SubscribeMessage("disconnect"),
        lambda: SubscribeMessage("message")(object),
        lambda: MessageBody(5),  # type: ignore[arg-type]
    ],
)
def test_declarations_that_make_no_sense(declare: Any):
    with pytest.raises((ConfigurationError, TypeError)):
        declare()


def test_a_hook_with_the_wrong_parameters():
    @WebSocketGateway()
    class ChatGateway:
        def handle_connection(self) -> None: ...

    text = said(ChatGateway)
    assert "ChatGateway" in text
    assert "handle_connection" in text


def test_a_provider_that_is_missing_is_named_with_its_path():
    class Database: ...

    @Injectable()
    class Messages:
        def __init__(self, database: Database) -> None: ...

    @WebSocketGateway()
    class ChatGateway:
        def __init__(self, messages: Messages) -> None: ...

    text = said(Messages, ChatGateway, error=ModuleError)
    assert "Database" in text
    assert "Messages" in text


def test_a_constructor_parameter_without_an_annotation():
    @Injectable()
    class Messages:
        def __init__(self, database) -> None: ...  # noqa: ANN001  # that is what is wrong

    text = said(Messages, error=ModuleError)
    assert "Messages" in text
    assert "database" in text


def test_a_provider_that_is_not_exported_is_not_visible():
    @Injectable()
    class Secret: ...

    @Module(providers=[Secret])
    class VaultModule: ...

    @WebSocketGateway()
    class ChatGateway:
        def __init__(self, secret: Secret) -> None: ...

    @Module(imports=[VaultModule], providers=[ChatGateway])
    class ChatModule: ...

    with pytest.raises(ModuleError) as caught:
        start(module=ChatModule)
    for word in ("Secret", "VaultModule", "ChatModule", "ChatGateway", "export"):
        assert word in str(caught.value)


def test_providers_that_need_each_other():
    @Injectable()
    class Egg:
        def __init__(self, hen: "Hen") -> None: ...

    @Injectable()
    class Hen:
        def __init__(self, egg: Egg) -> None: ...

    Egg.__init__.__annotations__["hen"] = Hen
    text = said(Egg, Hen, error=ModuleError)
    assert "Egg" in text
    assert "Hen" in text


def test_an_export_that_is_not_provided():
    class Missing: ...

    @Module(exports=[Missing])
    class Root: ...

    with pytest.raises(ModuleError) as caught:
        start(module=Root)
    assert "Missing" in str(caught.value)
    assert "Root" in str(caught.value)


def test_a_root_that_is_no_module():
    class Nothing: ...

    with pytest.raises(ConfigurationError) as caught:
        Moongate(Nothing)
    assert "Nothing" in str(caught.value)
    assert "Module" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"socketio_path": "/same", "websocket_path": "/same"}, "socketio_path"),
        ({"socketio_path": "no-slash"}, "socketio_path"),
        ({"transports": ()}, "transports"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, Any], named: str):
    with pytest.raises(ConfigurationError) as caught:
        Settings(**settings)
    assert named in str(caught.value)


def test_a_setting_of_the_environment_that_does_not_fit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MOONGATE_PING_INTERVAL", "often")
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment()
    assert "MOONGATE_PING_INTERVAL" in str(caught.value)
    assert "often" in str(caught.value)


def test_a_part_of_a_body_with_a_marker_that_does_not_fit():
    @WebSocketGateway()
    class ChatGateway:
        @SubscribeMessage("message")
        async def on_message(self, *rest: Annotated[str, MessageBody("room")]) -> None: ...

    text = said(ChatGateway)
    for word in ("ChatGateway", "on_message", "rest"):
        assert word in text


def test_an_error_of_an_after_init_ends_the_start():
    @WebSocketGateway()
    class ChatGateway:
        def after_init(self, server: Any) -> None:
            raise RuntimeError("cannot start")

    with pytest.raises(Exception, match="cannot start"):
        start(ChatGateway)
