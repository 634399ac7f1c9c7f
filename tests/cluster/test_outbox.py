import asyncio
from collections.abc import Callable, Sequence

import pytest

from moongate.cluster import outbox
from moongate.cluster.bus import Frame
from moongate.cluster.health import Counters
from moongate.cluster.messages import Join, Message
from moongate.cluster.outbox import Outbox
from moongate.cluster.rooms import Target
from moongate.errors import ClusterError
from tests.cluster.memory import MemoryBus, MemoryCluster

pytestmark = pytest.mark.anyio


class Sender:
    """An outbox, and the bus that it gives its messages to."""

    def __init__(self, **options: float) -> None:
        cluster = MemoryCluster(**options)
        self.bus: MemoryBus = cluster.bus(None)
        self.counters = Counters()
        self.outbox = Outbox(self.bus, cluster.options, self.counters)
        self.outbox.start()

    def frame(self, room: str) -> Frame:
        return self.bus.encode(Message("me", "/", Join(Target(), (room,))))

    async def recover(self) -> None:
        """Do what heartbeats do: find out that the bus takes messages again, and that the others are there."""
        await self.outbox.put_urgent(self.frame("heartbeat"), 5)
        self.outbox.release()

    @property
    def arrived(self) -> list[str]:
        rooms = [message.body.rooms[0] for message in self.bus.sent if isinstance(message.body, Join)]
        return [room for room in rooms if room != "heartbeat"]


@pytest.fixture
async def make():
    senders: list[Sender] = []

    def make(**options: float) -> Sender:
        senders.append(Sender(**options))
        return senders[-1]

    yield make
    for sender in senders:
        await sender.outbox.stop(0.1)


Make = Callable[..., Sender]


async def test_what_waits_is_bounded_in_bytes_too(make: Make):
    sender = make(outbox_bytes=1000)
    sender.bus.away = True
    large = Frame("0", bytes(600))
    first, second = sender.outbox.put(large), sender.outbox.put(large)
    with pytest.raises(ClusterError, match="1 messages wait already for the cluster's bus, with 600 bytes"):
        await second
    assert not first.done
    assert sender.counters.refused == 1


async def test_batches_are_bounded_in_bytes(make: Make, monkeypatch: pytest.MonkeyPatch):
    sender = make()
    batches: list[int] = []

    async def send(frames: Sequence[Frame]) -> list[None]:
        batches.append(len(frames))
        return [None] * len(frames)

    monkeypatch.setattr(sender.bus, "send", send)
    sendings = [sender.outbox.put(Frame("0", bytes(30_000))) for _ in range(9)]
    await asyncio.gather(*map(asyncio.wait_for, sendings, [5] * 9))
    assert batches == [3, 3, 3]


async def test_messages_are_sent_in_order(make: Make):
    sender = make()
    sendings = [sender.outbox.put(sender.frame(str(number))) for number in range(1000)]
    await sendings[-1]
    assert sender.arrived == [str(number) for number in range(1000)]
    assert sender.counters.published == 1000


async def test_what_nobody_awaits_is_sent_as_well(make: Make):
    sender = make()
    sender.outbox.put(sender.frame("a"))
    async with asyncio.timeout(5):
        while not sender.arrived:
            await asyncio.sleep(0)


async def test_what_the_bus_does_not_take_waits_and_keeps_its_order(make: Make):
    sender = make()
    sender.bus.away = True
    first = sender.outbox.put(sender.frame("first"))
    await asyncio.sleep(0.05)
    second = sender.outbox.put(sender.frame("second"))
    assert sender.outbox.stuck
    assert len(sender.outbox) == 2
    sender.bus.away = False
    await sender.outbox.put_urgent(sender.frame("heartbeat"), 5)
    assert sender.arrived == []  # nobody may be there to hear it yet
    sender.outbox.release()
    async with asyncio.timeout(5):
        await first
        await second
    assert sender.arrived == ["first", "second"]
    assert not sender.outbox.stuck


