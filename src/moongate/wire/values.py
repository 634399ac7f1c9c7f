"""Values that were decoded by something else than our own JSON decoder."""

from typing import Any

from moongate.errors import ProtocolError

__all__ = ["check_values", "copy_of"]


def check_values(values: list[Any], max_depth: int) -> None:
    """Turn keys that are integers into text, as in JavaScript.

    Raises ProtocolError for other keys, and for dicts and lists that nest deeper than *max_depth*, *values* included.
    """
    level: list[Any] = [values]
    for _ in range(max_depth):
        members: list[Any] = []
        for container in level:
            if type(container) is dict:
                _name_keys(container)
                members.extend(container.values())
            else:
                members.extend(container)
        level = [member for member in members if type(member) is dict or type(member) is list]
        if not level:
            return
    raise ProtocolError(f"arrays and objects nested at most {max_depth} deep", "deeper")


def _name_keys(members: dict[Any, Any]) -> None:
    if all(type(key) is str for key in members):
        return
    if not all(type(key) in (str, int) for key in members):
        raise ProtocolError("text as the keys of an object", repr(members)[:40])
    named = {str(key): value for key, value in members.items()}
    members.clear()
    members.update(named)


def copy_of(value: Any) -> Any:
    """Return a copy of dicts and lists that may be changed; what else is in them is shared."""
    kind = type(value)
    if kind is dict:
        return {key: copy_of(member) for key, member in value.items()}
    return [copy_of(member) for member in value] if kind is list else value
