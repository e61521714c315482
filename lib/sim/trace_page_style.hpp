// The page of a trace: its layout, and what it looks like.
#pragma once

#include <string_view>

namespace bight::sim::detail {

// Nothing is loaded from anywhere, whatever a trace contains.
inline constexpr std::string_view page_head = R"page(
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:">
)page";

inline constexpr std::string_view page_body = R"page(
<p id="summary"></p>
<div id="tools">
<input id="find" type="search" placeholder="Find: alice fault link:3 -send" spellcheck="false"
       aria-label="Find events" title="Words, each of which must be there; what:, from:, to:, link:, text: look in one field; - before a word excludes (/)">
<span id="kinds"></span>
<span class="group">
<button id="out" title="Zoom out (-)">&minus;</button><button id="in" title="Zoom in (+)">+</button><button id="fit" title="Show everything (F)">Fit</button><button id="squeeze" aria-pressed="false" title="Shorten the times at which nothing happens (S)">Squeeze idle time</button>
</span>
<span class="group">
<button id="save" title="Save the picture as PNG (P)">PNG</button><button id="panel" aria-pressed="true" title="Show the list (L)">List</button><button id="scheme" title="Light or dark (T)">&#x25D0;</button><button id="keys" title="Keys (?)">?</button>
</span>
</div>
</header>
<main>
<div id="stage"><canvas id="picture" tabindex="0" role="img" aria-label="The hosts as lanes, and what passed between them; the same events are in the list"></canvas></div>
<div id="splitter"></div>
<aside>
<div id="found"></div>
<div id="list" tabindex="0" role="listbox" aria-label="Events"><div id="rows"></div></div>
<div id="detail" hidden></div>
</aside>
</main>
<div id="tip" hidden></div>
<dialog id="help">
<table>
<tr><td>wheel, <kbd>+</kbd> <kbd>-</kbd></td><td>zoom</td></tr>
<tr><td>drag, shift and wheel, <kbd>&larr;</kbd> <kbd>&rarr;</kbd></td><td>move in time</td></tr>
<tr><td>shift and drag</td><td>zoom to a span of time</td></tr>
<tr><td><kbd>&uarr;</kbd> <kbd>&darr;</kbd>, wheel over the names</td><td>move between hosts</td></tr>
<tr><td>double click</td><td>zoom in there</td></tr>
<tr><td>click</td><td>select an event, and show its connection alone</td></tr>
<tr><td><kbd>J</kbd> <kbd>K</kbd>, <kbd>N</kbd> <kbd>B</kbd></td><td>next and previous event, fault</td></tr>
<tr><td><kbd>Enter</kbd></td><td>zoom to the selected event</td></tr>
<tr><td><kbd>F</kbd> <kbd>Home</kbd> <kbd>End</kbd></td><td>everything, the beginning, the end</td></tr>
<tr><td><kbd>S</kbd></td><td>squeeze idle time</td></tr>
<tr><td><kbd>/</kbd> <kbd>Esc</kbd></td><td>find, and let go</td></tr>
<tr><td><kbd>L</kbd> <kbd>T</kbd> <kbd>P</kbd></td><td>list, light or dark, PNG</td></tr>
</table>
<table>
<tr><td>&#x2500;&#x25B6;</td><td>bytes, from when they were sent to when they arrived; a colour for each connection</td></tr>
<tr><td>&#x254C;&#x25B6;</td><td>a connection is made; dotted: one direction of it ends</td></tr>
<tr><td class="grave">&#x2715;</td><td>refused, reset, dropped, lost, timed out, crashed</td></tr>
<tr><td>&#x25CF; &#x25CB; &#x25C7; &#x25A1;</td><td>a program sends, accepts, looks a name up, listens</td></tr>
<tr><td class="mild">&#x25B2;</td><td>a fault that delays, or does a thing by halves</td></tr>
<tr><td class="grave">&#x25C6;</td><td>a fault that makes something fail</td></tr>
<tr><td>&#x25A8;</td><td>a host is down, or stands still; a link is cut</td></tr>
</table>
<form method="dialog"><button>Close</button></form>
</dialog>
)page";

