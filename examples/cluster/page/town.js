// The page of the town, for all three servers alike: whichever serves it is the one that it connects to.

/* global io */

const element = (id) => document.getElementById(id);

/** A new element; children are elements or texts. */
function make(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

const params = new URLSearchParams(location.search);
const name = params.get("name") ?? `Guest ${Math.floor(Math.random() * 900) + 100}`;
const socket = io("/town", { auth: { name }, transports: ["websocket"] });

let room = "garden";
let here = null;

const badge = (kind, server) => make("span", `badge ${kind.toLowerCase().replace(/\W/g, "")}`, server);

function append(className, ...children) {
  const messages = element("messages");
  const item = make("li", className, ...children);
  messages.append(item);
  messages.scrollTop = messages.scrollHeight;
}

function show(state, good) {
  element("state").textContent = state;
  element("state").dataset.good = good;
}

function choose(next) {
  room = next;
  for (const button of document.querySelectorAll("[data-room]")) {
    button.setAttribute("aria-pressed", String(button.dataset.room === room));
  }
  element("messages").replaceChildren();
}

/** Show what this server knows of the others; Node's adapter keeps no such account. */
async function showCluster() {
  if (here?.kind !== "Moongate") return;
  const { cluster } = await (await fetch("health")).json();
  const others = cluster.nodes.length;
  element("cluster").dataset.status = cluster.status;
  element("cluster").textContent =
    `${cluster.status}, with ${others || "no"} other Moongate server${others === 1 ? "" : "s"}: ` +
    `${cluster.published} messages sent, ${cluster.received} received`;
}

function lookAtCluster() {
  if (socket.connected) showCluster().catch((error) => console.warn(`The health is not known: ${error.message}`));
}

setInterval(lookAtCluster, 1000);

socket.on("connect", () => choose("garden"));
socket.on("connect_error", (error) => show(error.message, false));
socket.on("disconnect", (reason) => {
  show(reason === "io server disconnect" ? "Sent away. Reload the page to come back" : "The server is gone", false);
  element("people").replaceChildren();
  element("count").textContent = "";
  element("cluster").dataset.status = "down";
  element("cluster").textContent = "not known";
});

socket.on("welcome", (welcome) => {
  here = welcome.here;
  document.title = `${here.name}: one town, three servers`;
  element("server").textContent = here.name;
  show(`${here.kind}, as ${name}`, true);
  element("servers").replaceChildren(
    ...welcome.servers.map((place) => {
      const link = make("a", "", place.name);
      link.href = place.url;
      link.toggleAttribute("aria-current", place.name === here.name);
      return link;
    }),
  );
  element("to").replaceChildren(...welcome.servers.map((place) => make("option", "", place.name)));
  element("cluster").dataset.status = "";
  element("cluster").textContent = "Node's adapter keeps no account of it: ask the others";
  lookAtCluster();
});

socket.on("health", ({ status, reason }) => {
  if (status === "up") show(`${here.kind}, as ${name}`, true);
  else show(`Alone: the cluster is ${status}. ${reason}`, false);
  lookAtCluster();
});

socket.on("said", (said) => {
  append("said", make("p", "who", said.name, " ", badge(said.kind, said.server)), make("p", "text", said.text));
});

socket.on("notice", (text) => append("notice", text));

socket.on("people", (people) => {
  element("count").textContent = people.length;
  element("people").replaceChildren(
    ...people.map((person) => {
      const away = make("button", "away", "Send away");
      away.type = "button";
      away.setAttribute("aria-label", `Send ${person.name} away`);
      away.hidden = person.id === socket.id;
      away.addEventListener("click", () => socket.emit("send away", person.id));
      const place = make("span", "place", badge(person.kind, person.server), ` in the ${person.room}`);
      return make("li", person.id === socket.id ? "me" : "", make("span", "name", person.name), place, away);
    }),
  );
});

for (const button of document.querySelectorAll("[data-room]")) {
  button.addEventListener("click", () => {
    choose(button.dataset.room);
    socket.emit("enter", room);
  });
}

element("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = element("text").value.trim();
  if (text) socket.emit("say", { text });
  element("text").value = "";
});

element("notice").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = element("notice-text").value.trim();
  if (text) socket.emit("notice", { server: element("to").value, text });
  element("notice-text").value = "";
});
