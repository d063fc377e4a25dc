// Keep the live list short and say whether it is live. htmx brings the rows.
"use strict";

(() => {
  const list = document.getElementById("live");
  const panel = document.getElementById("live-panel");
  const words = document.querySelector("[data-live-words]");
  const LONGEST = 40;

  const say = (isLive) => {
    panel.classList.toggle("is-live", isLive);
    words.textContent = isLive ? "Live" : "Not connected; trying again";
  };

  list.addEventListener("htmx:sse:after:connection", () => say(true));
  list.addEventListener("htmx:sse:error", () => say(false));
  list.addEventListener("htmx:sse:close", () => say(false));
  list.addEventListener("htmx:sse:after:message", () => {
    list.querySelector("[data-empty]")?.remove();
    while (list.children.length > LONGEST) list.lastElementChild.remove();
  });
})();
