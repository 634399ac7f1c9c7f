// The page: who I am, which rooms I am in, and which of them I look at.

import { ClientMissingError, connect, getJson } from "./connection.js";
import { showAvatar, whoIsTyping } from "./format.js";
import { Room } from "./room.js";
import { Scroller } from "./scroller.js";
import { RoomList, showPeople } from "./sidebar.js";

const FIRST_ROOM = "lobby";
const BACK_IS_SHOWN_FOR = 3_000; // milliseconds
const BANNERS = {
  connecting: "Connecting…",
  offline: "You are offline. What you write is sent as soon as the connection is back.",
  ended: "The server has closed the connection.",
  back: "Back online",
};

const $ = (id) => document.getElementById(id);

// Kept for this tab only, so that two windows can be two people.
const memory = {
  read: () => JSON.parse(sessionStorage.getItem("chat") ?? "{}"),
  write: (value) => sessionStorage.setItem("chat", JSON.stringify(value)),
};

const rooms = new Map();
const scroller = new Scroller($("scroller"), $("to-bottom"));
const roomList = new RoomList($("rooms"), $("room-row"), { onOpen: openRoom, onLeave: leaveRoom });
let me = "";
let connection = null;
let current = null;
let wasOnline = false;
let bannerTimer = 0;

async function signIn(name) {
  me = name;
  try {
    connection = await connect(name, { onState, onRefused: signOut, onMessage, onTyping, onPeople });
  } catch (error) {
    signOut(error instanceof ClientMissingError ? error.message : `The chat could not be loaded: ${error.message}`);
    return;
  }
  const { rooms: known = [{ name: FIRST_ROOM }], current: last } = memory.read();
  $("welcome").hidden = true;
  $("chat").hidden = false;
  $("my-name").textContent = me;
  showAvatar($("my-avatar"), me);
  known.forEach(({ name: room, lastRead }) => addRoom(room, lastRead));
  openRoom(rooms.get(last) ?? firstRoom());
}

function signOut(problem = "") {
  connection?.close();
  connection = null;
  current = null;
  wasOnline = false;
  rooms.clear();
  sessionStorage.removeItem("chat");
  document.title = "Moongate chat";
  $("chat").hidden = true;
  $("welcome").hidden = false;
  $("sign-in-error").textContent = problem;
  $("name").focus();
}

function onState(state) {
  clearTimeout(bannerTimer);
  if (state !== "online") {
    rooms.forEach((room) => room.lose());
    showBanner(state);
    return;
  }
  rooms.forEach((room) => room.enter());
  showBanner(wasOnline ? "back" : "online");
  bannerTimer = setTimeout(showBanner, BACK_IS_SHOWN_FOR, "online");
  wasOnline = true;
}

function onMessage(message) {
  rooms.get(message.room)?.receive(message);
}

function onTyping({ room, name, active }) {
  rooms.get(room)?.setTyping(name, active);
}

function onPeople({ room, names }) {
  rooms.get(room)?.setPeople(names);
}

function firstRoom() {
  return rooms.values().next().value;
}

function addRoom(name, lastRead) {
  const room = new Room(name, me, connection, { lastRead, onChange: showRoom, onRefused: leaveRoom });
  rooms.set(name, room);
  if (connection.isOnline) room.enter();
  return room;
}

function openRoom(room) {
  current?.setOpen(false);
  current = room;
  scroller.show(room.list.element, room.list.unreadMark);
  $("room-name").textContent = room.name;
  $("text").placeholder = `Message to ${room.name}`;
  room.setOpen(document.visibilityState === "visible");
  showSidebar(false);
}

function leaveRoom(room, problem = "") {
  room.leave();
  rooms.delete(room.name);
  $("join-error").textContent = problem;
  if (rooms.size === 0) addRoom(FIRST_ROOM);
  if (current === room) openRoom(firstRoom());
  else showRoom(current);
}

/** Show what has changed in a room, and remember it for the next visit. */
function showRoom(room) {
  if (current === null || rooms.get(room.name) !== room) return;
  const all = [...rooms.values()];
  memory.write({ name: me, rooms: all.map(({ name, lastRead }) => ({ name, lastRead })), current: current.name });
  roomList.show(all, current);
  const unread = all.reduce((sum, { unread: { size } }) => sum + size, 0);
  document.title = unread > 0 ? `(${unread}) Moongate chat` : "Moongate chat";
  $("unread-elsewhere").hidden = unread === 0;
  if (room === current) showCurrent();
}

function showCurrent() {
  const { people, typing } = current;
  $("people-count").textContent = people.length || "";
  $("room-people").textContent = presence(people.length);
  showPeople(people, me, { list: $("people"), faces: $("faces") });
  $("typing-text").textContent = whoIsTyping([...typing.keys()]);
  $("typing").classList.toggle("active", typing.size > 0);
}

function presence(count) {
  if (!connection.isOnline) return "Not connected";
  return count < 2 ? "Only you are here" : `${count} people are here`;
}

function showBanner(state) {
  document.body.dataset.connection = state;
  $("banner-text").textContent = BANNERS[state] ?? "";
  $("reconnect").hidden = state !== "ended";
}

function showSidebar(isOpen) {
  $("chat").classList.toggle("sidebar-open", isOpen);
  $("open-sidebar").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) $("close-sidebar").focus();
}

function send() {
  const text = $("text").value.trim();
  if (text === "") return;
  $("text").value = "";
  current.send(text);
  scroller.toEnd();
}

/** Room names are words: spaces become hyphens. */
function join(name) {
  const wanted = name.trim().toLocaleLowerCase().replace(/\s+/gu, "-");
  if (!/^[\p{L}\p{N}_-]{1,32}$/u.test(wanted)) {
    $("join-error").textContent = "Use letters, digits, - and _ only.";
    return;
  }
  $("join-error").textContent = "";
  $("new-room").value = "";
  openRoom(rooms.get(wanted) ?? addRoom(wanted));
}

async function suggestRooms() {
  const names = await getJson("/api/rooms");
  $("known-rooms").replaceChildren(...names.map((name) => new Option(name, name)));
}

function onSubmit(form, action) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

onSubmit("sign-in", () => {
  const name = $("name").value.trim();
  if (name === "") $("sign-in-error").textContent = "Please write your name first.";
  else signIn(name);
});
onSubmit("join", () => join($("new-room").value));
onSubmit("composer", send);
$("text").addEventListener("input", () => current.tellTyping($("text").value.trim() !== ""));
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
$("new-room").addEventListener("focus", suggestRooms);
$("sign-out").addEventListener("click", () => signOut());
$("reconnect").addEventListener("click", () => connection.reconnect());
$("open-sidebar").addEventListener("click", () => showSidebar(true));
$("close-sidebar").addEventListener("click", () => showSidebar(false));
$("shade").addEventListener("click", () => showSidebar(false));
document.addEventListener("keydown", (event) => event.key === "Escape" && showSidebar(false));
document.addEventListener("visibilitychange", () => current?.setOpen(document.visibilityState === "visible"));

const { name: known } = memory.read();
if (known === undefined) $("welcome").hidden = false;
else await signIn(known);
