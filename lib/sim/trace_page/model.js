// What its script knows of the events, before anything is drawn.
const $ = id => document.getElementById(id);
const data = JSON.parse($("trace").textContent);

const escapes = {"\n": "\\n", "\r": "\\r", "\t": "\\t"};
// Each character of the data is a byte. UTF-8 is shown as what it says, everything else byte by byte.
function readable(bytes) {
  if (/^[\x20-\x7e]*$/.test(bytes)) return bytes;
  let text = bytes;
  try {
    text = new TextDecoder("utf-8", {fatal: true}).decode(Uint8Array.from(bytes, c => c.charCodeAt(0)));
  } catch {
    // An UTF-8 sequence that was cut off at the end is left out.
    const whole = bytes.replace(/[\xc0-\xff][\x80-\xbf]{0,2}$/, "");
    try {
      text = new TextDecoder("utf-8", {fatal: true}).decode(Uint8Array.from(whole, c => c.charCodeAt(0))) + "\u2026";
    } catch { text = bytes.replace(/[\x80-\xff]/g, c => "\\x" + c.charCodeAt(0).toString(16)); }
  }
  return text.replace(/[\x00-\x1f\x7f]/g, c => escapes[c] || "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"))
             .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");
}

const hosts = data.hosts.map(([name, ip]) => ({name: readable(name), ip: readable(ip)}));
const never = -1;

// Which switch an event belongs to.
const kindOf = {
  send: "data", arrive: "data", lose: "data", drop: "data",
  connect: "connections", connected: "connections", accept: "connections", listen: "connections", end: "connections",
  abort: "connections", reset: "connections", refuse: "connections", refused: "connections", "look up": "connections",
  "time out": "connections",
  fault: "faults",
  crash: "hosts", restart: "hosts", start: "hosts", signal: "hosts", exit: "hosts", says: "data", pause: "hosts", cut: "hosts", mend: "hosts", heal: "hosts", "not simulated": "hosts",
  note: "notes", forgotten: "notes", personality: "notes",
};
const kindNames = {data: "Data", connections: "Connections", faults: "Faults", hosts: "Hosts and links", notes: "Notes", other: "Other"};

// Faults that make programs fail, not only wait or do things by halves.
const graveFaults = new Set(["reset", "silence", "no_buffers", "accept_error", "refused_connect", "lost_connect", "no_memory", "unknown_name", "stale_name", "pause", "crash", "no_process", "killed_child"]);
const graveEvents = new Set(["reset", "abort", "refuse", "refused", "lose", "drop", "time out", "crash", "cut", "not simulated"]);

// What it is in the picture; what lasts is in `spans`.
function signOf(e) {
  if (e.arrow) return "arrow";
  if (e.what === "fault") return e.place < 0 || ["pause", "crash", "cut"].includes(e.text) ? "none" : "fault";
  if (e.place < 0) return "flag";
  return e.what === "pause" || e.what === "cut" || e.what === "mend" ? "none" : "mark";
}

const names = data.names.map(readable);
const events = data.events.map(([at, what, from, to, link, bytes, sent, until, text, reactor], i) => {
  const e = {i, at, what: names[what], from, to, link, bytes, sent, until, text: readable(text), reactor};
  e.kind = kindOf[e.what] || "other";
  e.grave = e.what === "fault" ? graveFaults.has(e.text) : graveEvents.has(e.what);
  e.mild = e.what === "fault" && !e.grave;
  e.place = from >= 0 ? from : to;
  e.arrow = sent >= 0 && from >= 0 && to >= 0;
  e.sign = signOf(e);
  return e;
});
data.events = null;
const lastTime = events.reduce((last, e) => Math.max(last, e.at), 0);

// earliest[i]: when the first packet set out that arrives with event i or later.
const earliest = new Float64Array(events.length + 1).fill(Infinity);
for (let i = events.length - 1; i >= 0; --i) {
  earliest[i] = Math.min(earliest[i + 1], events[i].arrow ? events[i].sent : events[i].at);
}

function firstFrom(sorted, value, key = x => x) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(sorted[middle]) < value) low = middle + 1; else high = middle;
  }
  return low;
}

