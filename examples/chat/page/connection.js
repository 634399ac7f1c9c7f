// The Socket.IO connection, and the REST route beside it.

const CLIENT = "/socket.io/socket.io.esm.min.js";
const ACKNOWLEDGEMENT_TIMEOUT = 5_000; // milliseconds

/** The server answered, and the answer is no. */
export class RefusedError extends Error {}

/** The official client is not there; the message says how to fetch it. */
export class ClientMissingError extends Error {}

async function loadClient() {
  try {
    return await import(CLIENT);
  } catch (error) {
    const response = await fetch(CLIENT);
    throw response.ok ? error : new ClientMissingError(await response.text());
  }
}

/**
 * Connect as `name`. `listener` is told of everything that happens:
 * `onState("connecting" | "online" | "offline" | "ended")`, `onRefused(message)`, `onMessage`, `onTyping`, `onPeople`.
 */
export async function connect(name, listener) {
  const { io } = await loadClient();
  return new Connection(io("/chat", { auth: { name }, reconnectionDelayMax: 3_000 }), listener);
}

class Connection {
  constructor(socket, listener) {
    this.socket = socket;
    this.listener = listener;
    socket.on("connect", () => listener.onState("online"));
    socket.on("disconnect", (reason) => this.#disconnected(reason));
    socket.on("connect_error", (error) => this.#failed(error));
    socket.on("exception", (error) => this.#refused(error));
    socket.on("message", (message) => listener.onMessage(message));
    socket.on("typing", (typing) => listener.onTyping(typing));
    socket.on("people", (people) => listener.onPeople(people));
    this.reconnectNow = () => socket.connected || this.reconnect();
    window.addEventListener("online", this.reconnectNow);
    listener.onState("connecting");
  }

  get isOnline() {
    return this.socket.connected;
  }

  /** Emit an event and return the acknowledgement. Rejects when there is none in time, or with a RefusedError. */
  async request(event, body) {
    const answer = await this.socket.timeout(ACKNOWLEDGEMENT_TIMEOUT).emitWithAck(event, body);
    if (answer?.status === "error") throw new RefusedError(answer.message);
    return answer;
  }

  /** Emit an event that may be lost. */
  tell(event, body) {
    if (this.isOnline) this.socket.volatile.emit(event, body);
  }

  /** The stored messages of a room, as the REST route returns them. */
  async history(room, query) {
    return await getJson(`/api/rooms/${encodeURIComponent(room)}/messages?${new URLSearchParams(query)}`);
  }

  /** Connect at once instead of when the next attempt is due. */
  reconnect() {
    this.socket.disconnect().connect();
  }

  close() {
    window.removeEventListener("online", this.reconnectNow);
    this.socket.off();
    this.socket.disconnect();
  }

  #disconnected(reason) {
    this.listener.onState(reason === "io server disconnect" ? "ended" : "offline");
  }

  #failed(error) {
    // A server that answers CONNECT_ERROR has refused this client; an error without it is the network's.
    if (this.socket.active) this.listener.onState("offline");
    else this.listener.onRefused(error.message);
  }

  #refused(error) {
    if (error.cause?.pattern === "handle_connection") this.listener.onRefused(error.message);
  }
}

export async function getJson(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return await response.json();
}
