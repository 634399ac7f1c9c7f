"""How much may be on its way between two servers: bytes that were sent and not yet passed on at the other end."""

__all__ = ["Arrivals", "Window"]


class Window:
    """The end that sends. *limit* is in bytes; one message more than fits is let through."""

    __slots__ = ("_limit", "_sent", "_taken")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sent = 0
        self._taken = 0

    @property
    def is_open(self) -> bool:
        """Whether more may be sent."""
        return self._sent - self._taken < self._limit

    def sent(self, size: int) -> None:
        """So many bytes more have left."""
        self._sent += size

    def taken(self, total: int) -> None:
        """The other end has passed on *total* bytes so far, so a word of it that was lost is made good by the next."""
        self._taken = max(self._taken, min(total, self._sent))


class Arrivals:
    """The end that receives; the *limit* is the other's."""

    __slots__ = ("_limit", "_told", "total")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._told = 0
        self.total: int = 0  # how many bytes have come

    def came(self, size: int) -> None:
        """So many bytes more have come."""
        self.total += size

    @property
    def are_news(self) -> bool:
        """Whether anything has come since the other end was told."""
        return self.total > self._told

    @property
    def are_worth_telling(self) -> bool:
        """Whether so much has come since the other end was told that it may have to wait soon."""
        return self.total - self._told >= self._limit // 2

    def tell(self) -> int:
        """Return what the other end is told now."""
        self._told = self.total
        return self.total
