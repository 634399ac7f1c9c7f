"""One person at the chat page: what they do, and what they must see."""

from playwright.sync_api import Locator, Page, expect

__all__ = ["Person"]


class Person:
    """Somebody with a browser window. `errors` collects what the page's scripts did not catch."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(f"{name}: {error}"))

    def enter(self, url: str) -> None:
        self.page.goto(url)
        self.page.get_by_role("textbox", name="Your name").fill(self.name)
        self.page.get_by_role("button", name="Enter").click()
        self.is_online()

    def write(self, text: str) -> None:
        self.page.get_by_role("textbox", name="Message").press_sequentially(text)

    def say(self, text: str) -> None:
        """Write and send; whether it arrives is another question."""
        self.page.get_by_role("textbox", name="Message").fill(text)
        self.page.keyboard.press("Enter")

    def join(self, room: str) -> None:
        self.page.get_by_role("combobox", name="Room to join").fill(room)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("heading", level=1)).to_have_text(room)

    def open(self, room: str) -> None:
        self.room(room).locator(".open").click()

    def room(self, name: str) -> Locator:
        return self.page.locator(".room-row").filter(has_text=name)

    @property
    def messages(self) -> Locator:
        return self.page.get_by_role("log").get_by_role("listitem")

    @property
    def banner(self) -> Locator:
        return self.page.locator("#banner")

    @property
    def typing(self) -> Locator:
        return self.page.locator("#typing")

    def is_online(self) -> None:
        expect(self.page.locator("#people").get_by_text(self.name)).to_be_visible()

    def sees_people(self, *names: str) -> None:
        expect(self.page.locator("#people .name")).to_have_text(list(names))

    def sees(self, *texts: str) -> None:
        """These messages, each of them once, in this order, and no others."""
        expect(self.messages.locator(".text")).to_have_text(list(texts))

    def sees_state(self, text: str, state: str) -> None:
        expect(self.messages.filter(has_text=text).locator(".state")).to_have_text(state)
