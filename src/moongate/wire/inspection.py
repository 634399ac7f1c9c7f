"""What an annotation is made of."""

from collections.abc import Iterator
from typing import Any

import msgspec.inspect

__all__ = ["BUFFERS", "BUFFER_NODES", "is_buffer", "nodes"]

BUFFERS: tuple[type, ...] = (bytes, bytearray, memoryview)
"""The types whose values travel as binary, outside the JSON text."""

BUFFER_NODES: tuple[type[msgspec.inspect.Type], ...] = (
    msgspec.inspect.BytesType,
    msgspec.inspect.ByteArrayType,
    msgspec.inspect.MemoryViewType,
)
"""What `msgspec.inspect` calls them."""


def nodes(root: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    """Yield *root* and every type inside it once; types that contain themselves are no endless loop."""
    waiting = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        for name in node.__struct_fields__:
            member = getattr(node, name)
            for part in member if isinstance(member, tuple) else (member,):
                if isinstance(part, msgspec.inspect.Type):
                    waiting.append(part)
                elif isinstance(part, msgspec.inspect.Field):
                    waiting.append(part.type)


def is_buffer(annotation: Any) -> bool:
    """Say whether a value of *annotation* may be bytes, a bytearray or a memoryview itself, not only hold some."""
    try:
        node = msgspec.inspect.type_info(annotation)
    except Exception:  # noqa: BLE001  # what msgspec cannot look into fails in any way, and is not one of ours
        return False
    options = node.types if isinstance(node, msgspec.inspect.UnionType) else (node,)
    return any(isinstance(option, BUFFER_NODES) for option in options)
