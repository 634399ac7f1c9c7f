"""A message on its way to any number of connections, encoded once."""

from moongate.wire.websocket import binary_frame, text_frame

__all__ = ["Outgoing"]


class Outgoing:
    """One text message and the binary messages that belong right behind it; or binary messages alone.

    `text` is UTF-8, with the Engine.IO packet type in front where the protocol has one, or None; `attachments` follow
    it in order. `frame` is all of them as unmasked WebSocket frames (RFC 6455 section 5.2), built once for everybody.
    """

    __slots__ = ("attachments", "compressed", "frame", "text")

    compressed: bytes
    """As `frame`, compressed; set by whoever needs it first, for all that agreed on the same."""

    def __init__(self, text: bytes | None, attachments: tuple[bytes, ...] = ()) -> None:
        self.text: bytes | None = text
        self.attachments: tuple[bytes, ...] = attachments
        frame = b"" if text is None else text_frame(text)
        self.frame: bytes = b"".join((frame, *map(binary_frame, attachments))) if attachments else frame
