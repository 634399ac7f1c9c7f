"""Limits on how often clients may connect and send: token buckets, declared where they count."""

from moongate.throttling.bucket import Bucket, Claim, LocalStore, ThrottleStore
from moongate.throttling.limit import Limit
from moongate.throttling.throttler import THROTTLE_STORE, SkipThrottle, Throttle, Throttler

__all__ = [
    "THROTTLE_STORE",
    "Bucket",
    "Claim",
    "Limit",
    "LocalStore",
    "SkipThrottle",
    "Throttle",
    "ThrottleStore",
    "Throttler",
]
