"""A running chat, and headless Chromium windows in which people enter it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.browser.person import Person
from tests.browser.server import ROOT, ChatServer

CLIENT = ROOT / "src/moongate/client/package.json"
BROWSER_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[ChatServer]:
    server = ChatServer(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")  # no longer: Playwright keeps an event loop running in this thread meanwhile
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    assert executable is not None, "Chromium is missing: apt-get install chromium"
    assert CLIENT.is_file(), "the Socket.IO client is missing: scripts/client"
    expect.set_options(timeout=10_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def enter(chat: ChatServer, browser: Browser, tmp_path: Path) -> Iterator[Callable[[str], Person]]:
    """Let somebody enter the chat in a browser window of their own."""
    contexts: list[BrowserContext] = []
    people: list[Person] = []

    def enter(name: str) -> Person:
        context = browser.new_context(locale="en-GB")
        contexts.append(context)
        person = Person(context.new_page(), name)
        people.append(person)
        person.enter(chat.url)
        return person

    yield enter
    for number, person in enumerate(people):
        if not person.page.is_closed():
            person.page.screenshot(path=tmp_path / f"{number}.png")
    for context in contexts:
        context.close()
    assert [error for person in people for error in person.errors] == []
