// One room: who is in it, what was said, and what is still on its way.

import { RefusedError } from "./connection.js";
import { MessageList } from "./message-list.js";

const PAGE_SIZE = 50;
const TYPING_LASTS = 4_000; // milliseconds
const TYPING_REPEATS = 2_000;
const TRY_AGAIN_AFTER = 2_000;

export class Room {
  /**
   * `onChange(room)` is called when people, typing or unread change, `onRefused(room, reason)` when the server does not
   * let us in; `lastRead` is the id of the last message that was read in an earlier visit, or null.
   */
  constructor(name, me, connection, { lastRead = null, onChange, onRefused }) {
    this.name = name;
    this.me = me;
    this.connection = connection;
    this.onChange = onChange;
    this.onRefused = onRefused;
    this.lastRead = lastRead;
    this.lastId = null; // all messages up to this one are here
    this.isCaughtUp = false;
    this.isOpen = false;
    this.unread = new Set();
    this.people = [];
    this.typing = new Map();
    this.outgoing = new Map();
    this.visit = 0;
    this.typingToldAt = -Infinity;
    this.list = new MessageList(me, {
      onRetry: (key) => this.retry(key),
      onEarlier: () => this.showEarlier(),
    });
  }

  /** Join (again), fetch what was missed, and send what waits. Called after each connect. */
  async enter() {
    const visit = ++this.visit;
    try {
      const { names } = await this.connection.request("join", { room: this.name });
      if (visit !== this.visit) return;
      this.setPeople(names);
      await this.#catchUp(visit);
      if (visit === this.visit) this.outgoing.forEach((message) => this.#deliver(message));
    } catch (error) {
      if (visit !== this.visit) return;
      if (error instanceof RefusedError) this.onRefused(this, error.message);
      else setTimeout(() => visit === this.visit && this.connection.isOnline && this.enter(), TRY_AGAIN_AFTER);
    }
  }

  /** The connection is gone: nobody is known to be here, and messages may be missed from now on. */
  lose() {
    this.visit++;
    this.isCaughtUp = false;
    this.typing.forEach(clearTimeout);
    this.typing.clear();
    this.onChange(this);
  }

  leave() {
    this.visit++;
    if (this.connection.isOnline) this.connection.request("leave", { room: this.name }).catch(() => this.lose());
  }

  /** A message came by itself; it may be here already. */
  receive(message) {
    this.#add([message]);
    if (this.isCaughtUp) this.lastId = Math.max(this.lastId, message.id);
    this.setTyping(message.author, false);
  }

  send(text) {
    const message = { key: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, author: this.me, text };
    Object.assign(message, { kind: "message", sent_at: Date.now() / 1000, state: "sending" });
    this.outgoing.set(message.key, message);
    this.list.put(message);
    this.tellTyping(false);
    if (this.isCaughtUp) this.#deliver(message);
  }

  retry(key) {
    const message = this.outgoing.get(key);
    if (message === undefined) return;
    message.state = "sending";
    this.list.put(message);
    if (this.isCaughtUp) this.#deliver(message);
  }

  /** Tell the others that someone here writes, not more often than they need to know. */
  tellTyping(active) {
    const now = performance.now();
    if (active ? now - this.typingToldAt < TYPING_REPEATS : this.typingToldAt === -Infinity) return;
    this.typingToldAt = active ? now : -Infinity;
    this.connection.tell("typing", { room: this.name, active });
  }

  setTyping(name, active) {
    clearTimeout(this.typing.get(name));
    this.typing.delete(name);
    if (active && name !== this.me) this.typing.set(name, setTimeout(() => this.setTyping(name, false), TYPING_LASTS));
    this.onChange(this);
  }

  setPeople(names) {
    this.people = names;
    this.onChange(this);
  }

  /** People look at the room now, or no longer. */
  setOpen(isOpen) {
    if (this.isOpen && !isOpen) this.list.markUnread(null);
    this.isOpen = isOpen;
    if (isOpen) this.#read();
    this.onChange(this);
  }

  async showEarlier() {
    try {
      const page = await this.connection.history(this.name, { before: this.list.firstId, limit: PAGE_SIZE });
      this.#add(page);
      this.list.setLoaded(page.length === PAGE_SIZE);
    } catch {
      this.list.setLoaded(true); // The button stays; pressing it again is the retry.
    }
  }

  async #catchUp(visit) {
    let page;
    do {
      const isFirst = this.lastId === null;
      page = await this.connection.history(this.name, isFirst ? {} : { after: this.lastId, limit: PAGE_SIZE });
      if (visit !== this.visit) return;
      this.#add(page);
      this.lastId = page.at(-1)?.id ?? this.lastId ?? 0;
      if (isFirst) {
        this.list.setLoaded(page.length === PAGE_SIZE);
        break;
      }
    } while (page.length === PAGE_SIZE);
    this.isCaughtUp = true;
  }

  #add(messages) {
    for (const message of messages) {
      this.outgoing.delete(message.author === this.me ? message.key : undefined);
      const isNew = this.list.put({ ...message, state: "sent" });
      if (isNew && message.author !== this.me && this.#isUnread(message)) this.unread.add(message.id);
    }
    if (this.isOpen) this.#read();
    else if (this.unread.size > 0) this.list.markUnread(Math.min(...this.unread));
    this.onChange(this);
  }

  /** What is older than the first visit is not news. */
  #isUnread(message) {
    return !this.isOpen && (this.lastRead === null ? this.lastId !== null : message.id > this.lastRead);
  }

  #read() {
    this.unread.clear();
    this.lastRead = Math.max(this.lastRead ?? 0, this.list.lastId);
  }

  async #deliver(message) {
    if (message.isOnItsWay || message.state === "failed") return;
    message.isOnItsWay = true;
    try {
      const { text, key } = message;
      this.receive(await this.connection.request("message", { room: this.name, text, key }));
    } catch (error) {
      // Without a connection it keeps waiting: the next enter() sends it.
      if (this.connection.isOnline && this.outgoing.has(message.key)) this.#fail(message, error);
    } finally {
      message.isOnItsWay = false;
    }
  }

  #fail(message, error) {
    message.state = "failed";
    message.reason = error instanceof RefusedError ? error.message : "The server did not answer in time";
    this.list.put(message);
  }
}
