"""Rooms and fan-out: who of a namespace is meant by a broadcast."""
