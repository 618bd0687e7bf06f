// Keeps a finished page fresh: local times on hover, what stands open stays open, a page that lost its server says so.
"use strict";
(() => {
  const localTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime()) || time.dataset.local) continue;
      time.dataset.local = "1";
      const local = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
      time.title = `${time.title || time.dateTime}\n${local} (here)`;
    }
  };

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

  const stale = document.getElementById("stale");
  let freshAt = new Date();
  const tellStale = () => {
    stale.textContent = `No answer since ${freshAt.toLocaleTimeString()}: what you see may be out of date.`;
    stale.hidden = false;
  };
  const isPoll = (event) => event.detail.requestConfig?.triggeringEvent === undefined && event.detail.elt.id === "live";

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id !== "live") return;
    const selecting = String(document.getSelection()).length > 0;
    if (document.hidden || selecting) event.preventDefault();
  });
  document.addEventListener("htmx:configRequest", (event) => {
    for (const [name, value] of Object.entries(event.detail.parameters)) {
      if (value === "") delete event.detail.parameters[name];
    }
  });
  document.addEventListener("htmx:beforeSwap", remember);
  document.addEventListener("htmx:afterSwap", (event) => {
    restore(isPoll(event));
    localTimes(document);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) {
      freshAt = new Date();
      stale.hidden = true;
    } else {
      tellStale();
    }
  });
  document.addEventListener("visibilitychange", () => {
    const live = document.getElementById("live");
    if (!document.hidden && live?.hasAttribute("hx-get")) htmx.ajax("GET", live.getAttribute("hx-get"), { source: live, target: "#live", select: "#live", swap: "outerHTML" });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const first = document.querySelector(".filters select");
    if (first) {
      event.preventDefault();
      first.focus();
    }
  });
  const openTarget = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  window.addEventListener("hashchange", openTarget);
  localTimes(document);
  openTarget();
})();
