// The page works without this: it asks for pieces of the same pages and puts them in place, so that nothing jumps.
"use strict";

const trusted = window.trustedTypes
  ? window.trustedTypes.createPolicy("inbox", { createHTML: (html) => html })
  : { createHTML: (html) => html };
const list = document.getElementById("list");
const message = document.getElementById("message");
const search = document.getElementById("search");
const live = document.getElementById("live");
const said = document.getElementById("said");
const stage = { width: "full", dark: false };
let asked = 0;
let listed = 0;
let late = false; // the list is behind, since a menu in it is open
let refreshed = 0; // when the list was last put in place
let aimed = 0; // when somebody last moved over the list: what they aim at stays where it is for a moment
let pressed = false;
let coming = null; // the mail that was asked for and is not there yet

// -- pieces of pages

async function piece(url, name) {
  const answer = await fetch(url, { headers: { "X-Fragment": name }, redirect: "follow" });
  if (!answer.ok) throw new Error(`${answer.status} for ${url}`);
  return trusted.createHTML(await answer.text());
}

async function show(url, { push = true } = {}) {
  const turn = ++asked;
  coming = /^\/messages\/([^/?]+)/.exec(url)?.[1] ?? null;
  select(chosen());
  message.setAttribute("aria-busy", "true"); // a large mail takes a second
  try {
    const html = await piece(url, "message");
    if (turn !== asked) return;
    const hold = grip(message);
    message.innerHTML = html;
    hold();
  } catch {
    if (turn === asked) location.assign(url);
    return;
  }
  coming = null;
  message.removeAttribute("aria-busy");
  if (push) history.pushState({}, "", url);
  document.body.classList.add("has-mail");
  message.scrollTop = 0;
  select(chosen(), { isRead: true });
  dress();
  reveal();
  title();
}

async function refreshList() {
  const url = new URL("/", location.href);
  url.search = new URLSearchParams(location.search);
  for (const name of ["view", "remote"]) url.searchParams.delete(name);
  const wanted = search.value.trim();
  if (wanted) url.searchParams.set("q", wanted);
  else url.searchParams.delete("q");
  const turn = ++listed;
  const html = await piece(url, "list");
  if (turn !== listed) return;
  if (pressed || list.querySelector(".menu[open]")) { late = true; return; }
  late = false;
  refreshed = performance.now();
  // What somebody did while this was on its way still counts: their place, their focus.
  const before = items();
  const known = new Set(before.map((item) => item.dataset.id));
  const height = (item) => item.getBoundingClientRect().top;
  const seen = list.scrollTop > 0 ? before.find((item) => height(item) >= height(list)) : null;
  const place = seen && height(seen);
  const held = list.contains(document.activeElement) ? document.activeElement : null;
  const at = before.indexOf(held?.closest(".item"));
  const made = document.createElement("template");
  made.innerHTML = html;
  settle(list, made.content);
  if (seen?.isConnected) list.scrollTop += height(seen) - place;
  if (known.size) for (const item of items()) if (!known.has(item.dataset.id)) item.classList.add("fresh");
  select(chosen(), { follow: false });
  if (held && !held.isConnected) { // its mail is deleted, or too old for this page: the one in its place gets it
    const next = at < 0 || before[at].dataset.id === chosen() ? null : items().at(Math.min(at, items().length - 1));
    (next?.querySelector("a") ?? list).focus({ preventScroll: true });
  }
}

