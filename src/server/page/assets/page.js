// Keeps a view up to date, says when the server can't be reached, and asks before what can't be undone.
// Without it every view works all the same.
"use strict";

const REFRESH_AFTER = 15000;
const events = document.body.dataset.events;
const banner = document.getElementById("connection");
let refreshing = false;
let wanted = false;

// What the visitor opened, ticked or typed stays as it is.
const KEPT = new Set(["open", "checked", "value"]);
const morphing = {
  morphStyle: "outerHTML",
  ignoreActiveValue: true,
  callbacks: {
    beforeAttributeUpdated: (name, node) => !(KEPT.has(name) && node.matches("details, input, select, textarea")),
  },
};

function connected(isConnected) {
  if (banner) banner.hidden = isConnected;
}

// How the view follows the server: at each of its changes; `slow`, now and then, as it costs the server more; or
// `done`, as nothing of it will change.
function follows() {
  const live = document.getElementById("live");
  return live ? (live.dataset.follow ?? "changes") : "done";
}

async function refresh() {
  if (document.hidden) return;
  if (refreshing) {
    wanted = true;
    return;
  }
  refreshing = true;
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (response.redirected) {
      location.assign(response.url);
      return;
    }
    connected(true);
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const [live, now] = [document, page].map((one) => one.getElementById("live"));
    if (live && now) Idiomorph.morph(live, now, morphing);
  } catch {
    connected(false);
  } finally {
    refreshing = false;
    if (wanted) {
      wanted = false;
      setTimeout(refresh, 300);
    }
  }
}

function listen() {
  const source = new EventSource(events);
  source.onopen = () => connected(true);
  // One comes at once: between the view and it something may have changed.
  source.addEventListener("changed", () => follows() === "changes" && refresh());
  source.onerror = () => {
    connected(false);
    // Refused for good (logged out, or the server is on its way up): ask again as a page would.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => {
        listen();
        refresh();
      }, 2000);
    }
  };
  addEventListener("pagehide", () => source.close(), { once: true });
}

if (events) {
  listen();
  const look = () => follows() !== "done" && refresh();
  setInterval(look, REFRESH_AFTER);
  document.addEventListener("visibilitychange", look);
}

document.addEventListener("submit", (event) => {
  const asked = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (asked && !confirm(asked)) event.preventDefault();
});

// A box `data-all="name"` ticks all of that name.
document.addEventListener("change", (event) => {
  const all = event.target.dataset?.all;
  if (!all) return;
  for (const box of document.querySelectorAll(`input[name="${CSS.escape(all)}"]`)) box.checked = event.target.checked;
});

// A key that an element names in `data-key` leads to it.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!target) return;
  event.preventDefault();
  target.focus();
});
