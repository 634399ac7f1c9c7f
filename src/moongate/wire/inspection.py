"""What an annotation is made of."""

from collections.abc import Iterator

import msgspec.inspect

__all__ = ["BUFFERS", "BUFFER_NODES", "nodes"]

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
