// The picture.
const sans = size => `${size}px ui-sans-serif, system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif`;
const bold = size => "600 " + sans(size);
let hits = [];  // what was drawn, and where

function inView() {
  const begin = timeAt(gutter - 30), end = timeAt(width + 30), found = {arrow: [], mark: [], fault: [], flag: [], none: []};
  for (let i = firstFrom(events, begin, e => e.at); i < events.length && earliest[i] <= end; ++i) {
    const e = events[i];
    if ((e.arrow ? e.sent : e.at) <= end) found[e.sign].push(e);
  }
  return found;
}
// Whether it stands back: something else was asked for.
const isBack = e => !isShown[e.i] || Boolean(chosen && chosen.link && e.link !== chosen.link && e.place >= 0);

function halo(text, x, y, colour) {
  pen.lineWidth = 3.5;
  pen.lineJoin = "round";
  pen.strokeStyle = colours.ground;
  pen.strokeText(text, x, y);
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}
function shorten(text, most) { return text.length <= most ? text : text.slice(0, most - 1) + "\u2026"; }

// Places for labels: rows, in which none touches another.
class rows {
  constructor(most) { this.taken = Array.from({length: most}, () => []); }
  place(begin, end) {
    for (let row = 0; row < this.taken.length; ++row) {
      if (this.taken[row].every(([a, b]) => end < a || begin > b)) {
        this.taken[row].push([begin, end]);
        return row;
      }
    }
    return -1;
  }
}

const hatches = new Map();
function hatch(colour) {
  let pattern = hatches.get(colour);
  if (!pattern) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const p = tile.getContext("2d");
    p.strokeStyle = colour;
    p.lineWidth = 1.4;
    p.beginPath();
    for (const x of [-8, 0, 8]) { p.moveTo(x, 8); p.lineTo(x + 8, 0); }
    p.stroke();
    pattern = pen.createPattern(tile, "repeat");
    hatches.set(colour, pattern);
  }
  return pattern;
}
function shade(x, y, w, h, colour, strength = 1) {
  pen.globalAlpha = 0.09 * strength;
  pen.fillStyle = colour;
  pen.fillRect(x, y, w, h);
  pen.globalAlpha = 0.28 * strength;
  pen.fillStyle = hatch(colour);
  pen.fillRect(x, y, w, h);
  pen.globalAlpha = 0.7 * strength;
  pen.fillStyle = colour;
  pen.fillRect(x, y, 1, h);
  pen.fillRect(x + w - 1, y, 1, h);
  pen.globalAlpha = 1;
}

function drawLanes(ticks) {
  hosts.forEach((h, i) => {
    const y = railOf(i);
    if (i % 2 === 0) {
      pen.fillStyle = colours.lane;
      pen.fillRect(0, y - laneHeight / 2, width, laneHeight);
    }
  });
  drawGaps();
  pen.fillStyle = colours.line;
  for (const [x] of ticks) pen.fillRect(Math.round(x), rulerHeight, 1, lanesBottom() - rulerHeight);
  hosts.forEach((h, i) => {
    const y = railOf(i);
    pen.strokeStyle = colours.rail;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(Math.max(gutter, X(0)), y);
    pen.lineTo(Math.min(width, X(lastTime) + 12), y);
    pen.stroke();
  });
}

// In a squeezed axis, where time was left out: how much.
function drawGaps() {
  if (!squeezed) return;
  const places = new rows(1);
  const first = Math.max(1, firstFrom(squeezedMoments, view.begin)), last = firstFrom(squeezedMoments, view.end);
  const pixel = (view.end - view.begin) / (width - gutter);
  if (last - first > 4000) return;
  for (let i = first; i <= last && i < moments.length; ++i) {
    const gap = moments[i] - moments[i - 1];
    if (gap < usualGap * 4 || (squeezedMoments[i] - squeezedMoments[i - 1]) / pixel < 12) continue;
    const x0 = Math.max(gutter, X(moments[i - 1])), x1 = Math.min(width, X(moments[i]));
    pen.globalAlpha = 0.35;
    pen.fillStyle = colours.line;
    pen.fillRect(x0 + 3, top0, x1 - x0 - 6, lanesBottom() - top0);
    pen.globalAlpha = 1;
    const text = span(gap);
    pen.font = sans(10);
    const w = pen.measureText(text).width;
    const x = (x0 + x1) / 2;
    if (w + 4 > x1 - x0 || places.place(x - w / 2, x + w / 2) < 0) continue;
    pen.textAlign = "center";
    halo(text, x, lanesBottom() - 7, colours.faint);
    pen.textAlign = "left";
  }
}