// Makes `place` like `wanted` and keeps every element that is in both, so that a click, a focus or a selection on it goes on.
function settle(place, wanted) {
  const key = (node) => node.dataset?.id ?? node.getAttribute?.("href") ?? node.nodeName;
  const left = new Map();
  for (const node of wanted.childNodes) left.set(key(node), [...(left.get(key(node)) ?? []), node]);
  const kept = new Map();
  for (const node of [...place.childNodes]) {
    const twin = left.get(key(node))?.shift();
    if (twin) kept.set(twin, node);
    else node.remove();
  }
  let next = place.firstChild;
  for (const node of [...wanted.childNodes]) {
    const old = kept.get(node);
    if (!old) { place.insertBefore(node, next); continue; }
    if (old === next) next = next.nextSibling;
    else place.insertBefore(old, next);
    if (old.isEqualNode(node)) continue;
    if (old.nodeType !== Node.ELEMENT_NODE) { old.nodeValue = node.nodeValue; continue; }
    if (old.classList.contains("fresh")) node.classList.add("fresh");
    for (const { name } of [...old.attributes]) if (!node.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of node.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    settle(old, node);
  }
}

// Remembers which control in `place` has the focus; what it returns gives the focus to the one that replaced it.
function grip(place) {
  const name = (control) => control.dataset.view ?? control.getAttribute("aria-label")
    ?? (control.matches("summary") ? control.parentElement.className : control.textContent.trim());
  const held = document.activeElement;
  if (held === place || !place.contains(held)) return () => {};
  const wanted = held.matches(".danger") ? null : name(held); // a key held down on Delete deletes one mail
  return () => {
    const controls = [...place.querySelectorAll("a, button, summary")];
    (controls.find((control) => name(control) === wanted) ?? place).focus({ preventScroll: true });
  };
}

function items() { return [...list.querySelectorAll(".item")]; }
function opened() { return message.querySelector(".mail")?.dataset.id ?? null; }
function chosen() { return coming ?? opened(); }

function select(id, { follow = true, isRead = false } = {}) {
  for (const item of items()) {
    const is = item.dataset.id === id;
    item.classList.toggle("selected", is);
    if (is && isRead) item.classList.remove("unread");
    const link = item.querySelector("a");
    if (is) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    if (is && follow) item.scrollIntoView({ block: "nearest" });
  }
}

function title(unread) {
  if (unread !== undefined) title.unread = unread;
  const subject = message.querySelector(".mail h1")?.textContent.trim() || "Inbox";
  document.title = (title.unread ? `(${title.unread}) ` : "") + subject;
}

// The tabs may be wider than a phone: the chosen one is brought into view, and an edge that fades says that there is more.
function reveal() {
  const tabs = message.querySelector(".tabs");
  if (!tabs) return;
  tabs.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  const mark = () => {
    tabs.classList.toggle("more-left", tabs.scrollLeft > 4);
    tabs.classList.toggle("more-right", tabs.scrollLeft < tabs.scrollWidth - tabs.clientWidth - 4);
  };
  tabs.addEventListener("scroll", mark, { passive: true });
  mark();
}

// -- the stage: width and dark mode of the mail

function dress() {
  const box = message.querySelector(".stage");
  if (!box) return;
  box.dataset.width = stage.width;
  for (const button of message.querySelectorAll("[data-width][aria-pressed]"))
    button.setAttribute("aria-pressed", String(button.dataset.width === stage.width));
  const toggle = message.querySelector("[data-scheme]");
  toggle?.setAttribute("aria-pressed", String(stage.dark));
  box.classList.toggle("dark", stage.dark);
  const frame = box.querySelector("iframe");
  const url = new URL(frame.getAttribute("src"), location.href);
  url.searchParams.set("scheme", stage.dark ? "dark" : "light");
  const wanted = url.pathname + url.search;
  if (frame.getAttribute("src") !== wanted) frame.setAttribute("src", wanted);
}

// -- clicks

list.addEventListener("pointerdown", ({ button }) => { pressed = button === 0; });
list.addEventListener("pointermove", ({ buttons }) => {
  aimed = performance.now();
  if (!buttons) letGo(); // the end of a press outside of the window is told to nobody
}, { passive: true });
for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, letGo);

function letGo() {
  if (!pressed) return;
  pressed = false;
  aimed = performance.now(); // the click comes after this
  if (late) soon();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("a, button");
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  if (late && !list.querySelector(".menu[open]")) refreshList();
  if (!target) return;
  if (target.dataset.width) { stage.width = target.dataset.width; dress(); return; }
  if ("scheme" in target.dataset) { stage.dark = !stage.dark; dress(); return; }
  if (target.dataset.copy) { copy(target); return; }
  if (target.id === "theme") { theme(); return; }
  if (target.id === "notify") { choose(); return; }
  if (target.id === "help") { document.getElementById("keys").showModal(); return; }
  const plain = !event.metaKey && !event.ctrlKey && !event.shiftKey && event.button === 0;
  if (!plain || target.tagName !== "A" || target.target || target.hasAttribute("download")) return;
  const url = new URL(target.href);
  if (url.origin !== location.origin) return;
  if (/^\/(messages|previews)\/[^/]+$/.test(url.pathname)) {
    event.preventDefault();
    show(url.pathname + url.search);
  } else if (target.classList.contains("back")) {
    event.preventDefault();
    leave();
  }
});

function leave() {
  document.body.classList.remove("has-mail");
  const query = search.value.trim();
  history.pushState({}, "", query ? `/?q=${encodeURIComponent(query)}` : "/");
  refreshList();
}

