// Node's `ws`, sending every message back: what our frames are compared with (tests/conformance/test_against_ws.py).
//
// The only argument is the options of its server as JSON. One line on stdout is the port; it ends when stdin does.

import { WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...JSON.parse(process.argv[2] ?? "{}") });

server.on("connection", (client) => {
  client.on("message", (data, isBinary) => client.send(data, { binary: isBinary }));
  client.on("error", () => {}); // the close code says it
});
server.on("listening", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
