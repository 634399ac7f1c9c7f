"""Bytes to packets and back: pure functions and small state machines, without asyncio."""
