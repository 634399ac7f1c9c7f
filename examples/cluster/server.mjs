// The Node server of the town: gateway.py in JavaScript, with the official server and its Redis adapter.

import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const { NAME, PORT, REDIS, SERVERS } = process.env;
const servers = JSON.parse(SERVERS);
const here = servers.find(({ name }) => name === NAME);

const TYPES = { html: "text/html; charset=utf-8", css: "text/css", js: "text/javascript", svg: "image/svg+xml" };
const FILES = { "/": "index.html", "/town.css": "town.css", "/town.js": "town.js", "/moon.svg": "moon.svg" };

const http = createServer((request, response) => {
  const file = FILES[new URL(request.url, "http://localhost").pathname];
  if (!file) return response.writeHead(404).end();
  response.setHeader("content-type", TYPES[file.split(".").at(-1)]);
  createReadStream(new URL(`page/${file}`, import.meta.url)).pipe(response);
});

const publisher = createClient({ url: REDIS });
const subscriber = publisher.duplicate();
for (const client of [publisher, subscriber]) client.on("error", (error) => console.error(`Redis: ${error.message}`));
await Promise.all([publisher.connect(), subscriber.connect()]);

const io = new Server(http, { adapter: createAdapter(publisher, subscriber) });
const town = io.of("/town");

async function tellWhoIsThere() {
  const clients = await town.fetchSockets();
  const people = clients.filter(({ data }) => data.room).map(({ id, data }) => ({ id, ...data }));
  people.sort((one, other) => one.name.localeCompare(other.name) || one.id.localeCompare(other.id));
  town.emit("people", people);
}

function tellOwnClients(server, text) {
  if (server === here.name) town.local.emit("notice", text);
}

/** Node's server checks no bodies: what does not fit would end it, or mean everybody. */
const fits = (text, longest) => typeof text === "string" && text.length >= 1 && text.length <= longest;

/** Does *work*; what goes wrong, as when another server does not answer, is said and ends nothing. */
const attempt = (work) => work().catch((error) => console.error(error.message));

town.use((socket, next) => {
  next(fits(socket.handshake.auth.name, 24) ? undefined : new Error("Choose a name of 1 to 24 characters"));
});

town.on("connection", (socket) => {
  async function enter(room) {
    if (room !== "garden" && room !== "harbour") return;
    socket.leave(socket.data.room);
    socket.data.room = room;
    socket.join(room);
    await tellWhoIsThere();
  }

  Object.assign(socket.data, { name: socket.handshake.auth.name, server: here.name, kind: here.kind });
  socket.emit("welcome", { here, servers });
  attempt(() => enter("garden"));

  socket.on("enter", (room) => attempt(() => enter(room)));
  socket.on("say", (words) => {
    if (!fits(words?.text, 200)) return;
    town.to(socket.data.room).emit("said", { ...socket.data, text: words.text });
  });
  socket.on("send away", (id) => {
    if (fits(id, 40)) town.in(id).disconnectSockets(true);
  });
  socket.on("notice", (notice) => {
    if (!fits(notice?.server, 40) || !fits(notice.text, 200)) return;
    tellOwnClients(notice.server, notice.text);
    town.serverSideEmit("notice", notice.server, notice.text);
  });
  socket.on("disconnect", () => attempt(tellWhoIsThere));
});
town.on("notice", tellOwnClients);

http.listen(Number(PORT), "127.0.0.1", () => console.log(`${NAME} serves on ${here.url}`));
process.on("SIGTERM", () => process.exit(0));
