"""The servers of the feature tests."""

from tests.features.conftest import serve

__all__ = ["serve"]
