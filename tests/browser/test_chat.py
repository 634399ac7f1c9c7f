"""What people do in the chat, and what they see."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.person import Person
from tests.browser.server import ChatServer

pytestmark = pytest.mark.browser

Enter = Callable[[str], Person]


def test_two_people_talk(enter: Enter):
    ada, grace = enter("Ada"), enter("Grace")
    ada.sees_people("Ada", "Grace")
    grace.sees_people("Ada", "Grace")

    ada.say("Hello, Grace")
    ada.sees_state("Hello, Grace", "Sent")
    grace.sees("Hello, Grace")
    grace.say("Hello, Ada")
    ada.sees("Hello, Grace", "Hello, Ada")
    grace.sees("Hello, Grace", "Hello, Ada")

    grace.page.close()
    ada.sees_people("Ada")


def test_the_page_uses_the_official_client_over_websocket(enter: Enter, chat: ChatServer):
    sockets: list[str] = []
    ada = enter("Ada")
    ada.page.on("websocket", lambda socket: sockets.append(socket.url))
    with ada.page.expect_websocket(lambda socket: "/socket.io/" in socket.url):
        ada.page.reload()
    ada.is_online()
    assert all(url.startswith(f"ws://127.0.0.1:{chat.port}/socket.io/?EIO=4&transport=websocket") for url in sockets)


def test_who_types_is_shown_until_they_send(enter: Enter):
    ada, grace = enter("Ada"), enter("Grace")
    ada.write("Once upon")
    expect(grace.typing).to_have_text("Ada is typing")
    grace.write("I")
    expect(ada.typing).to_have_text("Grace is typing")
    ada.say("Once upon a time")
    grace.sees("Once upon a time")
    expect(grace.typing).to_have_text("")


def test_what_people_write_stays_text(enter: Enter):
    name, text = "<i>Ada</i>", "<img src=x onerror=\"document.title='broken'\">\nsecond line"
    ada, grace = enter(name), enter("Grace")
    ada.say(text)
    grace.sees(text)
    expect(grace.messages.locator(".author")).to_have_text([name])
    assert grace.page.locator("img[src=x], i:not(.dots i)").count() == 0
    expect(grace.page).to_have_title("Moongate chat")


def test_rooms_are_apart_and_unread_messages_are_counted(enter: Enter):
    ada, grace = enter("Ada"), enter("Grace")
    for person in (ada, grace):
        person.join("tea")
    ada.sees_people("Ada", "Grace")
    grace.open("lobby")
    ada.say("Anyone for tea?")
    ada.say("I have oolong")
    expect(grace.room("tea").locator(".badge")).to_have_text("2 unread")
    expect(grace.page).to_have_title("(2) Moongate chat")
    grace.sees()

    grace.open("tea")
    grace.sees("Anyone for tea?", "I have oolong")
    expect(grace.room("tea").locator(".badge")).to_be_hidden()
    expect(grace.page).to_have_title("Moongate chat")

    grace.page.get_by_role("button", name="Leave tea").click()
    ada.sees_people("Ada")


def test_who_reloads_sees_what_was_said(enter: Enter):
    ada, grace = enter("Ada"), enter("Grace")
    ada.say("First")
    grace.sees("First")
    grace.say("Second")
    ada.sees("First", "Second")

    ada.page.reload()
    ada.is_online()
    ada.sees("First", "Second")
    ada.sees_state("First", "Sent")
    grace.say("Third")
    ada.sees("First", "Second", "Third")
    grace.sees_people("Ada", "Grace")


def test_who_was_offline_gets_what_they_missed_once(enter: Enter):
    ada, grace = enter("Ada"), enter("Grace")
    ada.say("Before")
    grace.sees("Before")

    # Chromium closes no open WebSocket for this, but tells the page, whose client then closes it.
    grace.page.context.set_offline(offline=True)
    expect(grace.banner).to_contain_text("You are offline")
    ada.sees_people("Ada")
    ada.say("While you were away")
    ada.say("And this too")
    grace.say("Written offline")
    grace.sees_state("Written offline", "Sending…")
    ada.sees("Before", "While you were away", "And this too")

    grace.page.context.set_offline(offline=False)
    expect(grace.banner).to_contain_text("Back online")
    everything = ["Before", "While you were away", "And this too", "Written offline"]
    grace.sees(*everything)
    ada.sees(*everything)
    grace.sees_state("Written offline", "Sent")
    ada.sees_people("Ada", "Grace")

    ada.say("After")
    grace.sees(*everything, "After")


def test_the_chat_goes_on_after_the_server_was_restarted(enter: Enter, chat: ChatServer):
    ada, grace = enter("Ada"), enter("Grace")
    ada.say("Before")
    grace.sees("Before")
    chat.stop()
    for person in (ada, grace):
        expect(person.banner).to_contain_text("You are offline")
    ada.say("Is it back?")
    chat.start()
    grace.sees("Before", "Is it back?")
    ada.sees_people("Ada", "Grace")
    ada.sees("Before", "Is it back?")


def test_a_message_without_acknowledgement_is_retried_and_stored_once(enter: Enter, chat: ChatServer):
    ada, grace = enter("Ada"), enter("Grace")
    ada.say("Before")
    grace.sees("Before")
    chat.freeze()
    ada.say("Hello?")
    ada.sees_state("Hello?", "Not sent")
    chat.resume()
    ada.page.get_by_role("button", name="Retry").click()
    ada.sees_state("Hello?", "Sent")
    ada.say("After")
    grace.sees("Before", "Hello?", "After")
    assert chat.stored() == ["Before", "Hello?", "After"]


def test_an_announcement_by_http_reaches_the_room(enter: Enter, chat: ChatServer):
    ada = enter("Ada")
    chat.announce("The kitchen closes at ten")
    ada.sees("The kitchen closes at ten")
    expect(ada.messages.locator(".author")).to_have_text("Announcement")


def test_long_histories_come_in_parts(enter: Enter, chat: ChatServer):
    for number in range(60):
        chat.announce(f"Number {number}")
    ada = enter("Ada")
    ada.sees(*(f"Number {number}" for number in range(10, 60)))
    expect(ada.messages.last).to_be_in_viewport()
    ada.page.get_by_role("button", name="Show earlier messages").click()
    ada.sees(*(f"Number {number}" for number in range(60)))


def test_a_name_that_does_not_fit_is_refused_with_the_reason(enter: Enter):
    ada = enter("Ada")
    ada.page.get_by_role("button", name="Change your name").click()
    name = ada.page.get_by_role("textbox", name="Your name")
    name.evaluate("field => field.removeAttribute('maxlength')")
    name.fill("A" * 33)
    ada.page.get_by_role("button", name="Enter").click()
    expect(ada.page.get_by_role("alert")).to_contain_text("Choose a name of 1 to 32 characters")
    expect(name).to_be_focused()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(enter: Enter, width: int):
    ada = enter("Ada")
    ada.page.set_viewport_size({"width": width, "height": 740})
    ada.say("unbroken" * 60)
    ada.sees_state("unbroken", "Sent")
    assert ada.page.evaluate("document.documentElement.scrollWidth") == width


def test_a_missing_client_library_says_how_to_fetch_it(chat: ChatServer, browser: Browser):
    text = "Fetch it with: scripts/client"
    page = browser.new_page(locale="en-GB")
    page.route("**/socket.io.esm.min.js", lambda route: route.fulfill(status=404, body=text))
    page.goto(chat.url)
    page.get_by_role("textbox", name="Your name").fill("Ada")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_contain_text(text)
    page.close()
