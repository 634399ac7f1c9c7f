"""Transports: they move messages and know nothing of sessions."""
