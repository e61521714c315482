// The list beside the picture, and what the mouse, the keys and the buttons do.
// Everything that comes from the trace is put into the page as text nodes.
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
function fieldList(e) {
  const list = element("dl", "fields");
  for (const [name, value] of fields(e)) list.append(element("dt", "", name), element("dd", name === "text" ? "text" : "", value));
  return list;
}

const list = $("list"), rowHeight = 24;
let scrolledByPicture = 0;
function fillList() {
  const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - 4);
  const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + 4);
  const begin = timeAt(gutter), end = timeAt(width), made = [];
  for (let n = first; n < last; ++n) {
    const e = shown[n], row = element("div", "row");
    row.style.top = n * rowHeight + "px";
    row.dataset.event = e.i;
    row.setAttribute("role", "option");
    if (e.at >= begin && e.at <= end) row.classList.add("visible");
    if (e === over) row.classList.add("over");
    if (e === chosen) { row.classList.add("chosen"); row.setAttribute("aria-selected", "true"); }
    if (e.grave) row.classList.add("grave");
    if (e.mild) row.classList.add("mild");
    const dot = element("span", "dot");
    dot.style.setProperty("--colour", colourOf(e));
    row.append(element("time", "", seconds(e.at, 6)), dot, element("span", "what", called(e)), element("span", "rest", sentence(e)));
    made.push(row);
  }
  $("rows").style.height = shown.length * rowHeight + "px";
  $("rows").replaceChildren(...made);
}
let listAsked = false;
function refreshList() {
  if (listAsked) return;
  listAsked = true;
  requestAnimationFrame(() => { listAsked = false; fillList(); });
}
function scrollListTo(n, centred) {
  const topRow = list.scrollTop / rowHeight, rowsThere = list.clientHeight / rowHeight;
  if (centred && n >= topRow && n < topRow + rowsThere - 1) return;
  scrolledByPicture = performance.now();
  list.scrollTop = (centred ? n - rowsThere / 2 : n) * rowHeight;
}

let hashTimer = 0;
function viewChanged() {
  const begin = timeAt(gutter), end = timeAt(width);
  const first = firstFrom(shown, begin, e => e.at), last = firstFrom(shown, end, e => e.at);
  $("found").textContent = plural(shown.length, "event") + (shown.length < events.length ? " of " + count(events.length) : "") + ", " + count(Math.max(0, last - first)) + " in view";
  if (!chosen || chosen.at < begin || chosen.at > end) scrollListTo(first, false);
  refreshList();
  clearTimeout(hashTimer);
  hashTimer = setTimeout(writeAddress, 300);
}

// The address says what is in view, so that it can be handed on.
function writeAddress() {
  const parts = new URLSearchParams();
  parts.set("t", (timeAt(gutter) / 1e9).toFixed(9) + ".." + (timeAt(width) / 1e9).toFixed(9));
  if (squeezed) parts.set("squeezed", "1");
  if (chosen) parts.set("event", chosen.i);
  if ($("find").value) parts.set("find", $("find").value);
  if (switchedOff.size) parts.set("off", [...switchedOff].join(" "));
  try { history.replaceState(null, "", "#" + parts); } catch { /* some browsers refuse this for files */ }
}
function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  if (parts.has("off")) for (const kind of parts.get("off").split(" ")) switchedOff.add(kind);
  $("find").value = parts.get("find") || "";
  squeezed = parts.has("t") ? parts.has("squeezed") : wantsSqueezing(width - gutter);
  $("squeeze").setAttribute("aria-pressed", squeezed);
  placeEvents();
  Object.assign(view, whole());
  const [, begin, end] = /^(-?[\d.]+?)\.\.(-?[\d.]+)$/.exec(parts.get("t") || "") || [];
  if (end) Object.assign(view, clampView({begin: toU(begin * 1e9), end: toU(end * 1e9)}));
  return events[parts.get("event") ?? -1] || null;
}

