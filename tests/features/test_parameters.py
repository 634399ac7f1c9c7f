"""What a handler may ask for by its signature."""

from typing import Annotated, Any

import msgspec
import pytest

from moongate import Ack, ConnectedSocket, MessageBody, Namespace, Socket, SubscribeMessage, WebSocketGateway
from tests.support.live import Serve
from tests.support.node import Node

pytestmark = pytest.mark.usefixtures("transport")


class Move(msgspec.Struct):
    x: int
    y: int


def test_the_first_parameter_is_the_body(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("move")
        async def move(self, move: Move) -> int:
            return move.x * move.y

    assert node.run(serve(Gateway), 'return await ack(await connect(), "move", {x: 3, y: 4})') == 12


@pytest.mark.parametrize("order", ["client first", "client last"])
def test_the_socket_may_stand_anywhere(serve: Serve, node: Node, order: str):
    @WebSocketGateway()
    class ClientFirst:
        @SubscribeMessage("move")
        async def move(self, client: Socket, move: Move) -> list[Any]:
            return [client.id, move.x]

    @WebSocketGateway()
    class ClientLast:
        @SubscribeMessage("move")
        async def move(self, move: Move, client: Socket) -> list[Any]:
            return [client.id, move.x]

    server = serve(ClientFirst if order == "client first" else ClientLast)
    script = 'const s = await connect(); const [id, x] = await ack(s, "move", {x: 3, y: 4}); return [id === s.id, x]'
    assert node.run(server, script) == [True, 3]


def test_several_arguments_bind_one_by_one(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("place")
        async def place(self, name: str, client: Socket, move: Move, weight: float = 1.0) -> list[Any]:
            return [name, move.x, weight]

    script = """
        const s = await connect();
        return [await ack(s, "place", "rook", {x: 1, y: 2}), await ack(s, "place", "king", {x: 5, y: 2}, 2.5)];
    """
    assert node.run(serve(Gateway), script) == [["rook", 1, 1.0], ["king", 5, 2.5]]


def test_an_argument_that_does_not_fit_names_its_place(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("place")
        async def place(self, name: str, move: Move) -> None: ...

    answer = node.run(serve(Gateway), 'return await ack(await connect(), "place", "rook", {x: 1, y: "two"})')
    assert answer["message"] == "Validation failed"
    assert "y" in answer["errors"][0]["path"]


def test_star_arguments_take_the_rest(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("sum")
        async def sum(self, first: int, *rest: int) -> list[Any]:
            return [first, list(rest)]

        @SubscribeMessage("any")
        async def any(self, *args: Any) -> list[Any]:
            return list(args)

    script = """
        const s = await connect();
        return [
          await ack(s, "sum", 1, 2, 3),
          await ack(s, "sum", 1),
          await ack(s, "any", "a", {b: [null]}, Buffer.from("c")),
          await ack(s, "any"),
        ];
    """
    assert node.run(serve(Gateway), script) == [[1, [2, 3]], [1, []], ["a", {"b": [None]}, b"c"], []]


def test_star_arguments_are_validated(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("sum")
        async def sum(self, *numbers: int) -> int:
            return sum(numbers)

    answer = node.run(serve(Gateway), 'return await ack(await connect(), "sum", 1, "two")')
    assert answer["message"] == "Validation failed"


def test_a_part_of_the_body(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("join")
        async def join(
            self,
            client: Socket,
            room: Annotated[str, MessageBody("room")],
            limit: Annotated[int, MessageBody("limit")] = 10,
        ) -> list[Any]:
            return [room, limit]

    script = """
        const s = await connect();
        return [await ack(s, "join", {room: "a", limit: 3}), await ack(s, "join", {room: "a", other: true})];
    """
    assert node.run(serve(Gateway), script) == [["a", 3], ["a", 10]]


def test_a_part_of_the_body_that_is_missing_or_wrong(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("join")
        async def join(self, room: Annotated[str, MessageBody("room")]) -> str:
            return room

    script = """
        const s = await connect();
        return [await ack(s, "join", {}), await ack(s, "join", {room: 5}), await ack(s, "join")];
    """
    answers = node.run(serve(Gateway), script)
    assert [answer["message"] for answer in answers] == ["Validation failed"] * 3
    assert "room" in answers[1]["errors"][0]["path"]


def test_the_markers_may_be_written_out(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("move")
        async def move(
            self, body: Annotated[Move, MessageBody()], who: Annotated[Socket, ConnectedSocket()]
        ) -> list[Any]:
            return [who.id, body.y]

    script = 'const s = await connect(); const [id, y] = await ack(s, "move", {x: 3, y: 4}); return [id === s.id, y]'
    assert node.run(serve(Gateway), script) == [True, 4]


def test_the_namespace_may_be_a_parameter(serve: Serve, node: Node):
    @WebSocketGateway("/chat")
    class Gateway:
        @SubscribeMessage("shout")
        async def shout(self, server: Namespace, text: str) -> str:
            server.emit("shouted", text)
            return server.name

    script = """
        const [a, b] = [await connect("/chat"), await connect("/chat")];
        return [await ack(a, "shout", "hey"), await next(b, "shouted")];
    """
    assert node.run(serve(Gateway), script) == ["/chat", "hey"]


def test_an_ack_parameter_answers_with_any_number_of_arguments(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("divide")
        async def divide(self, a: int, b: int, ack: Ack) -> str:
            ack(a // b, a % b)
            return "this is not sent"

        @SubscribeMessage("nothing")
        async def nothing(self, ack: Ack) -> None:
            ack()

    script = 'const s = await connect(); return [await acks(s, "divide", 17, 5), await acks(s, "nothing")]'
    assert node.run(serve(Gateway), script) == [[3, 2], []]


def test_an_ack_parameter_is_harmless_when_nobody_asked(serve: Serve, node: Node):
    called: list[int] = []

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("count")
        async def count(self, number: int, ack: Ack) -> None:
            ack(number)
            called.append(number)

    server = serve(Gateway)
    assert node.run(server, 'const s = await connect(); s.emit("count", 1); return await ack(s, "count", 2)') == 2
    assert called == [1, 2]


def test_an_ack_is_given_once(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("twice")
        async def twice(self, ack: Ack) -> None:
            ack("first")
            ack("second")

        @SubscribeMessage("ping")
        async def ping(self) -> str:
            return "pong"

    script = """
        const s = await connect();
        const answers = [];
        s.emit("twice", (answer) => answers.push(answer));
        await ack(s, "ping");
        return answers;
    """
    assert node.run(serve(Gateway), script) == ["first"]


def test_a_handler_with_an_ack_that_fails_still_answers(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("early")
        async def early(self, ack: Ack) -> None:
            raise ValueError("before the answer")

        @SubscribeMessage("late")
        async def late(self, ack: Ack) -> None:
            ack("done")
            raise ValueError("after the answer")

    script = 'const s = await connect(); return [await ack(s, "early"), await acks(s, "late")]'
    early, late = node.run(serve(Gateway), script)
    assert early["message"] == "Internal server error"
    assert late == ["done"]


def test_an_ack_may_be_given_later(serve: Serve, node: Node):
    waiting: list[Ack] = []

    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("wait")
        async def wait(self, ack: Ack) -> None:
            waiting.append(ack)

        @SubscribeMessage("go")
        async def go(self) -> None:
            waiting.pop()("went")

    script = 'const s = await connect(); const later = ack(s, "wait"); s.emit("go"); return await later'
    assert node.run(serve(Gateway), script) == "went"


def test_more_arguments_than_parameters_do_no_harm(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("one")
        async def one(self, value: int) -> int:
            return value

        @SubscribeMessage("none")
        async def none(self) -> str:
            return "none"

    script = 'const s = await connect(); return [await ack(s, "one", 1, 2, 3), await ack(s, "none", {a: 1})]'
    assert node.run(serve(Gateway), script) == [1, "none"]


def test_a_missing_body_is_an_error_unless_it_has_a_default(serve: Serve, node: Node):
    @WebSocketGateway()
    class Gateway:
        @SubscribeMessage("needs")
        async def needs(self, value: int) -> int:
            return value

        @SubscribeMessage("may")
        async def may(self, value: int = 7) -> int:
            return value

        @SubscribeMessage("optional")
        async def optional(self, value: int | None = None) -> bool:
            return value is None

    script = 'const s = await connect(); return [await ack(s, "needs"), await ack(s, "may"), await ack(s, "optional")]'
    error, *rest = node.run(serve(Gateway), script)
    assert error["message"] == "Validation failed"
    assert rest == [7, True]
