// What stands on the lanes, and the flags above them.
// Faults stand above their host's rail, with their names where there is room.
function drawFaults(faults) {
  const places = hosts.map(() => new rows(Math.max(1, Math.floor((laneHeight / 2 - 20) / 13)))), naming = faults.length < 90;
  const seen = new Set();
  pen.font = sans(10.5);
  for (const grave of [true, false]) {
    for (const e of faults) {
      if (e.grave !== grave) continue;
      const x = xAt(e), y = railOf(e.place), back = isBack(e), special = e === chosen || e === over;
      const key = Math.round(x / (grave ? 2 : 4)) + " " + e.place + (back ? "b" : "");
      if (seen.has(key) && !special) continue;
      seen.add(key);
      const colour = colourOf(e), text = called(e), w = pen.measureText(text).width;
      const row = back && !special || !(grave ? faults.length < 500 : naming) ? -1 : places[e.place].place(x - 9, x + w + 14);
      const high = row >= 0 ? y - 21 - 13 * row : y - 10;
      pen.globalAlpha = back && !special ? 0.15 : 1;
      pen.strokeStyle = pen.fillStyle = colour;
      pen.lineWidth = special ? 2 : 1;
      pen.beginPath();
      pen.moveTo(x, y - 3);
      pen.lineTo(x, high + 5);
      pen.stroke();
      const size = special ? 8 : grave ? row >= 0 ? 6.5 : 5 : row >= 0 ? 4.5 : 3.5;
      pen.beginPath();
      if (grave) {  // a diamond with a bar in it
        pen.moveTo(x, high - size); pen.lineTo(x + size, high); pen.lineTo(x, high + size); pen.lineTo(x - size, high);
      } else {
        pen.moveTo(x, high - size); pen.lineTo(x + size, high + size * 0.8); pen.lineTo(x - size, high + size * 0.8);
      }
      pen.closePath();
      pen.lineWidth = 1.5;
      pen.fill();
      if (size > 5 && grave) {
        pen.fillStyle = colours.ground;
        pen.fillRect(x - 0.8, high - 3.4, 1.6, 4);
        pen.fillRect(x - 0.8, high + 1.8, 1.6, 1.6);
      }
      if (row >= 0) halo(text, x + size + 3, high + 4, colour);
      pen.globalAlpha = 1;
      hits.push({e, point: [x, high], radius: size + 3, first: true});
    }
  }
}

const quiet = new Set(["send", "arrive", "accept", "end", "crash"]);
// What programs do, on the rails; named below them where there is room.
function drawMarks(marks) {
  const places = hosts.map(() => new rows(Math.max(1, Math.floor((laneHeight / 2 - 12) / 13))));
  const seen = new Set(), crowded = marks.length > 1500, taken = new Uint8Array(crowded ? 2 * hosts.length * (Math.ceil(width) + 60) : 0);
  pen.font = sans(10.5);
  const names = marks.filter(e => e.what !== "send");
  const named = e => e.what === "look up" ? marks.length < 60 : !quiet.has(e.what) && marks.length < 500;
  for (const e of [...names, ...marks.filter(m => m.what === "send")]) {
    const x = xAt(e), y = railOf(e.place), back = isBack(e), special = e === chosen || e === over;
    if (crowded && !special && !e.grave) {
      const column = ((Math.round(x) + 30) * hosts.length + e.place) * 2 + (back ? 0 : 1);
      if (taken[column]) continue;
      taken[column] = 1;
    }
    const key = crowded ? e.i : Math.round(x / 2) + " " + e.place + " " + colourOf(e) + back + (e.what === "send");
    if (seen.has(key) && !special) continue;
    seen.add(key);
    const colour = colourOf(e);
    pen.globalAlpha = back && !special ? 0.15 : 1;
    pen.fillStyle = colour;
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    const r = special ? 6 : crowded ? 2 : e.what === "send" ? 3 : 4;
    pen.beginPath();
    if (e.what === "listen") {
      pen.rect(x - r, y - r, 2 * r, 2 * r);
    } else if (e.what === "look up") {
      pen.moveTo(x, y - r); pen.lineTo(x + r, y); pen.lineTo(x, y + r); pen.lineTo(x - r, y); pen.closePath();
    } else {
      pen.arc(x, y, r, 0, 7);
    }
    if (e.what === "lose") {  // it sets out, and is gone
      const down = e.to >= 0 && railOf(e.to) > y ? 1 : -1;
      pen.beginPath();
      pen.setLineDash([2, 2]);
      pen.moveTo(x, y + 4 * down); pen.lineTo(x + 7, y + 24 * down); pen.stroke();
      pen.setLineDash([]);
      pen.strokeStyle = colours.grave;
      cross(x + 8, y + 28 * down, 3.5);
      hits.push({e, line: [x, y, x + 8, y + 28 * down]});
    } else if (e.what === "crash" || e.what === "abort" || e.what === "time out" || e.what === "not simulated") {
      pen.strokeStyle = colours.grave;
      pen.lineWidth = 2.5;
      cross(x, y, r + 1);
    } else if (e.what === "send" || e.what === "restart" || e.what === "end" || crowded) {
      pen.fill();
    } else {
      pen.fillStyle = colours.ground;
      pen.fill();
      pen.stroke();
    }
    hits.push({e, point: [x, y], radius: r + 3, first: e.what !== "send"});
    if ((!back || special) && named(e)) {
      const text = shorten(called(e) + (e.text ? " " + e.text : ""), 34), w = pen.measureText(text).width;
      const row = places[e.place].place(x - 6, x + w + 8);
      if (row >= 0) halo(text, x - 3, y + 18 + 13 * row, e.grave ? colours.grave : colours.faint);
    }
    pen.globalAlpha = 1;
  }
}

// Notes, and what befalls the whole world, are flags above the lanes.
function drawFlags(flags) {
  const places = new rows(2), seen = new Set();
  pen.font = bold(11);
  for (const e of flags) {
    const x = xAt(e), colour = colourOf(e), back = isBack(e) && e !== chosen;
    if (seen.has(Math.round(x))) continue;
    seen.add(Math.round(x));
    pen.globalAlpha = back ? 0.15 : 0.55;
    pen.strokeStyle = colour;
    pen.lineWidth = e === chosen || e === over ? 2 : 1;
    pen.setLineDash([4, 4]);
    pen.beginPath();
    pen.moveTo(x, rulerHeight + 4);
    pen.lineTo(x, lanesBottom());
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = back ? 0.35 : 1;
    const text = shorten(e.what === "note" || e.what === "personality" ? e.text : e.what, 40), w = pen.measureText(text).width + 12;
    const row = places.place(x, x + w + 3), y = rulerHeight + 4 + 17 * Math.max(0, row);
    pen.fillStyle = colour;
    pen.beginPath();
    if (row >= 0) pen.roundRect(x, y, w, 15, [0, 7, 7, 0]);
    else { pen.moveTo(x, y); pen.lineTo(x + 7, y + 4); pen.lineTo(x, y + 8); }
    pen.fill();
    if (row >= 0) {
      pen.fillStyle = colours.ground;
      pen.fillText(text, x + 5, y + 11.5);
    }
    pen.globalAlpha = 1;
    hits.push({e, box: [x - 2, y, x + (row >= 0 ? w : 8), y + 15], first: true});
  }
}