inline constexpr std::string_view page_style = R"page(
:root {
  color-scheme: light;
  --ground: #fcfcfe; --lane: #f3f5fa; --line: #dfe3ec; --rail: #8f9ab0; --ink: #1b2130; --faint: #68728a;
  --raised: #ffffff; --accent: #3465e8; --accent-ground: #e6edff; --mild: #c27a00; --grave: #d3213f;
  --pause: #7a54e0; --note: #0a7f63; --cut: #d3213f; --shadow: 0 4px 18px rgba(20, 30, 60, .16);
  --connection-saturation: 68%; --connection-lightness: 42%;
}
:root[data-scheme="dark"] {
  color-scheme: dark;
  --ground: #0d1119; --lane: #131926; --line: #252d3d; --rail: #5c6880; --ink: #e7ebf4; --faint: #8e99b0;
  --raised: #171e2c; --accent: #7aa2ff; --accent-ground: #1d2a4a; --mild: #f0b03f; --grave: #ff5d73;
  --pause: #a98bff; --note: #3fd0a6; --cut: #ff5d73; --shadow: 0 4px 22px rgba(0, 0, 0, .55);
  --connection-saturation: 78%; --connection-lightness: 66%;
}
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; }
body {
  display: flex; flex-direction: column; background: var(--ground); color: var(--ink); overflow: hidden;
  font: 13px/1.45 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
}
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 14px; padding: 10px 16px 9px; border-bottom: 1px solid var(--line); }
h1 { font-size: 16px; font-weight: 650; margin: 0; letter-spacing: -.01em; }
#summary { margin: 0; color: var(--faint); font-variant-numeric: tabular-nums; }
#tools { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; flex-basis: 100%; }
#tools .group { display: inline-flex; }
button, input, #kinds label {
  font: inherit; color: var(--ink); background: var(--raised); border: 1px solid var(--line); height: 27px; padding: 0 10px;
}
button { cursor: pointer; border-radius: 6px; }
button:hover, #kinds label:hover { border-color: var(--rail); }
.group button { border-radius: 0; margin-left: -1px; }
.group button:first-child { border-radius: 6px 0 0 6px; margin-left: 0; }
.group button:last-child { border-radius: 0 6px 6px 0; }
button[aria-pressed="true"] { background: var(--accent-ground); color: var(--accent); }
#find { flex: 1 1 200px; max-width: 380px; border-radius: 6px; }
#kinds { display: inline-flex; flex-wrap: wrap; gap: 5px; }
#kinds label { display: inline-flex; align-items: center; gap: 6px; border-radius: 14px; cursor: pointer; user-select: none; }
#kinds input { position: absolute; opacity: 0; width: 1px; height: 1px; }
#kinds label:has(:focus-visible) { outline: 2px solid var(--accent); }
#kinds .dot { width: 8px; height: 8px; border-radius: 50%; background: var(--colour); }
#kinds .count { color: var(--faint); font-variant-numeric: tabular-nums; }
#kinds label.off { opacity: .45; }
#kinds label.off .dot { background: transparent; box-shadow: inset 0 0 0 2px var(--colour); }
main { flex: 1; display: flex; min-height: 0; }
#stage { flex: 1; min-width: 0; position: relative; overflow: hidden; }
#picture { position: absolute; inset: 0; width: 100%; height: 100%; display: block; touch-action: none; cursor: grab; outline: none; }
#picture.held { cursor: grabbing; }
#picture.over { cursor: pointer; }
#splitter { width: 5px; cursor: col-resize; border-left: 1px solid var(--line); touch-action: none; }
#splitter:hover { background: var(--accent-ground); }
aside { width: 370px; display: flex; flex-direction: column; min-width: 0; }
.alone aside, .alone #splitter { display: none; }
#found { padding: 6px 12px; color: var(--faint); border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
#list { flex: 1; overflow-y: auto; position: relative; outline: none; min-height: 60px; }
#rows { position: relative; }
.row {
  position: absolute; left: 0; right: 0; height: 24px; display: flex; align-items: center; gap: 8px; padding: 0 10px 0 9px;
  white-space: nowrap; overflow: hidden; cursor: pointer; border-left: 3px solid transparent; color: var(--faint);
}
.row.visible { border-left-color: var(--line); color: var(--ink); background: var(--lane); }
.row.over { background: var(--accent-ground); }
.row.chosen { background: var(--accent-ground); border-left-color: var(--accent); color: var(--ink); }
.row time { font: 11px/1 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; width: 84px; text-align: right; flex: none; color: var(--faint); }
.row .dot { width: 8px; height: 8px; border-radius: 50%; flex: none; background: var(--colour); }
.row .what { font-weight: 600; flex: none; }
.row .rest { overflow: hidden; text-overflow: ellipsis; }
.row.grave .what { color: var(--grave); }
.row.mild .what { color: var(--mild); }
#detail { border-top: 1px solid var(--line); padding: 10px 12px 12px; max-height: 45%; overflow: auto; }
#detail .buttons { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 9px; }
.fields { display: grid; grid-template-columns: max-content 1fr; gap: 1px 12px; margin: 0; }
.fields dt { color: var(--faint); }
.fields dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.fields dd.text { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12px; white-space: pre-wrap; }
#tip {
  position: fixed; z-index: 5; pointer-events: none; max-width: 380px; padding: 8px 11px; border-radius: 8px;
  background: var(--raised); border: 1px solid var(--line); box-shadow: var(--shadow);
}
#tip b, #detail b { display: block; margin-bottom: 3px; }
#tip[hidden], #detail[hidden] { display: none; }
dialog { color: var(--ink); background: var(--raised); border: 1px solid var(--line); border-radius: 10px; box-shadow: var(--shadow); padding: 16px 20px; }
dialog::backdrop { background: rgba(0, 0, 0, .3); }
dialog td { padding: 2px 14px 2px 0; }
dialog table + table { margin-top: 10px; border-top: 1px solid var(--line); padding-top: 8px; }
dialog .grave { color: var(--grave); }
dialog .mild { color: var(--mild); }
dialog form { margin-top: 10px; text-align: right; }
kbd { font: 11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; border: 1px solid var(--line); border-bottom-width: 2px; border-radius: 4px; padding: 1px 5px; }
@media (max-width: 800px) {
  main { flex-direction: column; }
  aside { width: auto !important; height: 38%; }
  #splitter { display: none; }
  aside { border-top: 1px solid var(--line); }
}
)page";

}  // namespace bight::sim::detail