// What lasts: hosts that are down or stand still, and directions that are cut.
const spans = [];
{
  const down = new Map(), still = new Map(), cuts = new Map();
  const end = (map, key, at) => {
    const span = map.get(key);
    if (span) span.end = Math.min(span.end, at);
    map.delete(key);
  };
  const begin = (map, key, span) => { end(map, key, span.begin); map.set(key, span); spans.push(span); };
  for (const e of events) {
    switch (e.what) {
      case "crash": end(still, e.from, e.at); begin(down, e.from, {kind: "down", e, host: e.from, begin: e.at, end: Infinity}); break;
      case "restart": end(down, e.from, e.at); break;
      case "pause": begin(still, e.from, {kind: "pause", e, host: e.from, begin: e.at, end: e.until >= 0 ? e.until : e.at}); break;
      case "cut": {
        const back = cuts.get(e.to + " " + e.from);
        if (back && back.begin === e.at) { back.both = true; cuts.set(e.from + " " + e.to, back); break; }
        begin(cuts, e.from + " " + e.to, {kind: "cut", e, host: e.from, to: e.to, begin: e.at, end: e.until >= 0 ? e.until : Infinity, both: false});
        break;
      }
      case "mend": end(cuts, e.from + " " + e.to, e.at); end(cuts, e.to + " " + e.from, e.at); break;
      case "heal": for (const map of [down, still, cuts]) for (const key of [...map.keys()]) end(map, key, e.at); break;
    }
  }
}

// The axis. u is time in nanoseconds, or, squeezed, time with each gap beyond the usual ones shortened to its
// logarithm; both ways it is piecewise linear between the moments at which anything happened.
const moments = (() => {
  const all = new Float64Array(events.length * 2 + 1);
  let count = 1;  // the beginning of the world
  for (const e of events) {
    all[count++] = e.at;
    if (e.arrow) all[count++] = e.sent;
  }
  const sorted = all.subarray(0, count).sort();
  return sorted.filter((t, i) => i === 0 || t !== sorted[i - 1]);
})();
const usualGap = (() => {
  const gaps = moments.subarray(1).map((t, i) => t - moments[i]).sort();
  return gaps.length ? Math.max(1, gaps[Math.floor(gaps.length * 0.8)]) : 1;
})();
const squeezedGap = gap => gap <= usualGap ? gap : usualGap * (1 + 0.6 * Math.log2(gap / usualGap));
const squeezedMoments = (() => {
  const u = new Float64Array(moments.length);
  for (let i = 1; i < moments.length; ++i) u[i] = u[i - 1] + squeezedGap(moments[i] - moments[i - 1]);
  return u;
})();
let squeezed = false;
function through(xs, ys, x) {
  const last = xs.length - 1;
  if (last < 1) return x;
  if (x <= xs[0]) return ys[0] + (x - xs[0]);
  if (x >= xs[last]) return ys[last] + (x - xs[last]);
  const i = Math.max(1, firstFrom(xs, x));
  return ys[i - 1] + (x - xs[i - 1]) * (ys[i] - ys[i - 1]) / (xs[i] - xs[i - 1]);
}
// Of each event: where it is, and where its packet set out.
const uAt = new Float64Array(events.length), uSent = new Float64Array(events.length);
function placeEvents() {
  for (const e of events) {
    uAt[e.i] = toU(e.at);
    uSent[e.i] = e.arrow ? toU(e.sent) : uAt[e.i];
  }
}
const toU = t => squeezed ? through(moments, squeezedMoments, t) : t;
const toTime = u => squeezed ? through(squeezedMoments, moments, u) : u;

// A run whose moments share a few columns of the picture says more when it is squeezed.
function wantsSqueezing(columns) {
  if (!lastTime) return false;
  const used = new Set();
  for (const t of moments) used.add(Math.floor(t / lastTime * columns));
  return used.size < 0.35 * Math.min(columns, moments.length);
}

