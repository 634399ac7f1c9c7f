"""Settings: values that do not fit are refused at start-up, whichever way they come."""

from typing import Any

import pytest

from moongate import Compression, ConfigurationError, Cookie, Settings


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ping_interval": -1}, "Settings.ping_interval: got -1"),
        ({"max_payload": 0}, "Settings.max_payload: got 0"),
        ({"inbox_size": "8"}, "Settings.inbox_size: got '8'"),
        ({"transports": ("carrier pigeon",)}, "carrier pigeon"),
        ({"transports": ()}, "at least one transport"),
        ({"socketio_path": "/ws"}, "both '/ws'"),
        ({"socketio_path": "live/"}, "a path like '/name'"),
        ({"cors": ("example.org",)}, "Settings.cors"),
    ],
)
def test_a_value_that_does_not_fit(values: dict[str, Any], said: str):
    with pytest.raises(ConfigurationError) as caught:
        Settings(**values)
    assert said in str(caught.value)


def test_a_level_that_there_is_not():
    with pytest.raises(ConfigurationError, match=r"message_compression\.level: got 12"):
        Compression(level=12)


def test_they_come_from_the_environment():
    settings = Settings.from_environment(
        {
            "MOONGATE_PING_INTERVAL": "0.5",
            "MOONGATE_TRANSPORTS": '["websocket"]',
            "MOONGATE_MESSAGE_COMPRESSION": '{"level": 1}',
            "MOONGATE_COOKIE": "true",
            "MOONGATE_HTTP_COMPRESSION": "0",
            "MOONGATE_ALLOW_EIO3": "true",
            "OTHER": "x",
        }
    )
    assert settings == Settings(
        ping_interval=0.5,
        transports=("websocket",),
        message_compression=Compression(level=1),
        cookie=True,
        http_compression=0,
        allow_eio3=True,
    )


def test_a_variable_that_does_not_fit_is_named():
    with pytest.raises(ConfigurationError, match="environment variable MOONGATE_PING_TIMEOUT: got 'soon'"):
        Settings.from_environment({"MOONGATE_PING_TIMEOUT": "soon"})


def test_a_cookie_may_be_a_name_or_more():
    assert Settings(cookie="lb").cookie == "lb"
    assert Settings(cookie=Cookie(name="lb", secure=True)).cookie == Cookie(name="lb", secure=True)