async def test_urgent_messages_go_before_others(make: Make):
    sender = make()
    sender.bus.away = True
    sender.outbox.put(sender.frame("first"))
    urgent = sender.outbox.put_urgent(sender.frame("urgent"), 5)
    sender.bus.away = False
    await urgent
    sender.outbox.release()
    await sender.outbox.put(sender.frame("last"))
    assert sender.arrived == ["urgent", "first", "last"]


async def test_who_is_not_heard_again_is_not_waited_for_for_ever(make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outbox, "_SETTLING", 0.1)
    sender = make()
    sender.bus.away = True
    sending = sender.outbox.put(sender.frame("a"))
    await asyncio.sleep(0.05)
    sender.bus.away = False
    await sender.outbox.put_urgent(sender.frame("heartbeat"), 5)
    async with asyncio.timeout(5):
        await sending


async def test_what_waits_for_too_long_is_dropped_and_who_awaits_it_is_told(make: Make):
    sender = make(outbox_timeout=0.05)
    sender.bus.away = True
    sending = sender.outbox.put(sender.frame("late"))
    with pytest.raises(ClusterError, match="took nothing for too long: it was not sent") as caught:
        async with asyncio.timeout(5):
            await sending
    assert caught.value.sent is False
    sender.bus.away = False
    await sender.recover()
    await sender.outbox.put(sender.frame("next"))
    assert sender.arrived == ["next"]
    assert (sender.counters.dropped, sender.counters.published) == (1, 1)


async def test_more_than_it_holds_is_refused_at_once(make: Make):
    sender = make(outbox_size=2)
    sender.bus.away = True
    kept = [sender.outbox.put(sender.frame(name)) for name in "ab"]
    with pytest.raises(ClusterError, match="2 messages wait already"):
        await sender.outbox.put(sender.frame("c"))
    sender.bus.away = False
    await sender.recover()
    for sending in kept:
        await sending
    assert sender.arrived == ["a", "b"]
    assert sender.counters.refused == 1


async def test_what_may_have_arrived_is_not_sent_twice(make: Make):
    sender = make()
    sender.bus.loses_answers = True
    with pytest.raises(ClusterError, match="may have been sent or not") as caught:
        await sender.outbox.put(sender.frame("a"))
    assert caught.value.sent is None
    sender.bus.loses_answers = False
    await sender.recover()
    await sender.outbox.put(sender.frame("b"))
    assert sender.arrived == ["a", "b"]
    assert sender.counters.unknown == 1


async def test_what_the_bus_refuses_is_an_error_for_its_sender_alone(make: Make):
    sender = make()
    sender.bus.refusal = ClusterError("OOM command not allowed")
    with pytest.raises(ClusterError, match="OOM"):
        await sender.outbox.put(sender.frame("a"))
    sender.bus.refusal = None
    await sender.outbox.put(sender.frame("b"))
    assert sender.arrived == ["b"]
    assert sender.counters.refused == 1


async def test_two_may_await_the_same(make: Make):
    sender = make()
    sending = sender.outbox.put(sender.frame("a"))

    async def wait() -> None:
        await sending

    given_up = asyncio.create_task(wait())
    await asyncio.sleep(0)
    given_up.cancel()
    await wait()
    assert sender.arrived == ["a"]


async def test_stopping_sends_what_waits(make: Make):
    sender = make()
    sending = sender.outbox.put(sender.frame("last"))
    await sender.outbox.stop(1)
    await sending
    assert sender.arrived == ["last"]


async def test_stopping_waits_for_no_bus_that_is_away(make: Make):
    sender = make()
    sender.bus.away = True
    sending = sender.outbox.put(sender.frame("lost"))
    async with asyncio.timeout(5):
        await sender.outbox.stop(0.05)
    with pytest.raises(ClusterError, match="left the cluster"):
        await sending
    with pytest.raises(ClusterError, match="left the cluster"):
        await sender.outbox.put(sender.frame("after"))
    assert sender.counters.dropped == 2