function choose(e, closely = false) {
  chosen = e;
  const box = $("detail");
  box.hidden = !e;
  if (e) {
    const buttons = element("div", "buttons");
    const button = (text, action) => {
      const made = element("button", "", text);
      made.addEventListener("click", action);
      buttons.append(made);
    };
    button("Zoom to it", () => show(e, true));
    if (e.link) button("Only connection #" + e.link, () => find("link:" + e.link));
    if (e.place >= 0) button("Only " + hostName(e.place), () => find("host:\"" + hostName(e.place) + "\""));
    box.replaceChildren(element("b", "", called(e)), fieldList(e), buttons);
    scrollListTo(firstFrom(shown, e.i, x => x.i), true);
    show(e, closely);
  }
  refreshList();
  redraw();
  clearTimeout(hashTimer);
  hashTimer = setTimeout(writeAddress, 300);
}
function hover(e, x, y) {
  const tip = $("tip");
  canvas.classList.toggle("over", Boolean(e));
  if (e !== over) {
    over = e;
    refreshList();
  }
  redraw();
  tip.hidden = !e || x === undefined;
  if (tip.hidden) return;
  tip.replaceChildren(element("b", "", called(e)), fieldList(e));
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(x + 16, innerWidth - box.width - 8)) + "px";
  tip.style.top = Math.max(4, y + 18 + box.height > innerHeight ? y - box.height - 12 : y + 18) + "px";
}
function refilter() {
  filter($("find").value);
  mapPicture = null;
  $("rows").style.height = shown.length * rowHeight + "px";
  for (const label of $("kinds").children) {
    label.classList.toggle("off", switchedOff.has(label.dataset.kind));
    label.firstChild.checked = !switchedOff.has(label.dataset.kind);
  }
  viewChanged();
  redraw();
}
function find(question) {
  $("find").value = question;
  refilter();
}
// The next or the previous one of those that match.
function walk(by, wanted = () => true) {
  const middle = (timeAt(gutter) + timeAt(width)) / 2;
  let n = chosen ? firstFrom(shown, chosen.i, e => e.i) : firstFrom(shown, middle, e => e.at) - (by > 0 ? 1 : 0);
  if (chosen && by > 0 && !(shown[n] === chosen)) --n;
  for (n += by; n >= 0 && n < shown.length; n += by) {
    if (wanted(shown[n])) { choose(shown[n]); return; }
  }
}

// The mouse, and fingers.
const held = new Map();
let dragged = 0, onMap = false, pinch = 0;
const place = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
function moveMap(x) {
  const all = whole(), u = all.begin + (x - gutter) / (width - gutter) * (all.end - all.begin), size = view.end - view.begin;
  setView({begin: u - size / 2, end: u + size / 2});
}
canvas.addEventListener("pointerdown", event => {
  const [x, y] = place(event);
  canvas.setPointerCapture(event.pointerId);
  held.set(event.pointerId, [x, y]);
  dragged = 0;
  onMap = y > lanesBottom();
  band = event.shiftKey && !onMap ? [x, x] : null;
  if (onMap) moveMap(x);
});
canvas.addEventListener("pointermove", event => {
  const [x, y] = place(event), before = held.get(event.pointerId);
  pointerX = y < lanesBottom() ? x : null;
  if (!before) { hover(eventAt(x, y), event.clientX, event.clientY); return; }
  held.set(event.pointerId, [x, y]);
  dragged += Math.abs(x - before[0]) + Math.abs(y - before[1]);
  if (held.size === 2) {
    const [a, b] = [...held.values()], now = Math.hypot(a[0] - b[0], a[1] - b[1]);
    if (pinch) zoom(now / pinch, (a[0] + b[0]) / 2);
    pinch = now;
  } else if (onMap) {
    moveMap(x);
  } else if (band) {
    band[1] = x;
    redraw();
  } else if (dragged > 3) {
    canvas.classList.add("held");
    $("tip").hidden = true;
    pan(before[0] - x);
    scrollLanes(before[1] - y);
  }
});
function letGo(event) {
  const [x, y] = place(event);
  if (!held.delete(event.pointerId)) return;
  pinch = 0;
  canvas.classList.remove("held");
  if (band) {
    const [a, b] = [Math.min(...band), Math.max(...band)].map(at => toU(timeAt(Math.max(gutter, at))));
    const wide = Math.abs(band[1] - band[0]) > 6;
    band = null;
    if (wide) setView({begin: a, end: b}, true);
    redraw();
  } else if (dragged <= 3 && !onMap && event.type === "pointerup") {
    choose(eventAt(x, y));
  }
}
canvas.addEventListener("pointerup", letGo);
canvas.addEventListener("pointercancel", letGo);
canvas.addEventListener("pointerleave", () => { pointerX = null; hover(null); });
canvas.addEventListener("dblclick", event => zoom(4, place(event)[0], true));
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const [x] = place(event), unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? height : 1;
  const dx = event.deltaX * unit, dy = event.deltaY * unit;
  if (x < gutter && !event.ctrlKey) scrollLanes(dy);
  else if (event.shiftKey || Math.abs(dx) > Math.abs(dy)) pan(dx || dy);
  else zoom(Math.exp(-dy * (event.ctrlKey ? 0.01 : 0.0022)), x);
}, {passive: false});

