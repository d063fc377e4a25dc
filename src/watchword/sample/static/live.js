// Follow the feed over a WebSocket or as server-sent events, and say at once when it ends.
"use strict";

const state = document.getElementById("state");
const log = document.getElementById("log");
const form = document.getElementById("say");

function show(words, tone) {
  state.textContent = words;
  state.dataset.tone = tone;
}

function receive(text) {
  const message = JSON.parse(text);
  if (message.kind === "beat") {
    state.dataset.beat = message.beat;
    state.dataset.tone = message.beat % 2 ? "open" : "open beat";
    return;
  }
  const line = document.createElement("li");
  const at = document.createElement("time");
  const who = document.createElement("strong");
  at.textContent = message.at;
  who.textContent = message.who;
  line.append(at, " ", who, " ", message.what);
  log.prepend(line);
  while (log.children.length > 50) log.lastElementChild.remove();
}

function ended() {
  show("Cut. The stream has ended; reload the page to find out whether you may still come in.", "cut");
  if (form) form.hidden = true;
}

if (state.dataset.stream === "ws") {
  const socket = new WebSocket(`wss://${location.host}/ws`);
  socket.addEventListener("open", () => {
    show("Connected. The light beats once a second.", "open");
    form.hidden = false;
  });
  socket.addEventListener("message", (event) => receive(event.data));
  socket.addEventListener("close", ended);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    socket.send(form.elements.text.value);
    form.reset();
    form.elements.text.focus();
  });
} else {
  const source = new EventSource("/events");
  source.addEventListener("open", () => show("Connected. The light beats once a second.", "open"));
  source.addEventListener("message", (event) => receive(event.data));
  source.addEventListener("error", () => {
    source.close();
    ended();
  });
}