// Texts.
function seconds(ns, digits = 9) {
  const sign = ns < 0 ? "-" : "";
  let [whole, part] = (Math.abs(ns) / 1e9).toFixed(digits).split(".");
  if (!part) return sign + whole;
  return sign + whole + "." + part.replace(/(\d{3})(?=\d)/g, "$1\u2009");
}
const exact = ns => seconds(ns).replace(/[\u20090]+$/, "").replace(/\.$/, "") + " s";
function span(ns) {
  const three = x => x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2);
  const tidy = x => three(x).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  if (ns < 1e3) return Math.round(ns) + " ns";
  if (ns < 1e6) return tidy(ns / 1e3) + " \u00b5s";
  if (ns < 1e9) return tidy(ns / 1e6) + " ms";
  if (ns < 6e10) return tidy(ns / 1e9) + " s";
  if (ns < 3.6e12) return Math.floor(ns / 6e10) + " min " + Math.round(ns % 6e10 / 1e9) + " s";
  return Math.floor(ns / 3.6e12) + " h " + Math.round(ns % 3.6e12 / 6e10) + " min";
}
const count = n => n.toLocaleString("en");
const plural = (n, one, many = one + "s") => count(n) + " " + (n === 1 ? one : many);
const amount = n => n < 10000 ? plural(n, "byte") : n < 1e7 ? (n / 1000).toFixed(0) + " kB" : (n / 1e6).toFixed(0) + " MB";
const hostName = n => n >= 0 ? hosts[n].name : "";
const quoted = text => "\u201c" + text + "\u201d";

// What an event is called: the fault's name for a fault.
const called = e => e.what === "fault" && e.text ? e.text.replace(/_/g, " ") : e.what;
function sentence(e) {
  const ends = e.from >= 0 && e.to >= 0 ? hostName(e.from) + " \u2192 " + hostName(e.to) : hostName(e.place);
  const parts = [];
  if (ends) parts.push(ends);
  if (e.link) parts.push("#" + e.link);
  if (e.bytes) parts.push(amount(e.bytes));
  if (e.until >= 0) parts.push("for " + span(e.until - e.at));
  if (e.text && e.what !== "fault") parts.push(e.bytes ? quoted(e.text) : e.text);
  return parts.join("  ");
}
function fields(e) {
  const of = [["at", exact(e.at)]];
  if (called(e) !== e.what) of.unshift(["what", e.what]);
  if (e.from >= 0) of.push(["from", hostName(e.from)]);
  if (e.reactor) of.push(["reactor", String(e.reactor)]);
  if (e.to >= 0) of.push(["to", hostName(e.to)]);
  if (e.link) of.push(["link", String(e.link)]);
  if (e.bytes) of.push(["bytes", count(e.bytes)]);
  if (e.sent >= 0) of.push(["sent", exact(e.sent) + ", on the way for " + span(e.at - e.sent)]);
  if (e.until >= 0) of.push(["until", exact(e.until) + ", for " + span(e.until - e.at)]);
  if (e.text) of.push(["text", e.text + (e.bytes > 32 ? "\u2026" : "")]);
  return of;
}

// Which events are to be seen.
const switchedOff = new Set();
function matcher(question) {
  const terms = [];
  for (const [, minus, field, inQuotes, word] of question.matchAll(/(-?)(?:(what|from|to|link|text|host):)?(?:"([^"]*)"|(\S+))/g)) {
    terms.push({no: minus === "-", field, word: (inQuotes ?? word).toLowerCase()});
  }
  const whole = e => [called(e), e.what, hostName(e.from), hostName(e.to), e.link ? "#" + e.link : "", e.text].join("\n").toLowerCase();
  const holds = (e, {field, word}) => {
    switch (field) {
      case "what": return e.what.toLowerCase().includes(word);
      case "from": return hostName(e.from).toLowerCase() === word;
      case "to": return hostName(e.to).toLowerCase() === word;
      case "host": return hostName(e.from).toLowerCase() === word || hostName(e.to).toLowerCase() === word;
      case "link": return String(e.link) === word;
      case "text": return e.text.toLowerCase().includes(word);
      default: return whole(e).includes(word);
    }
  };
  return e => !switchedOff.has(e.kind) && terms.every(term => holds(e, term) !== term.no);
}
let shown = events;  // those that match, in order
const isShown = new Uint8Array(events.length).fill(1);
function filter(question) {
  const matches = matcher(question);
  for (const e of events) isShown[e.i] = matches(e) ? 1 : 0;
  shown = events.filter(e => isShown[e.i]);
}