// The list.
list.addEventListener("scroll", refreshList);
const rowEvent = event => { const row = event.target.closest(".row"); return row ? events[row.dataset.event] : null; };
list.addEventListener("click", event => { const e = rowEvent(event); if (e) choose(e); });
list.addEventListener("dblclick", event => { const e = rowEvent(event); if (e) choose(e, true); });
list.addEventListener("pointermove", event => { const e = rowEvent(event); if (e !== over) hover(e); });
list.addEventListener("pointerleave", () => hover(null));
$("splitter").addEventListener("pointerdown", event => {
  const splitter = $("splitter"), aside = document.querySelector("aside");
  splitter.setPointerCapture(event.pointerId);
  const drag = moved => { aside.style.width = Math.max(180, Math.min(innerWidth - 300, innerWidth - moved.clientX)) + "px"; };
  splitter.addEventListener("pointermove", drag);
  splitter.addEventListener("lostpointercapture", () => splitter.removeEventListener("pointermove", drag), {once: true});
});

// The buttons and the keys.
function toggleScheme() { setScheme(document.documentElement.dataset.scheme === "dark" ? "light" : "dark"); refreshList(); }
function togglePanel() {
  const alone = document.body.classList.toggle("alone");
  $("panel").setAttribute("aria-pressed", !alone);
}
function savePicture() {
  pointerX = null;
  draw();
  canvas.toBlob(blob => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = document.title.replace(/[^\w.-]+/g, "-") + ".png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
const actions = {
  in: () => zoom(2, undefined, true), out: () => zoom(0.5, undefined, true), fit, squeeze: () => squeeze(!squeezed),
  save: savePicture, panel: togglePanel, scheme: toggleScheme, keys: () => $("help").showModal(),
};
for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", () => { action(); canvas.focus(); });
const isFault = e => e.kind === "faults" || e.grave;
const keys = {
  "+": actions.in, "=": actions.in, "-": actions.out, f: fit, 0: fit, s: actions.squeeze, t: toggleScheme, l: togglePanel, p: savePicture,
  "?": actions.keys, ArrowLeft: () => pan(-(width - gutter) / 5, true), ArrowRight: () => pan((width - gutter) / 5, true),
  ArrowUp: () => scrollLanes(-laneHeight / 2), ArrowDown: () => scrollLanes(laneHeight / 2),
  Home: () => { const v = target(); setView({begin: whole().begin, end: whole().begin + v.end - v.begin}, true); },
  End: () => { const v = target(); setView({begin: whole().end - v.end + v.begin, end: whole().end}, true); },
  j: () => walk(1), k: () => walk(-1), n: () => walk(1, isFault), b: () => walk(-1, isFault),
  Enter: () => chosen && show(chosen, true), Escape: () => { if (chosen) choose(null); else if ($("find").value) find(""); },
  "/": () => $("find").focus(),
};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (event.target === $("find")) {
    if (event.key === "Escape" || event.key === "Enter") { canvas.focus(); event.preventDefault(); }
    return;
  }
  if (event.key === "Enter" && event.target.tagName === "BUTTON") return;
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
$("find").addEventListener("input", refilter);

// The switches, one for each kind of event that there is.
const switchColours = {data: "var(--accent)", connections: "var(--faint)", faults: "var(--mild)", hosts: "var(--grave)", notes: "var(--note)", other: "var(--faint)"};
for (const kind of Object.keys(kindNames)) {
  const many = events.filter(e => e.kind === kind).length;
  if (!many) continue;
  const label = element("label"), box = element("input"), dot = element("span", "dot");
  box.type = "checkbox";
  box.checked = true;
  dot.style.setProperty("--colour", switchColours[kind]);
  label.dataset.kind = kind;
  label.append(box, dot, kindNames[kind], element("span", "count", count(many)));
  box.addEventListener("change", () => {
    if (box.checked) switchedOff.delete(kind); else switchedOff.add(kind);
    refilter();
  });
  $("kinds").append(label);
}
{
  const faults = events.filter(e => e.what === "fault").length, links = new Set(events.map(e => e.link).filter(Boolean)).size;
  $("summary").textContent = [plural(hosts.length, "host"), plural(links, "connection"), plural(events.length, "event"),
                              faults ? plural(faults, "fault") : "", lastTime ? span(lastTime) + " of virtual time" : ""].filter(Boolean).join(" \u00b7 ");
}

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => { setScheme(dark.matches ? "dark" : "light"); refreshList(); });
width = $("stage").getBoundingClientRect().width;
const first = readAddress();
filter($("find").value);
resize();
setScheme(dark.matches ? "dark" : "light");
refilter();
if (first) choose(first);
new ResizeObserver(() => { resize(); refreshList(); }).observe($("stage"));
canvas.focus({preventScroll: true});
