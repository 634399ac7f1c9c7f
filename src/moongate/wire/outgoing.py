"""A message on its way to any number of connections, encoded once."""

from moongate.wire.websocket import binary_frame, text_frame

__all__ = ["Outgoing"]


class Outgoing:
    """One text message and the binary messages that belong right behind it.

    `text` is UTF-8, with the Engine.IO packet type in front where the protocol has one; `attachments` follow it in
    order. `frame` is all of them as unmasked WebSocket frames (RFC 6455 section 5.2), built once for everybody.
    """

    __slots__ = ("attachments", "frame", "text")

    def __init__(self, text: bytes, attachments: tuple[bytes, ...] = ()) -> None:
        self.text: bytes = text
        self.attachments: tuple[bytes, ...] = attachments
        frame = text_frame(text)
        self.frame: bytes = b"".join((frame, *map(binary_frame, attachments))) if attachments else frame
