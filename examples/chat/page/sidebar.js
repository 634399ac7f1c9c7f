// The rooms and the people beside the messages.

import { showAvatar } from "./format.js";

const FACES = 4;

/** The list of rooms. Rows stay where they are, so that the keyboard keeps its place. */
export class RoomList {
  constructor(element, template, { onOpen, onLeave }) {
    this.element = element;
    this.template = template;
    this.onOpen = onOpen;
    this.onLeave = onLeave;
    this.rows = new Map();
  }

  /** Show `rooms`, of which `current` is open. */
  show(rooms, current) {
    for (const [room, row] of this.rows) {
      if (rooms.includes(room)) continue;
      row.remove();
      this.rows.delete(room);
    }
    for (const room of rooms) this.#update(room, this.rows.get(room) ?? this.#add(room), room === current);
  }

  #add(room) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    row.querySelector(".name").textContent = room.name;
    row.querySelector(".open").addEventListener("click", () => this.onOpen(room));
    const leave = row.querySelector(".leave");
    leave.setAttribute("aria-label", `Leave ${room.name}`);
    leave.addEventListener("click", () => this.onLeave(room));
    this.rows.set(room, row);
    this.element.append(row);
    return row;
  }

  #update(room, row, isCurrent) {
    const badge = row.querySelector(".badge");
    badge.hidden = room.unread.size === 0;
    badge.querySelector(".number").textContent = room.unread.size;
    row.querySelector(".open").setAttribute("aria-current", String(isCurrent));
    row.classList.toggle("someone-typing", room.typing.size > 0 && !isCurrent);
  }
}

/** Show who is in a room: as a list, and as a few faces in the header. */
export function showPeople(names, me, { list, faces }) {
  list.replaceChildren(...names.map((name) => personRow(name, me)));
  faces.replaceChildren(...names.slice(0, FACES).map(avatar));
  if (names.length > FACES) faces.append(span("more", `+${names.length - FACES}`));
}

function personRow(name, me) {
  const row = document.createElement("li");
  row.append(avatar(name), span("name", name));
  if (name === me) row.append(span("quiet", "you"));
  return row;
}

function avatar(name) {
  const element = span("avatar", "");
  element.setAttribute("aria-hidden", "true");
  showAvatar(element, name);
  return element;
}

function span(className, text) {
  return Object.assign(document.createElement("span"), { className, textContent: text });
}