function drawSpans() {
  const places = new rows(5);
  for (const s of spans) {
    const x0 = Math.max(gutter, X(s.begin)), x1 = Math.min(width, s.end === Infinity ? Math.max(X(lastTime) + 12, x0) : X(s.end));
    if (x1 < gutter || x0 > width || x1 < x0) continue;
    const w = Math.max(2, x1 - x0), strength = isShown[s.e.i] ? 1 : 0.25;
    let y, h, text, colour;
    if (s.kind === "cut") {
      if (s.host < 0 || s.to < 0) continue;
      const a = railOf(s.host), b = railOf(s.to);
      y = Math.min(a, b) + 9;
      h = Math.max(6, Math.abs(a - b) - 18);
      colour = colours.cut;
      text = "cut " + hostName(s.host) + (s.both ? " \u2194 " : " \u2192 ") + hostName(s.to);
      shade(x0, y, w, h, colour, 0.55 * strength);
    } else {
      const isDown = s.kind === "down";
      colour = isDown ? colours.grave : colours.pause;
      y = railOf(s.host) - laneHeight * 0.3;
      h = laneHeight * 0.6;
      text = isDown ? "down" : "paused " + span(s.end - s.begin);
      shade(x0, y, w, h, colour, strength);
      if (isDown) {  // its rail ends here, and begins anew
        pen.fillStyle = colours.ground;
        pen.fillRect(x0 + 1, railOf(s.host) - 1.5, w - 2, 3);
      }
    }
    pen.font = bold(11);
    const room = pen.measureText(text).width + 12;
    if (room < w) halo(text, x0 + 6, s.kind === "cut" ? y + laneHeight / 2 - 5 + 14 * Math.max(0, places.place(x0, x0 + room)) : y + h - 6, colour);
    hits.push({e: s.e, box: [x0, y, x0 + w, y + h]});
  }
}

function arrowHead(x0, y0, x1, y1, size) {
  const a = Math.atan2(y1 - y0, x1 - x0), spread = 0.42;
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x1 - size * Math.cos(a - spread), y1 - size * Math.sin(a - spread));
  pen.lineTo(x1 - size * Math.cos(a + spread), y1 - size * Math.sin(a + spread));
  pen.closePath();
  pen.fill();
}
function cross(x, y, size) {
  pen.beginPath();
  pen.moveTo(x - size, y - size); pen.lineTo(x + size, y + size);
  pen.moveTo(x - size, y + size); pen.lineTo(x + size, y - size);
  pen.stroke();
}

