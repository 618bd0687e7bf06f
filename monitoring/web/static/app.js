// Keeps a finished page fresh: alarms in title and icon, local times, the keyboard, what is open stays open, and a
// page that lost its server says so. Everything it adds is extra: the pages are complete without it.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);

  // Times: UTC as they were sent, or the reader's own.
  let isLocal = false;
  try { isLocal = localStorage.getItem("times") === "local"; } catch { /* a browser that keeps nothing shows UTC */ }
  const two = (number) => String(number).padStart(2, "0");
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const zoneOf = (at) => at.toLocaleTimeString("en", { timeZoneName: "short" }).split(" ").pop();
  const inForm = (at, form) => {
    const parts = {
      Y: at.getFullYear(), m: two(at.getMonth() + 1), b: MONTHS[at.getMonth()], d: two(at.getDate()),
      H: two(at.getHours()), M: two(at.getMinutes()), S: two(at.getSeconds()),
    };
    return form.replace("UTC", zoneOf(at)).replace(/%([YmbdHMS])/g, (_, name) => parts[name]);
  };
  const showTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime][data-form]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      if (!time.dataset.utc) {
        time.dataset.utc = time.textContent;
        const local = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
        time.title = `${time.title || time.dateTime}\n${local} (here)`;
      }
      time.textContent = isLocal ? inForm(at, time.dataset.form) : time.dataset.utc;
    }
  };
  const zoneSwitch = document.querySelector("[data-local-times]");
  const showZone = () => {
    byId("zone").textContent = isLocal ? `Times are local (${zoneOf(new Date())}).` : "Times are UTC.";
    zoneSwitch.textContent = isLocal ? "UTC times" : "Local times";
    zoneSwitch.setAttribute("aria-pressed", String(isLocal));
    showTimes(document);
  };
  const switchZone = () => {
    isLocal = !isLocal;
    try { localStorage.setItem("times", isLocal ? "local" : "utc"); } catch { /* as above */ }
    showZone();
  };
  zoneSwitch.addEventListener("click", switchZone);
  document.querySelector(".prefs").hidden = false;

  // Alarms: the title and the icon of a tab that nobody looks at are all that people see of it.
  const showAlarms = () => {
    const { count, icon } = byId("alarms").dataset;
    const link = document.querySelector("link[rel=icon]");
    if (link.getAttribute("href") !== icon) link.setAttribute("href", icon);
    const title = document.title.replace(/^\(\d+\) /, "");
    const wanted = count === "0" ? title : `(${count}) ${title}`;
    if (document.title !== wanted) document.title = wanted;
  };
  const isLive = () => byId("live")?.hasAttribute("hx-get");
  const look = async () => {
    try {
      const answer = await fetch(document.querySelector(".brand").href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("alarms");
      if (found) byId("alarms").replaceWith(document.adoptNode(found));
      showAlarms();
    } catch { /* a page that is not live promises nothing; the next look may succeed */ }
  };
  setInterval(() => { if (!isLive()) look(); }, 30_000);

  // What is open, and what arrived.
  let open = new Map();
  let seen = new Set();
  const remember = () => {
    open = new Map([...document.querySelectorAll("#live details[id]")].map((item) => [item.id, item.open]));
    seen = new Set([...document.querySelectorAll("#live [data-id]")].map((item) => item.dataset.id));
  };
  const restore = (isPoll) => {
    for (const item of document.querySelectorAll("#live details[id]")) {
      if (open.has(item.id)) item.open = open.get(item.id);
    }
    if (!isPoll || seen.size === 0) return;
    for (const item of document.querySelectorAll("#live [data-id]")) {
      if (!seen.has(item.dataset.id)) item.classList.add("arrived");
    }
  };

  const stale = byId("stale");
  let freshAt = new Date();
  const showStale = () => {
    stale.textContent = `No answer since ${freshAt.toLocaleTimeString()}: what you see may be out of date.`;
    stale.hidden = false;
  };
  const isPoll = (event) => event.detail.requestConfig?.triggeringEvent === undefined && event.detail.elt.id === "live";

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id !== "live") return;
    const selecting = String(document.getSelection()).length > 0;
    // A hidden tab is refreshed too, for its title, but three times less often.
    const isEarly = document.hidden && Date.now() - freshAt < 25_000;
    if (isEarly || (selecting && !document.hidden)) event.preventDefault();
  });
  document.addEventListener("htmx:configRequest", (event) => {
    for (const [name, value] of Object.entries(event.detail.parameters)) {
      if (value === "") delete event.detail.parameters[name];
    }
  });
  document.addEventListener("htmx:beforeSwap", remember);
  document.addEventListener("htmx:afterSwap", (event) => {
    restore(isPoll(event));
    unfold();
    showTimes(document);
    showAlarms();
  });
  document.addEventListener("htmx:oobAfterSwap", showAlarms);
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) {
      freshAt = new Date();
      stale.hidden = true;
    } else {
      showStale();
    }
  });
  document.addEventListener("visibilitychange", () => {
    const live = byId("live");
    if (!document.hidden && isLive()) htmx.ajax("GET", live.getAttribute("hx-get"), { source: live, target: "#live", select: "#live", swap: "outerHTML" });
  });

  // The keyboard.
  const keys = byId("keys");
  const help = () => (keys.open ? keys.close() : keys.showModal());
  for (const button of document.querySelectorAll("[data-keys]")) button.addEventListener("click", help);
  const PAGES = { o: 0, a: 1, i: 2, r: 3, w: 4 };
  let isGoing = false;
  const press = {
    "/": () => document.querySelector(".filters :is(input[type=search], select)")?.focus(),
    "?": help,
    t: switchZone,
    g: () => { isGoing = true; },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const wasGoing = isGoing;
    isGoing = false;
    if (wasGoing && event.key in PAGES) {
      document.querySelectorAll("nav[aria-label=Main] a")[PAGES[event.key]].click();
    } else if (Object.hasOwn(press, event.key)) {
      event.preventDefault();
      press[event.key]();
    }
  });

  // Where there is room for tables, no protocol is folded; what somebody folds stays folded.
  const unfold = () => {
    if (!matchMedia("(min-width: 720px)").matches) return;
    for (const item of document.querySelectorAll("details.fold")) if (!open.has(item.id)) item.open = true;
  };

  // Commands: a button that copies, where there is a script to do it.
  document.documentElement.classList.add("scripts");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const command = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch { // without https a browser copies nothing by itself: it is marked, ready for the reader's own keys
      document.getSelection().selectAllChildren(command);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });

  const openTarget = () => {
    const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  window.addEventListener("hashchange", openTarget);
  showZone();
  unfold();
  openTarget();
})();
