"""For tests of applications: clients without a network, providers replaced, time moved, a server for real clients."""

from moongate.testing.app import TestApp
from moongate.testing.client import BareClient, Client, ConnectRefused, SocketIoClient
from moongate.testing.clock import Clock
from moongate.testing.live import LiveServer

__all__ = ["BareClient", "Client", "Clock", "ConnectRefused", "LiveServer", "SocketIoClient", "TestApp"]
