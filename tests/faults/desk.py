"""The gateway of the nodes under test."""

from moongate import ClusterHealth, Module, Moongate, Namespace, Socket, SubscribeMessage, WebSocketGateway
from moongate.cluster.bus import Cluster

__all__ = ["ROOM", "Desk", "desk_app"]

ROOM = "kitchen"
"""The room that all clients are in."""


@WebSocketGateway("/")
class Desk:
    """Serves its own clients, and answers other nodes."""

    server: Namespace

    def __init__(self) -> None:
        self.changes: list[ClusterHealth] = []

    def after_init(self, server: Namespace) -> None:
        server.on("sum", lambda *numbers: sum(numbers))

    async def handle_connection(self, client: Socket) -> None:
        await client.join(ROOM)

    @SubscribeMessage("echo")
    def echo(self, number: int) -> int:
        return number

    @SubscribeMessage("join")
    async def join(self, client: Socket, room: str) -> None:
        await client.join(room)

    @SubscribeMessage("leave")
    async def leave(self, client: Socket, room: str) -> None:
        await client.leave(room)

    def on_cluster_change(self, health: ClusterHealth) -> None:
        self.changes.append(health)


def desk_app(cluster: Cluster) -> Moongate:
    """Return an application with a Desk."""
    root = Module(providers=[Desk])(type("Root", (), {}))
    return Moongate(root, cluster=cluster)
