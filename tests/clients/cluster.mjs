// A Socket.IO server of Node with an official adapter, one of a cluster: node cluster.mjs KIND REDIS_URL PREFIX
//
// It prints `PORT <n>` once it listens. Then one line of JSON on stdin, `{id, script, args}`, is the body of an async
// function that may use `io`, `emitter` and `heard`; one line on stdout, `{id, result}` or `{id, error}`, answers it.
// Bytes travel as `{"$bytes": base64}`.

import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createInterface } from "node:readline";
import { createClient } from "redis";
import { Server } from "socket.io";

const [kind, url, prefix] = process.argv.slice(2);
const client = createClient({ url });
await client.connect();
const subscriber = client.duplicate();
await subscriber.connect();

const kinds = {
  classic: async () => [createAdapter(client, subscriber, { key: prefix }), new Emitter(client, { key: prefix })],
  sharded: async () => [createShardedAdapter(client, subscriber, { channelPrefix: prefix }), null],
  streams: async () => [createStreamsAdapter(client, { streamName: prefix, channelPrefix: prefix }), null],
};

const [adapter, emitter] = await kinds[kind]();
const io = new Server(0, { adapter });
const heard = []; // events of other servers
let settled = 0; // how often `subscribed` was called

/** The adapter subscribes to the channels of rooms without waiting; what is asked after that is answered after that. */
async function subscribed() {
  if (kind !== "sharded") return;
  const channel = `${prefix}-settled-${++settled}`;
  await subscriber.sSubscribe(channel, () => {});
  await subscriber.sUnsubscribe(channel);
}

for (const namespace of [io.of("/"), io.of("/chat")]) {
  namespace.on("connection", async (socket) => {
    socket.data.name = socket.handshake.auth.name;
    for (const room of socket.handshake.auth.rooms ?? []) socket.join(room);
    await subscribed();
    socket.emit("ready");
  });
  namespace.on("wake up", (...values) => heard.push(values));
  namespace.on("sum", (first, second, answer) => answer(first + second));
}

function encode(value) {
  if (value === undefined) return null;
  if (value === null || typeof value !== "object" || value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return { $bytes: Buffer.from(value).toString("base64") };
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
const AsyncFunction = (async () => {}).constructor;

io.httpServer.on("listening", () => process.stdout.write(`PORT ${io.httpServer.address().port}\n`));

for await (const line of createInterface({ input: process.stdin })) {
  const { id, script, args } = JSON.parse(line);
  const scope = { io, emitter, heard, args: decode(args) };
  new AsyncFunction(...Object.keys(scope), script)(...Object.values(scope)).then(
    (result) => write({ id, result: encode(result) }),
    (error) => write({ id, error: String(error?.stack ?? error) }),
  );
}
process.exit(0);
