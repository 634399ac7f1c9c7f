// Runs small scripts against a server, with the official clients.
//
// One line of JSON on stdin is a request, `{id, script, url, transport, args}`; `script` is the body of an async function
// that may use everything in `helpers` below. One line of JSON on stdout answers it: `{id, result}` or `{id, error}`.
// In between, `{id, call, name, args}` asks the test to do something, which answers `{call, result}` or `{call, error}`.
// Bytes travel as `{"$bytes": base64}`.

import http from "node:http";
import { createInterface } from "node:readline";
import { io, Manager } from "socket.io-client";
import msgpackParser from "socket.io-msgpack-parser";
import legacyIo from "socket.io-client-v2";
import WebSocket from "ws";

const LIMIT = 4000; // milliseconds that any single step may take
const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

/** What is there for each step: `label` says what did not happen, when it does not happen in time. */
function within(promise, label, limit = LIMIT) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${label()} (waited ${limit} ms)`)), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Keeps what came, so that a script may ask for it before or after it comes. */
class Inbox {
  constructor() {
    this.items = [];
    this.waiting = [];
  }

  put(item) {
    const index = this.waiting.findIndex(({ fits }) => fits(item));
    if (index === -1) this.items.push(item);
    else this.waiting.splice(index, 1)[0].resolve(item);
  }

  take(fits, label) {
    const index = this.items.findIndex(fits);
    if (index !== -1) return Promise.resolve(this.items.splice(index, 1)[0]);
    const came = new Promise((resolve) => this.waiting.push({ fits, resolve }));
    return within(came, () => `${label}; came: ${JSON.stringify(encode(this.items))}`);
  }
}

function encode(value) {
  if (value === undefined) return null;
  if (value === null || typeof value !== "object") return value;
  if (ArrayBuffer.isView(value)) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  }
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(encode);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, encode(member)]));
}

function decode(value) {
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$bytes === "string") return Buffer.from(value.$bytes, "base64");
  if (Array.isArray(value)) return value.map(decode);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, decode(member)]));
}

const write = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const calls = new Map(); // number of a call to the test -> how to answer it
let lastCall = 0;

function call(id, name, args) {
  const number = ++lastCall;
  write({ id, call: number, name, args: encode(args) });
  return within(
    new Promise((resolve, reject) => calls.set(number, { resolve, reject })),
    () => `the test did not answer call("${name}")`,
    10 * LIMIT,
  );
}

/** Everything a script may use; `opened` collects what must be closed after it. */
function helpers({ id, url, transport, args }, opened) {
  const inboxes = new WeakMap();

  /** A client that is told to connect; `options` are those of the official client. */
  function open(namespace = "/", options = {}) {
    const socket = io(url + namespace, {
      forceNew: true,
      reconnection: false,
      transports: TRANSPORTS[transport],
      ...options,
    });
    return watch(socket);
  }

  /** Keeps what comes to a client that was made in another way. */
  function watch(socket) {
    const inbox = new Inbox();
    inboxes.set(socket, inbox);
    opened.push(() => {
      socket.io.reconnection(false);
      socket.disconnect();
    });
    socket.onAny((event, ...values) => {
      if (typeof values.at(-1) !== "function") inbox.put({ event, values });
    });
    socket.on("connect", () => inbox.put({ event: "connect", values: [] }));
    socket.on("connect_error", (error) => inbox.put({ event: "connect_error", values: [describe(error)] }));
    socket.on("disconnect", (reason) => inbox.put({ event: "disconnect", values: [reason] }));
    return socket;
  }

  /** A client of the major version 2, connected. It calls a refusal `error`. */
  async function legacy(namespace = "/", options = {}) {
    const socket = legacyIo(url + namespace, {
      forceNew: true,
      reconnection: false,
      transports: TRANSPORTS[transport],
      ...options,
    });
    const inbox = new Inbox();
    inboxes.set(socket, inbox);
    opened.push(() => socket.close());
    const { onevent } = socket;
    socket.onevent = (packet) => {
      if (packet.id === undefined) inbox.put({ event: packet.data[0], values: packet.data.slice(1) });
      onevent.call(socket, packet);
    };
    for (const event of ["connect", "error", "connect_error", "disconnect"]) {
      socket.on(event, (...values) => inbox.put({ event, values }));
    }
    const { event, values } = await inbox.take(
      ({ event }) => event === "connect" || event === "error" || event === "connect_error",
      `not connected to ${url}`,
    );
    if (event !== "connect") throw new Error(`refused: ${JSON.stringify(values[0]?.description?.message ?? values[0])}`);
    if (transport === "upgrade") await upgraded(socket);
    return socket;
  }

  const describe = (error) =>
    error.data === undefined ? { message: error.message } : { message: error.message, data: error.data };

  /** The values of the next event of this name, the oldest first; `connect`, `disconnect` and `connect_error` count. */
  async function all(socket, event) {
    const item = await inboxes.get(socket).take((each) => each.event === event, `no event "${event}"`);
    return item.values;
  }

  const next = async (socket, event) => (await all(socket, event))[0];

  /** The values of each event of this name that came and was not taken. */
  const seen = (socket, event) =>
    inboxes
      .get(socket)
      .items.filter((each) => each.event === event)
      .map((each) => each.values[0]);

  async function joined(socket) {
    const inbox = inboxes.get(socket);
    const { event, values } = await inbox.take(
      (each) => each.event === "connect" || each.event === "connect_error",
      `not connected to ${url}`,
    );
    if (event === "connect_error") throw new Error(`refused: ${JSON.stringify(values[0])}`);
    if (transport === "upgrade" && socket.io.opts.transports.length === 2) await upgraded(socket);
    return socket;
  }

  function upgraded(socket) {
    const { engine } = socket.io;
    if (engine.transport.name === "websocket" || engine.readyState !== "open") return Promise.resolve();
    return within(
      // A client that the server sends away at once closes before it can upgrade.
      new Promise((resolve) => engine.once("upgrade", resolve).once("close", resolve)),
      () => "no upgrade to WebSocket",
    );
  }

  const connect = (namespace, options) => joined(open(namespace, options));

  /** What the client is told when it is not let in. */
  const refused = (namespace, options) => next(open(namespace, options), "connect_error");

  /** The first value of the acknowledgement. */
  const ack = (socket, event, ...values) => socket.timeout(LIMIT).emitWithAck(event, ...values);

  /** All values of the acknowledgement. */
  const acks = (socket, event, ...values) =>
    within(
      new Promise((resolve) => socket.emit(event, ...values, (...answer) => resolve(answer))),
      () => `no acknowledgement of "${event}"`,
    );

  /** A bare WebSocket, open; messages are JSON. */
  async function bare(path = "/ws", options = {}) {
    const base = url.startsWith("ws+unix:") ? `${url}:` : url.replace(/^http/, "ws");
    const socket = new WebSocket(base + path, options);
    const inbox = new Inbox();
    inboxes.set(socket, inbox);
    opened.push(() => socket.terminate());
    socket.on("message", (data, isBinary) => {
      if (isBinary) inbox.put({ event: "$binary", data });
      else inbox.put(JSON.parse(data.toString()));
    });
    socket.on("close", (code, reason) => inbox.put({ event: "$close", data: [code, reason.toString()] }));
    await within(
      new Promise((resolve, reject) => {
        socket.once("open", resolve);
        socket.once("error", reject);
        socket.once("unexpected-response", (_, response) => {
          let body = "";
          response.on("data", (part) => (body += part));
          response.on("end", () => reject(Object.assign(new Error(`HTTP ${response.statusCode}`), { body })));
        });
      }),
      () => `no WebSocket at ${base}${path}`,
    );
    return socket;
  }

  /** The status and the body of the answer to a WebSocket request that is not let in. */
  async function bareRefused(path, options) {
    try {
      await bare(path, options);
    } catch (error) {
      return [Number(error.message.replace("HTTP ", "")), error.body];
    }
    throw new Error("the WebSocket was let in");
  }

  const tell = (socket, event, data, number) => {
    socket.send(JSON.stringify({ event, ...(data === undefined ? {} : { data }), ...(number ? { id: number } : {}) }));
  };

  let lastId = 0;

  /** Sends with an id, and returns the answer without it. */
  async function ask(socket, event, data) {
    const number = ++lastId;
    tell(socket, event, data, number);
    const { id: _, ...answer } = await inboxes
      .get(socket)
      .take((each) => each.id === number, `no answer to "${event}"`);
    return answer;
  }

  /** The data of the next event of this name on a bare WebSocket; `$close` is its end, `$binary` a binary message. */
  async function heard(socket, event) {
    const { data } = await inboxes
      .get(socket)
      .take((each) => each.event === event, `no event "${event}"`);
    return data;
  }

  /** A request over a UNIX socket. */
  const request = (socketPath, path) =>
    within(
      new Promise((resolve, reject) => {
        http
          .get({ socketPath, path }, (response) => {
            let body = "";
            response.on("data", (part) => (body += part));
            response.on("end", () => resolve([response.statusCode, body]));
          })
          .on("error", reject);
      }),
      () => `no answer from ${socketPath}`,
    );

  return {
    ...{ io, Manager, msgpackParser, WebSocket, TRANSPORTS, url, transport, args },
    ...{ legacy, open, watch, connect, joined, refused, next, all, seen, upgraded, ack, acks },
    ...{ bare, bareRefused, tell, ask, heard, request, within },
    call: (name, ...values) => call(id, name, values),
  };
}

const AsyncFunction = (async () => {}).constructor;

async function run(message) {
  const opened = [];
  const scope = helpers({ ...message, args: decode(message.args) }, opened);
  try {
    const script = new AsyncFunction(...Object.keys(scope), message.script);
    const result = await within(script(...Object.values(scope)), () => "the script did not end", 10 * LIMIT);
    write({ id: message.id, result: encode(result) });
  } catch (error) {
    write({ id: message.id, error: String(error?.stack ?? error) });
  } finally {
    for (const close of opened) close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.script !== undefined) {
    run(message);
  } else {
    const { resolve, reject } = calls.get(message.call);
    calls.delete(message.call);
    if (message.error === undefined) resolve(decode(message.result));
    else reject(new Error(message.error));
  }
}