const dashes = {connect: [5, 3], connected: [5, 3], refuse: [5, 3], refused: [2, 3], end: [1.5, 3]};
// A few packets that would be drawn on top of each other, for they take no time on this scale, stand side by side.
const asides = new Map();
function standAside(arrows) {
  asides.clear();
  if (arrows.length > 60) return;
  let last = -Infinity;
  for (const e of arrows) {
    const x = xAt(e), by = Math.max(0, last + 7 - x);
    if (x - xSent(e) > 2 || by > 35) continue;
    asides.set(e, by);
    last = x + by;
  }
}
function arrowOf(e) {
  const aside = asides.get(e) || 0, x0 = xSent(e) + aside, x1 = xAt(e) + aside;
  if (e.from === e.to) return {x0, x1, y0: railOf(e.from) + 4, y1: railOf(e.to) + 4, own: true};
  const down = railOf(e.to) > railOf(e.from) ? 1 : -1;
  return {x0, x1, y0: railOf(e.from) + 4 * down, y1: railOf(e.to) - 5 * down};
}
function drawArrow(e, crowd) {
  const {x0, x1, y0, y1, own} = arrowOf(e);
  const special = e === chosen || e === over, colour = colourOf(e);
  pen.strokeStyle = pen.fillStyle = colour;
  if (crowd > 1500 && !special && !own && x1 - x0 < 1.5) {  // what is drawn thousands of times is drawn in the fastest way
    pen.fillRect(Math.round(x1), Math.min(y0, y1), 1, Math.abs(y1 - y0));
    hits.push({e, line: [x0, y0, x1, y1]});
    return;
  }
  pen.lineWidth = special ? 3 : e.what === "arrive" ? 1.5 : 1.2;
  pen.setLineDash(crowd > 600 && !special ? [] : dashes[e.what] || []);
  pen.beginPath();
  pen.moveTo(x0, y0);
  if (own) {
    const dip = Math.min(laneHeight * 0.35, 12 + (x1 - x0) * 0.15);
    pen.bezierCurveTo(x0 + (x1 - x0) * 0.1 - 3, y0 + dip, x1 - (x1 - x0) * 0.1 + 3, y0 + dip, x1, y1);
  } else {
    pen.lineTo(x1, y1);
  }
  pen.stroke();
  pen.setLineDash([]);
  if (crowd <= 1500 || special) {
    const bad = e.what === "reset" || e.what === "refused" || e.what === "refuse" || e.what === "drop";
    if (bad) {
      pen.strokeStyle = colours.grave;
      pen.lineWidth = 2;
      cross(x1, y1, special ? 5 : 4);
    } else if (own) {
      arrowHead(x1 + 2, y1 + 12, x1, y1, special ? 10 : 7);
    } else {
      arrowHead(x0, y0, x1, y1, special ? 11 : 8);
    }
  }
  if (!own) hits.push({e, line: [x0, y0, x1, y1]});
  else hits.push({e, point: [(x0 + x1) / 2, y0 + 10], radius: Math.max(6, Math.min(20, (x1 - x0) / 2))});
}

// What a packet carries, along its arrow.
function drawArrowLabels(arrows) {
  const taken = [];
  pen.font = sans(10.5);
  for (const e of arrows) {
    if (isBack(e)) continue;
    const {x0, y0, x1, y1, own} = arrowOf(e), length = Math.hypot(x1 - x0, y1 - y0), most = Math.min(26, Math.floor((length - 26) / 6.2));
    if (own || most < 3) continue;
    const text = shorten(e.what !== "arrive" ? called(e) : e.text ? quoted(e.text.replace(/(\\[rn])+$/, "")) : amount(e.bytes), most);
    const w = pen.measureText(text).width;
    if (length < w + 20) continue;
    const angle = Math.atan2(y1 - y0, x1 - x0);
    for (const part of [0.5, 0.36, 0.64]) {
      const x = x0 + (x1 - x0) * part, y = y0 + (y1 - y0) * part;
      if (x < gutter - 20 || x > width || part * length < w / 2 + 8 || (1 - part) * length < w / 2 + 12) continue;
      const points = [];
      for (let i = -2; i <= 2; ++i) points.push([x + Math.cos(angle) * w * i / 4, y + Math.sin(angle) * w * i / 4]);
      if (points.some(([a, b]) => taken.some(([c, d]) => Math.abs(a - c) < 15 && Math.abs(b - d) < 15))) continue;
      taken.push(...points);
      pen.save();
      pen.translate(x, y);
      pen.rotate(Math.abs(angle) > Math.PI / 2 ? angle + Math.PI : angle);
      pen.textAlign = "center";
      halo(text, 0, -4, e.grave ? colours.grave : colourOf(e));
      pen.restore();
      break;
    }
  }
}

