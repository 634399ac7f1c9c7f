// One session of the official Engine.IO client with an echo: `node engine.mjs url path transports messages`.
// Prints one line of JSON: the numbers that came back, in order, the transports in use, and why it closed.

import { Socket } from "engine.io-client";

const [url, path, transports, total] = process.argv.slice(2);
const came = [];
const used = [];
let sent = 0;
let timer;

const socket = new Socket(url, { path, transports: transports.split(",") });
socket.binaryType = "arraybuffer";

// Every seventh message is binary; text holds more than ASCII.
const message = (number) => (number % 7 === 3 ? new Uint8Array([number >> 8, number & 255]) : `${number} €\u2028`);
const number = (data) => {
  if (typeof data === "string") return data.endsWith(" €\u2028") ? parseInt(data, 10) : data;
  const [high, low] = new Uint8Array(data);
  return (high << 8) + low;
};

socket.on("open", () => {
  used.push(socket.transport.name);
  timer = setInterval(() => {
    for (let i = 0; i < 3 && sent < total; i++) socket.send(message(sent++));
    if (sent === Number(total)) clearInterval(timer);
  }, 1);
});
socket.on("upgrade", (transport) => used.push(transport.name));
socket.on("message", (data) => {
  came.push(number(data));
  if (came.length === Number(total)) socket.close();
});
socket.on("close", (reason) => {
  clearInterval(timer);
  console.log(JSON.stringify({ came, used, reason }));
});
