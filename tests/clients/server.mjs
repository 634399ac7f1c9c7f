// Node's own Socket.IO server, with the small application that ours is compared with (tests/differential/application.py).
//
// The only argument is the server's options as JSON. One line on stdout is the port; it ends when stdin does.

import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer((_, response) => response.writeHead(404).end());
const server = new Server(http, JSON.parse(process.argv[2] ?? "{}"));

/** Moongate answers every event that asks for an acknowledgement, when its handler is done. */
function answered(handle) {
  return (...args) => {
    const answer = typeof args.at(-1) === "function" ? args.pop() : () => {};
    handle(...args);
    answer();
  };
}

function serve(socket) {
  socket.on("echo", (...args) => {
    if (typeof args.at(-1) === "function") args.pop()(...args);
  });
  socket.on("back", answered((...args) => socket.emit("back", ...args)));
  socket.on("leave", answered(() => socket.disconnect()));
  socket.on("close", answered(() => socket.disconnect(true)));
  socket.on("ask", () => {
    socket.emit("question", (...answer) => socket.emit("answered", answer.length > 1 ? answer : answer[0] ?? null));
  });
}

server.on("connection", serve);
server.of("/chat").on("connection", serve);
server.of("/marker").on("connection", serve);
server.of("/closed").use((_, next) => next(Object.assign(new Error("no"), { data: { code: 1 } })));

http.listen(0, "127.0.0.1", () => console.log(http.address().port));
process.stdin.resume().on("end", () => process.exit());
