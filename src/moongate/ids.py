"""Ids that nobody can guess."""

import secrets

__all__ = ["new_id"]


def new_id() -> str:
    """Return 20 URL-safe characters with 120 random bits, the length of Socket.IO's ids."""
    return secrets.token_urlsafe(15)
