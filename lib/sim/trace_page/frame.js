// The axis, the names of the hosts, and the small map of the whole run.
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map(n => n * power).find(n => n >= least);
}
function tickText(t, step) {
  const digits = Math.max(0, Math.min(9, Math.ceil(9 - Math.log10(step) - 1e-9)));
  return seconds(t, digits) + " s";
}
function findTicks() {
  const ticks = [];
  pen.font = sans(11);
  if (!squeezed) {
    const step = niceStep((view.end - view.begin) / (width - gutter) * 110);
    for (let t = Math.max(0, Math.ceil(timeAt(gutter + 20) / step)) * step; t <= view.end; t += step) ticks.push([X(t), tickText(t, step)]);
  } else {
    let last = gutter - 22;
    for (let x = gutter + 30; x < width - 20; x += 24) {
      const from = timeAt(x - 24), to = timeAt(x + 24), step = niceStep((to - from) / 2);
      const t = Math.round(timeAt(x) / step) * step, at = X(t), text = tickText(t, step), half = pen.measureText(text).width / 2;
      if (t < 0 || t > lastTime + step || at - half < last + 22 || Math.abs(at - x) > 40) continue;
      ticks.push([at, text]);
      last = at + half;
    }
  }
  return ticks;
}
function drawRuler(ticks) {
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, width, rulerHeight);
  pen.fillStyle = colours.line;
  pen.fillRect(0, rulerHeight, width, 1);
  pen.font = sans(11);
  pen.textAlign = "center";
  for (const [x, text] of ticks) {
    pen.fillStyle = colours.rail;
    pen.fillRect(Math.round(x), rulerHeight - 6, 1, 6);
    pen.fillStyle = colours.faint;
    pen.fillText(text, x, rulerHeight - 11);
  }
  pen.textAlign = "left";
}
function drawNames() {
  pen.fillStyle = colours.ground;
  pen.fillRect(0, rulerHeight + 1, gutter, height);
  hosts.forEach((h, i) => {
    const y = railOf(i);
    if (i % 2 === 0) {
      pen.fillStyle = colours.lane;
      pen.fillRect(0, y - laneHeight / 2, gutter, laneHeight);
    }
    pen.font = bold(13);
    pen.fillStyle = colours.ink;
    pen.fillText(shorten(h.name, 14), 16, y + (h.ip ? -1 : 5));
    pen.font = sans(11);
    pen.fillStyle = colours.faint;
    pen.fillText(h.ip, 16, y + 14);
  });
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, gutter, top0);
  pen.fillStyle = colours.line;
  pen.fillRect(gutter - 1, 0, 1, lanesBottom());
  pen.fillRect(0, rulerHeight, gutter, 1);
}

// The whole run, small, with the part that is in view.
function drawMap() {
  const y = lanesBottom(), w = width - gutter;
  pen.fillStyle = colours.ground;
  pen.fillRect(0, y, width, mapHeight);
  if (!mapPicture) {
    const ratio = devicePixelRatio || 1, columns = Math.max(1, Math.floor(w));
    mapPicture = document.createElement("canvas");
    mapPicture.width = Math.max(1, Math.round(w * ratio));
    mapPicture.height = Math.round(mapHeight * ratio);
    const p = mapPicture.getContext("2d"), all = whole();
    p.scale(ratio, ratio);
    const many = new Float64Array(columns + 1), mild = new Uint16Array(columns + 1), grave = new Uint8Array(columns + 1);
    for (const e of shown) {
      const at = Math.floor((uAt[e.i] - all.begin) / (all.end - all.begin) * columns);
      if (e.grave) grave[at] = 1; else if (e.mild) ++mild[at]; else ++many[at];
    }
    const most = Math.max(1, ...many);
    p.fillStyle = colours.rail;
    for (let x = 0; x <= columns; ++x) {
      if (many[x]) { const h = 3 + 22 * Math.sqrt(many[x] / most); p.fillRect(x, mapHeight - 5 - h, 1, h); }
    }
    p.fillStyle = colours.mild;
    for (let x = 0; x <= columns; ++x) if (mild[x]) p.fillRect(x, 10, 1, 3);
    p.fillStyle = colours.grave;
    for (let x = 0; x <= columns; ++x) if (grave[x]) p.fillRect(x, 5, 1.5, 5);
    p.fillStyle = colours.note;
    for (const e of shown) if (e.kind === "notes" || e.what === "heal") p.fillRect((uAt[e.i] - all.begin) / (all.end - all.begin) * columns, 2, 1.5, mapHeight - 4);
  }
  pen.drawImage(mapPicture, gutter, y, w, mapHeight);
  const all = whole(), place = u => gutter + (u - all.begin) / (all.end - all.begin) * w;
  const x0 = place(view.begin), x1 = Math.max(x0 + 3, place(view.end));
  pen.globalAlpha = 0.14;
  pen.fillStyle = colours.accent;
  pen.fillRect(x0, y, x1 - x0, mapHeight);
  pen.globalAlpha = 1;
  pen.strokeStyle = colours.accent;
  pen.lineWidth = 1;
  pen.strokeRect(x0 + 0.5, y + 1.5, x1 - x0 - 1, mapHeight - 3);
  pen.fillStyle = colours.line;
  pen.fillRect(0, y, width, 1);
  pen.font = sans(11);
  pen.fillStyle = colours.faint;
  pen.fillText(span(Math.max(0, Math.min(timeAt(width), lastTime) - Math.max(0, timeAt(gutter)))) + " in view", 8, y + mapHeight / 2 + 4);
}
