"""The example of a cluster: one town on two Moongate servers and one of Node, in three windows."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.town import RunningTown, Visitor

pytestmark = pytest.mark.browser

Visit = Callable[[str, str], Visitor]


@pytest.fixture(scope="module")
def town() -> Iterator[RunningTown]:
    with RunningTown() as running:
        yield running


@pytest.fixture
def visit(town: RunningTown, browser: Browser) -> Iterator[Visit]:
    """Let somebody come by one of the servers."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def visit(name: str, server: str) -> Visitor:
        contexts.append(browser.new_context(viewport={"width": 900, "height": 600}))
        visitors.append(Visitor(contexts[-1].new_page(), name, town.urls[server]))
        return visitors[-1]

    yield visit
    for context in contexts:
        context.close()
    assert [error for visitor in visitors for error in visitor.errors] == []


@pytest.fixture
def trio(visit: Visit) -> tuple[Visitor, Visitor, Visitor]:
    return visit("Ada", "Python A"), visit("Bob", "Python B"), visit("Cleo", "Node")


ALL = (("Ada", "Python A", "garden"), ("Bob", "Python B", "garden"), ("Cleo", "Node", "garden"))


def test_one_town(town: RunningTown, trio: tuple[Visitor, Visitor, Visitor]):
    ada, bob, cleo = trio
    for visitor in trio:
        visitor.sees(*ALL)
    expected = []
    for visitor, (name, server, _) in zip(trio, ALL, strict=True):
        text = f"Hello from {name}"
        visitor.say(text)
        expected.append((name, server, text))
        for each in trio:
            each.hears(*expected)

    bob.go("Harbour")
    for visitor in trio:
        visitor.sees(ALL[0], ("Bob", "Python B", "harbour"), ALL[2])
    cleo.say("Are you there?")
    expected.append(("Cleo", "Node", "Are you there"))
    ada.hears(*expected)
    town.announce("The market opens")
    ada.hears(*expected, ("The town crier", "a script", "The market opens"))
    bob.hears(("The town crier", "a script", "The market opens"))


def test_servers_act_for_each_other(trio: tuple[Visitor, Visitor, Visitor]):
    ada, bob, cleo = trio
    ada.ask("Node", "The gate closes")
    expect(cleo.notices).to_have_text(["The gate closes"])
    cleo.ask("Python B", "It opens again")
    expect(bob.notices).to_have_text(["It opens again"])
    expect(ada.notices).to_have_count(0)

    ada.send_away("Cleo")
    expect(cleo.state).to_contain_text("Sent away")
    ada.sees(*ALL[:2])


def test_a_client_of_python_is_sent_away_by_node(trio: tuple[Visitor, Visitor, Visitor]):
    ada, bob, cleo = trio
    cleo.send_away("Bob")
    expect(bob.state).to_contain_text("Sent away")
    for visitor in (ada, cleo):
        visitor.sees(ALL[0], ALL[2])


def test_what_does_not_fit_is_not_said_and_ends_no_server(trio: tuple[Visitor, Visitor, Visitor]):
    ada, _, cleo = trio
    for visitor in (ada, cleo):
        visitor.page.evaluate("""new Promise((done) => {
            const socket = io("/town", { auth: { name: "Mallory" }, forceNew: true });
            socket.on("connect", () => {
                for (const body of [undefined, null, 5, [], {}, { text: "" }, { text: {} }, { text: "x".repeat(201) }])
                    for (const event of ["say", "notice", "send away", "enter"]) socket.emit(event, body);
                setTimeout(() => { socket.disconnect(); done(); }, 200);
            });
        })""")
    for visitor in trio:
        visitor.sees(*ALL)
    cleo.say("Who was that?")
    ada.hears(("Cleo", "Node", "Who was that"))


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(visit: Visit, width: int):
    ada = visit("Ada", "Python A")
    ada.page.set_viewport_size({"width": width, "height": 740})
    for number in range(12):
        ada.say(f"{number}" + "unbroken" * 15)
    expect(ada.page.locator("#messages .said")).to_have_count(12)
    expect(ada.page.locator("#messages .said").last).to_be_in_viewport()
    expect(ada.page.get_by_role("button", name="Harbour")).to_be_in_viewport()
    assert ada.page.evaluate("document.documentElement.scrollWidth") == width


def test_a_server_is_killed_and_the_others_go_on(town: RunningTown, trio: tuple[Visitor, Visitor, Visitor]):
    # The last test of this town, which is smaller from here on.
    ada, bob, cleo = trio
    expect(ada.cluster).to_contain_text("up, with 1 other Moongate server:")
    expect(cleo.cluster).to_contain_text("ask the others")
    os.kill(town.pids["Python B"], signal.SIGKILL)
    town.wait_for_log("Python B | has ended with status -9")
    expect(bob.state).to_contain_text("The server is gone")
    for visitor in (ada, cleo):
        visitor.sees(ALL[0], ALL[2])
    ada.say("Still here?")
    cleo.hears(("Ada", "Python A", "Still here"))
    cleo.say("Still here.")
    ada.hears(("Ada", "Python A", "Still here"), ("Cleo", "Node", "Still here"))
    expect(ada.cluster).to_contain_text("up, with no other Moongate servers:")