async function copy(button) {
  const text = document.getElementById(button.dataset.copy);
  if (navigator.clipboard) await navigator.clipboard.writeText(text.textContent);
  else { // no secure context: an inbox that is shared under a name, over plain http
    getSelection().selectAllChildren(text);
    if (!document.execCommand("copy")) return; // it is selected, at least
  }
  const said = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = said; }, 1200);
}

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  document.cookie = `theme=${next}; path=/; max-age=31536000; samesite=strict`;
}

// -- notifications: the tab that listens tells of mail that comes while nobody looks at the page

const bell = document.getElementById("notify");
const telling = () => localStorage.getItem("notify") === "1" && Notification.permission === "granted";
let told = -Infinity;

async function choose() {
  if (telling()) localStorage.removeItem("notify");
  else if (await Notification.requestPermission() === "granted") localStorage.setItem("notify", "1");
  else bell.title = "The browser does not allow this page to tell of new mail";
  bell.setAttribute("aria-pressed", String(telling()));
}

async function notify() {
  if (!source || bell.hidden || !telling() || document.hasFocus() || performance.now() - told < 2000) return;
  told = performance.now(); // of many mails the last one is told, or none: the page has them all
  const { mails: [mail] } = await (await fetch("/api/mails?limit=1")).json();
  if (!mail) return;
  const note = new Notification(mail.subject || "(no subject)", { body: mail.from?.address ?? "", tag: "inbox" });
  note.addEventListener("click", () => { window.focus(); note.close(); show(`/messages/${mail.id}`); });
}

if (window.Notification && window.isSecureContext) {
  bell.hidden = false;
  bell.setAttribute("aria-pressed", String(telling()));
}

// -- forms: delete, unread, mark as read

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) { event.preventDefault(); return; }
  const path = new URL(form.action).pathname;
  if (!/^\/(messages\/[^/]+\/(delete|unread)|read|delete)$/.test(path)) return;
  event.preventDefault();
  await fetch(path, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
  for (const menu of document.querySelectorAll(".menu[open]")) menu.open = false;
  if (path.endsWith("/delete") && path !== "/delete") {
    const next = form.dataset.next;
    if (next) await show(`/messages/${next}${search.value.trim() ? `?q=${encodeURIComponent(search.value.trim())}` : ""}`);
    else { location.assign("/"); return; }
  } else if (path === "/delete" || path.endsWith("/unread")) {
    if (path === "/delete") { location.assign("/"); return; }
  }
  refreshList();
});

// -- previews: a choice shows at once

document.addEventListener("change", (event) => { if (event.target.matches(".fields select")) event.target.form.requestSubmit(); });

// -- search as you type

let typing;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    const url = new URL(location.href);
    const query = search.value.trim();
    if (query) url.searchParams.set("q", query);
    else url.searchParams.delete("q");
    url.searchParams.delete("start");
    history.replaceState({}, "", url);
    list.scrollTop = 0;
    refreshList();
  }, 120);
});
search.form.addEventListener("submit", (event) => { event.preventDefault(); list.querySelector(".item a")?.focus(); });

// -- keyboard

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  const typed = event.target.closest("input, textarea, select");
  if (typed && !(event.key === "Escape" && typed.closest(".menu"))) { if (event.key === "Escape") typed.blur(); return; }
  if (document.querySelector("dialog[open]")) return;
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (step && !(event.key.startsWith("Arrow") && message.contains(event.target))) {
    const all = items();
    const id = document.activeElement.closest?.(".item")?.dataset.id ?? chosen();
    const at = all.findIndex((item) => item.dataset.id === id);
    const next = all[at >= 0 ? at + step : opened() ? -1 : step > 0 ? 0 : all.length - 1];
    event.preventDefault();
    if (!next) { // the list shows one page of many: the mail knows its neighbours, the list its other pages
      const rel = step > 0 ? "next" : "prev";
      (opened() ? message : list).querySelector(`a[rel=${rel}]`)?.click();
      return;
    }
    const link = next.querySelector("a");
    link.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    if (opened()) link.click();
  } else if (event.key === "/") {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "?") {
    document.getElementById("keys").showModal();
  } else if (event.key === "Escape") {
    const menu = document.querySelector(".menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
      if (late) soon();
    } else if (opened()) leave();
  } else if (event.key === "u") {
    message.querySelector('form[action$="/unread"]')?.requestSubmit();
  } else if (event.key === "Delete" || event.key === "#") {
    if (!event.repeat) message.querySelector('form[action$="/delete"]')?.requestSubmit();
  } else if (/^[1-9]$/.test(event.key)) {
    message.querySelectorAll(".tabs a")[Number(event.key) - 1]?.click();
  }
});

