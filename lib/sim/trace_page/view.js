// Which part of it is in view, and the colours.
const canvas = $("picture");
const pen = canvas.getContext("2d");
const gutter = 124, rulerHeight = 30, mapHeight = 46;
const hasNotes = events.some(e => e.kind === "notes" || e.what === "heal");
const top0 = rulerHeight + (hasNotes ? 40 : 6);
let width = 0, height = 0, laneHeight = 0, scroll = 0;
const view = {begin: 0, end: 1};
let chosen = null, over = null, pointerX = null, band = null;
let colours = {};
const connectionColours = new Map();

const whole = () => {
  const end = toU(lastTime) || 1;
  return {begin: -0.015 * end, end: 1.03 * end};
};
const X = t => gutter + (toU(t) - view.begin) / (view.end - view.begin) * (width - gutter);
const xOf = u => gutter + (u - view.begin) / (view.end - view.begin) * (width - gutter);
const xAt = e => xOf(uAt[e.i]), xSent = e => xOf(uSent[e.i]);
const timeAt = x => toTime(view.begin + (x - gutter) / (width - gutter) * (view.end - view.begin));
const railOf = host => top0 + (host + 0.5) * laneHeight - scroll;
const lanesBottom = () => height - mapHeight;

function setScheme(name) {
  document.documentElement.dataset.scheme = name;
  const style = getComputedStyle(document.documentElement);
  colours = {};
  for (const key of ["ground", "lane", "line", "rail", "ink", "faint", "raised", "accent", "accent-ground", "mild", "grave",
                     "pause", "note", "cut", "connection-saturation", "connection-lightness"]) {
    colours[key] = style.getPropertyValue("--" + key).trim();
  }
  connectionColours.clear();
  mapPicture = null;
  redraw();
}

// Neighbouring numbers get colours far apart; reds are left to what goes wrong.
function colourOfLink(link) {
  if (!link) return colours.faint;
  let colour = connectionColours.get(link);
  if (!colour) {
    const hue = 40 + (0.585 + (link - 1) * 0.6180339887) % 1 * 285;
    colour = `hsl(${hue.toFixed(0)} ${colours["connection-saturation"]} ${colours["connection-lightness"]})`;
    connectionColours.set(link, colour);
  }
  return colour;
}
function colourOf(e) {
  if (e.what === "note" || e.what === "personality" || e.what === "heal" || e.what === "mend" || e.what === "restart") return colours.note;
  if (e.what === "pause") return colours.pause;
  if (e.what === "fault") return e.grave ? colours.grave : colours.mild;
  if (e.grave && !e.link) return colours.grave;
  return colourOfLink(e.link);
}

let mapPicture = null, asked = false;
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; step(); draw(); });
}

// Moves of the view, drawn out over a moment.
let move = null;
const still = matchMedia("(prefers-reduced-motion: reduce)");
function clampView(v) {
  const all = whole(), most = all.end - all.begin, least = squeezed ? usualGap / 1000 : 50;
  let size = Math.min(most, Math.max(least, v.end - v.begin));
  let middle = (v.begin + v.end) / 2;
  let begin = Math.min(Math.max(middle - size / 2, all.begin), all.end - size);
  return {begin, end: begin + size};
}
function setView(v, slowly = false) {
  v = clampView(v);
  if (slowly && !still.matches) {
    move = {from: {...view}, to: v, since: performance.now()};
  } else {
    move = null;
    Object.assign(view, v);
  }
  viewChanged();
  redraw();
}
function step() {
  if (!move) return;
  const part = Math.min(1, (performance.now() - move.since) / 220), eased = 1 - (1 - part) ** 3;
  // Sizes change by a factor, so that zooming is as fast at its beginning as at its end.
  const sizes = [move.from, move.to].map(v => v.end - v.begin), ratio = sizes[1] / sizes[0];
  const size = sizes[0] * ratio ** eased;
  const grown = Math.abs(ratio - 1) < 1e-6 ? eased : (size - sizes[0]) / (sizes[1] - sizes[0]);
  view.begin = move.from.begin + (move.to.begin - move.from.begin) * grown;
  view.end = view.begin + size;
  if (part >= 1) { Object.assign(view, move.to); move = null; }
  viewChanged();
  if (move) redraw();
}
const target = () => move ? move.to : view;
function zoom(factor, x = (gutter + width) / 2, slowly = false) {
  const v = target(), part = Math.min(1, Math.max(0, (x - gutter) / (width - gutter)));
  const fixed = v.begin + part * (v.end - v.begin), size = (v.end - v.begin) / factor;
  setView({begin: fixed - part * size, end: fixed + (1 - part) * size}, slowly);
}
function pan(pixels, slowly = false) {
  const v = target(), by = pixels * (v.end - v.begin) / (width - gutter);
  setView({begin: v.begin + by, end: v.end + by}, slowly);
}
const fit = () => setView(whole(), true);
function scrollLanes(by) {
  scroll = Math.max(0, Math.min(scroll + by, hosts.length * laneHeight - (lanesBottom() - top0)));
  redraw();
}
function squeeze(on) {
  const begin = toTime(view.begin), end = toTime(view.end), everything = view.end - view.begin > 0.98 * (whole().end - whole().begin);
  squeezed = on;
  placeEvents();
  $("squeeze").setAttribute("aria-pressed", on);
  mapPicture = null;
  setView(everything ? whole() : {begin: toU(begin), end: toU(end)});
}
// The event in the middle, with so much around it that its packet and its neighbours are in view.
function show(e, closely = false) {
  const begin = toU(e.arrow ? e.sent : e.at), end = toU(e.at), v = target();
  if (closely) {
    const near = Math.max(end - begin, (toU(events[Math.min(e.i + 6, events.length - 1)].at) - toU(events[Math.max(e.i - 6, 0)].at)) / 2,
                          squeezed ? usualGap : 1000);
    setView({begin: (begin + end) / 2 - near, end: (begin + end) / 2 + near}, true);
  } else if (begin < v.begin || end > v.end) {
    const size = v.end - v.begin;
    setView({begin: (begin + end - size) / 2, end: (begin + end + size) / 2}, true);
  }
  if (e.place >= 0) {
    const y = railOf(e.place);
    if (y < top0 + 10) scrollLanes(y - top0 - laneHeight);
    if (y > lanesBottom() - 10) scrollLanes(y - lanesBottom() + laneHeight);
  }
}
function resize() {
  const box = $("stage").getBoundingClientRect(), ratio = devicePixelRatio || 1;
  width = box.width; height = box.height;
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const room = lanesBottom() - top0;
  laneHeight = Math.max(64, Math.min(230, room / Math.max(1, hosts.length)));
  mapPicture = null;
  scrollLanes(0);
  redraw();
}
