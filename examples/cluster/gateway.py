"""The town: one namespace on three servers. server.mjs is the same in JavaScript."""

import msgspec

from examples.cluster.attendance import Attendance
from examples.cluster.bodies import Health, Notice, Place, Room, Said, User, Welcome, Words
from moongate import ClusterHealth, Namespace, Socket, SubscribeMessage, WebSocketGateway, WsException

__all__ = ["TownGateway"]

FIRST_ROOM = "garden"


@WebSocketGateway("/town")
class TownGateway:
    """What is said, who is there and who has to leave, in the whole town: whichever server somebody is connected to."""

    server: Namespace

    def __init__(self, here: Place, servers: list[Place], attendance: Attendance) -> None:
        self.here = here
        self.servers = servers
        self.attendance = attendance
        self.health = Health("up", "")

    def after_init(self, server: Namespace) -> None:
        server.on("notice", self.tell_own_clients)

    async def handle_connection(self, client: Socket) -> None:
        try:
            user = msgspec.convert(client.handshake.auth, User)
        except msgspec.ValidationError as error:
            raise WsException(f"Choose a name of 1 to 24 characters: {error}") from error
        # This is what other servers see of a client, so it has to be of the kind that JSON knows.
        client.data.update(name=user.name, server=self.here.name, kind=self.here.kind)
        client.emit("welcome", Welcome(self.here, self.servers))
        client.emit("health", self.health)
        await self.enter(client, FIRST_ROOM)

    async def handle_disconnect(self, _client: Socket) -> None:
        await self.attendance.tell()

    @SubscribeMessage("enter")
    async def enter(self, client: Socket, room: Room) -> None:
        await client.leave(client.data.get("room", room))
        client.data["room"] = room
        await client.join(room)
        await self.attendance.tell()

    @SubscribeMessage("say")
    def say(self, client: Socket, words: Words) -> None:
        said = Said(**client.data, text=words.text)
        self.server.to(said.room).emit("said", said)

    @SubscribeMessage("send away")
    def send_away(self, client_id: str) -> None:
        """Disconnect a client, wherever it is connected."""
        self.server.in_(client_id).disconnect_sockets(close=True)

    @SubscribeMessage("notice")
    async def notice(self, notice: Notice) -> None:
        """Ask one of the servers, which may be this one, to tell something to its clients."""
        self.tell_own_clients(notice.server, notice.text)
        self.server.server_side_emit("notice", notice.server, notice.text)

    def tell_own_clients(self, server: str, text: str) -> None:
        if server == self.here.name:
            self.server.local.emit("notice", text)

    def on_cluster_change(self, health: ClusterHealth) -> None:
        self.health = Health(health.status, health.reason)
        self.server.local.emit("health", self.health)