window.addEventListener("popstate", () => {
  search.value = new URLSearchParams(location.search).get("q") ?? "";
  if (/^\/(messages|previews)\//.test(location.pathname)) show(location.pathname + location.search, { push: false });
  else { document.body.classList.remove("has-mail"); refreshList(); }
});

// -- live: one tab listens and tells the others, since a browser opens six connections to a host and then waits

const tabs = window.BroadcastChannel && navigator.locks ? new BroadcastChannel("inbox") : null;
let source = null; // in the tab that listens
let last = null;
let waiting = false;
let behind = false; // whether something changed since the list was asked for
let unlisted = false; // whether something was blocked that the mail's line does not tell yet
let listing = false;
let losing = null; // the timer that will say so: a moment's break is not worth a word

const hear = {
  open() {
    clearTimeout(losing);
    losing = null;
    live.classList.add("on");
    live.classList.remove("lost");
    live.textContent = "";
    hear.blocked({ id: opened() }); // what was reported before this page listened
  },
  error() {
    live.classList.remove("on");
    losing ??= setTimeout(() => { live.classList.add("lost"); live.textContent = "The inbox does not answer"; }, 1500);
  },
  change(now) {
    title(now.unread);
    if (last && now.last > last.last) {
      said.textContent = `${now.total.toLocaleString("en")} mails, ${now.unread.toLocaleString("en")} unread`;
      live.classList.remove("new");
      void live.offsetWidth;
      live.classList.add("new");
      notify();
    }
    const shown = list.querySelector(".list-head")?.dataset ?? {};
    const same = ["last", "total", "unread"].every((name) => shown[name] === String(now[name]));
    last = now;
    if (!same) soon();
  },
  async blocked({ id }) { // a mail may be kept from hundreds of loads in a moment: they are asked for together
    if (!id || id !== opened()) return;
    unlisted = true;
    if (listing) return;
    listing = true;
    try {
      while (unlisted) {
        await new Promise((done) => { setTimeout(done, 150); });
        unlisted = false;
        await listBlocked();
      }
    } finally { listing = false; }
  },
  hello() { // a tab that was opened just now
    if (source?.readyState === EventSource.OPEN) tabs.postMessage(["open"]);
    if (source && last) tabs.postMessage(["change", last]);
  },
};

async function listBlocked() {
  const box = document.getElementById("blocked");
  if (!box) return;
  const answer = await fetch(box.dataset.url);
  const html = await answer.text();
  if (!answer.ok || !box.isConnected) return;
  const open = box.querySelector("details")?.open;
  const hold = grip(box);
  box.innerHTML = trusted.createHTML(html);
  const details = box.querySelector("details");
  if (details && open) details.open = true;
  hold();
}

// The list is made anew in a moment: at once for a single mail, twice a second for a flood of them, and never under a hand.
// An inbox that takes its time is asked again only when it has answered.
function soon() {
  behind = true;
  if (waiting) return;
  waiting = true;
  const look = async () => {
    const rest = aimed + 400 - performance.now();
    if (pressed || rest > 0) { setTimeout(look, Math.max(rest, 50)); return; }
    behind = false;
    try { await refreshList(); }
    finally {
      waiting = false;
      if (behind) soon();
    }
  };
  setTimeout(look, Math.max(80, refreshed + 500 - performance.now()));
}

function tell(kind, value) {
  hear[kind](value);
  tabs?.postMessage([kind, value]);
}

function listen() {
  source = new EventSource("/events");
  for (const kind of ["open", "error"]) source.addEventListener(kind, () => tell(kind));
  for (const kind of ["change", "blocked"]) source.addEventListener(kind, (event) => tell(kind, JSON.parse(event.data)));
  window.addEventListener("pagehide", () => source.close());
  return new Promise(() => {}); // the lock is held for as long as this page lives
}

if (tabs) {
  tabs.addEventListener("message", ({ data: [kind, value] }) => hear[kind](value));
  tabs.postMessage(["hello"]);
  navigator.locks.request("inbox", listen);
} else listen(); // no secure context: an inbox that is shared under a name, over plain http

window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
select(chosen(), { isRead: true });
reveal();
