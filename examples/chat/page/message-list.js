// The messages of one room as a list on the page. Everything that people wrote goes in as text, never as HTML.

import { clock, day, isSameDay, showAvatar } from "./format.js";

const GROUP_WITHIN = 300; // seconds
const STATES = { sending: "Sending…", sent: "Sent", failed: "Not sent" };

export class MessageList {
  /** `onRetry(key)` and `onEarlier()` are called when their buttons are pressed; `onEarlier` may take its time. */
  constructor(me, { onRetry, onEarlier }) {
    this.me = me;
    this.onRetry = onRetry;
    this.rows = new Map();
    this.element = create("div", "messages");
    this.list = create("ol");
    this.earlier = create("button", "earlier", "Show earlier messages");
    this.earlier.type = "button";
    this.earlier.hidden = true;
    this.earlier.addEventListener("click", () => this.#showEarlier(onEarlier));
    this.empty = create("p", "empty quiet", "Nothing has been said here yet. Be the first.");
    this.empty.hidden = true;
    this.element.append(this.earlier, this.empty, this.list);
  }

  /** The id of the first stored message; 0 if there is none. */
  get firstId() {
    return this.list.firstElementChild?.message.id ?? 0;
  }

  /** The id of the last stored message; 0 if there is none. */
  get lastId() {
    let row = this.list.lastElementChild;
    while (row !== null && row.message.id === undefined) row = row.previousElementSibling;
    return row?.message.id ?? 0;
  }

  /** Show a message, or what became of it. Returns whether it was not here before. */
  put(message) {
    const identity = JSON.stringify([message.author, message.key]);
    let row = this.rows.get(identity);
    const isNew = row === undefined;
    if (isNew) {
      row = this.#build(message);
      this.rows.set(identity, row);
    }
    const isPlaced = !isNew && row.message.id === message.id;
    row.message = { ...message };
    this.#show(row);
    if (!isPlaced) this.#place(row);
    this.empty.hidden = true;
    return isNew;
  }

  /** What is stored has been fetched; if `hasEarlier`, offer to show what is older. */
  setLoaded(hasEarlier) {
    this.earlier.hidden = !hasEarlier;
    this.empty.hidden = this.rows.size > 0;
  }

  /** Draw the line above the message `id`; null takes it away. */
  markUnread(id) {
    for (const row of this.list.children) row.toggleAttribute("data-first-unread", id !== null && row.message.id === id);
  }

  get unreadMark() {
    return this.list.querySelector("[data-first-unread]");
  }

  /** What was in view stays in view while the list grows above it. */
  async #showEarlier(load) {
    this.earlier.hidden = true;
    const scrolled = this.element.parentElement;
    const below = scrolled.scrollHeight - scrolled.scrollTop;
    await load();
    scrolled.scrollTop = scrolled.scrollHeight - below;
  }

  #build(message) {
    const row = create("li", `message ${message.kind}`);
    row.classList.toggle("own", message.kind === "message" && message.author === this.me);
    row.day = create("p", "day");
    row.time = create("time");
    row.state = create("span", "state");
    row.retry = create("button", "retry", "Retry");
    row.retry.type = "button";
    row.retry.addEventListener("click", () => this.onRetry(row.message.key));

    const avatar = create("span", "avatar");
    avatar.setAttribute("aria-hidden", "true");
    showAvatar(avatar, message.author);
    const author = create("span", "author", message.author);
    const bubble = create("div", "bubble");
    const foot = create("p", "foot");
    foot.append(row.time, row.state, row.retry);
    bubble.append(author, create("p", "text", message.text), foot);
    row.append(row.day, avatar, bubble);
    return row;
  }

  #show({ message, day: dayLine, time, state, retry, dataset }) {
    dayLine.textContent = day(message.sent_at);
    time.textContent = clock(message.sent_at);
    time.dateTime = new Date(message.sent_at * 1000).toISOString();
    dataset.state = message.state;
    const isOwn = message.author === this.me;
    state.textContent = isOwn ? STATES[message.state] : "";
    state.title = message.reason ?? "";
    retry.hidden = message.state !== "failed";
  }

  /** Stored messages stand in the order of their ids; those on their way follow. */
  #place(row) {
    const oldNext = row.nextElementSibling;
    let next = this.list.lastElementChild;
    while (next !== null && (next === row || order(next) > order(row))) next = next.previousElementSibling;
    this.list.insertBefore(row, next === null ? this.list.firstElementChild : next.nextElementSibling);
    for (const touched of [row, row.nextElementSibling, oldNext]) if (touched !== null) this.#arrange(touched);
  }

  #arrange(row) {
    const before = row.previousElementSibling?.message;
    const { message } = row;
    const isNewDay = before === undefined || !isSameDay(before.sent_at, message.sent_at);
    const isFollowing = !isNewDay && before.author === message.author && before.kind === message.kind &&
      message.sent_at - before.sent_at < GROUP_WITHIN;
    row.toggleAttribute("data-new-day", isNewDay);
    row.toggleAttribute("data-following", isFollowing);
  }
}

const order = (row) => row.message.id ?? Infinity;

function create(tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}