function draw() {
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, width, height);
  hits = [];
  const found = inView();
  pen.save();
  pen.beginPath();
  pen.rect(0, 0, width, lanesBottom());
  pen.clip();
  const ticks = findTicks();
  drawLanes(ticks);
  drawSpans();
  const arrows = found.arrow, distinct = [];
  // Many arrows fall on the same pixels: each place is drawn once, and in a crowd each column.
  const places = new Set(), steep = new Uint8Array(arrows.length > 1500 ? 2 * hosts.length ** 2 * (Math.ceil(width) + 60) : 0);
  for (const e of arrows) {
    const x = xAt(e);
    if (steep.length && x - xSent(e) < 2) {
      const column = (((Math.round(x) + 30) * hosts.length + e.from) * hosts.length + e.to) * 2 + (isBack(e) ? 0 : 1);
      if (!steep[column] || e === chosen || e === over) {
        steep[column] = 1;
        distinct.push(e);
      }
      continue;
    }
    const key = Math.round(xSent(e)) + " " + Math.round(xAt(e)) + " " + e.from + " " + e.to + " " + e.link + e.what + isBack(e);
    if ((arrows.length > 300 || isBack(e)) && places.has(key) && e !== chosen && e !== over) continue;
    places.add(key);
    distinct.push(e);
  }
  standAside(distinct);
  const crowd = distinct.length, clear = crowd > 3000 ? 0.3 : crowd > 1200 ? 0.45 : crowd > 400 ? 0.7 : 0.92;
  for (const back of [true, false]) {
    pen.globalAlpha = back ? 0.1 : clear;
    for (const e of distinct) if (isBack(e) === back && e !== over && e !== chosen) drawArrow(e, crowd);
  }
  pen.globalAlpha = 1;
  for (const e of [chosen, over]) if (e && e.arrow) drawArrow(e, crowd);
  if (crowd <= 160) drawArrowLabels(distinct);
  drawMarks(found.mark);
  drawFaults(found.fault);
  drawFlags(found.flag);
  if (pointerX !== null && pointerX > gutter) {
    pen.globalAlpha = 0.5;
    pen.fillStyle = colours.accent;
    pen.fillRect(pointerX, rulerHeight, 1, lanesBottom() - rulerHeight);
    pen.globalAlpha = 1;
  }
  if (band) {
    pen.globalAlpha = 0.15;
    pen.fillStyle = colours.accent;
    pen.fillRect(Math.min(band[0], band[1]), rulerHeight, Math.abs(band[1] - band[0]), lanesBottom() - rulerHeight);
    pen.globalAlpha = 1;
  }
  pen.restore();
  drawRuler(ticks);
  drawNames();
  drawMap();
  if (!events.length) {
    pen.font = sans(15);
    pen.fillStyle = colours.faint;
    pen.fillText("Nothing happened.", gutter + 30, top0 + 40);
  }
  if (pointerX !== null && pointerX > gutter && !band) {
    pen.font = bold(11);
    const text = tickText(Math.max(0, timeAt(pointerX)), Math.max(1, (timeAt(pointerX + 3) - timeAt(pointerX - 3)) / 6)), w = pen.measureText(text).width + 12;
    const x = Math.min(width - w - 2, Math.max(gutter, pointerX - w / 2));
    pen.fillStyle = colours.accent;
    pen.beginPath();
    pen.roundRect(x, 5, w, 18, 5);
    pen.fill();
    pen.fillStyle = colours.ground;
    pen.fillText(text, x + 6, 18);
  }
}

// The event that was drawn nearest to a point.
function eventAt(x, y) {
  let best = null, least = 9;
  if (x < gutter || y > lanesBottom()) return null;
  for (const {e, point, line, box, radius, first} of hits) {
    let distance = Infinity;
    if (point) {
      distance = Math.max(0, Math.hypot(x - point[0], y - point[1]) - radius) - (first ? 3 : 1);
    } else if (line) {
      const [x0, y0, x1, y1] = line, dx = x1 - x0, dy = y1 - y0;
      const part = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
      distance = Math.hypot(x - x0 - part * dx, y - y0 - part * dy);
    } else if (x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3]) {
      distance = first ? 0 : 8;
    }
    if (isBack(e)) distance += 4;
    if (distance < least) { least = distance; best = e; }
  }
  return best;
}
