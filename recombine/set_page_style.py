"""The style and the script of the page of sets. Neither holds anything that comes from data."""

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; max-width: 1240px;
  padding: 1rem 1.25rem; }
h1 { font-size: 1.4rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 1rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0 0 .25rem; }
p { margin: .25rem 0 .5rem; }
small, .note { color: #555; font-size: .8rem; }
.scripted article { scroll-margin-top: 100vh; }
[hidden] { display: none !important; }
.aside { position: absolute; }
nav, .counts { display: flex; flex-wrap: wrap; gap: .35rem; align-items: center; margin: .75rem 0; }
nav { border-block: 1px solid #ddd; padding: .5rem 0; }
button, nav a { font: inherit; color: #222; background: #f4f4f4; border: 1px solid #999; border-radius: 4px;
  padding: .2rem .6rem; text-decoration: none; cursor: pointer; }
button:disabled { color: #777; cursor: default; }
button:focus-visible, nav a:focus-visible { outline: 3px solid #3f90da; outline-offset: 1px; }
[aria-pressed=true], [aria-current=true] { background: #222 !important; color: #fff !important; border-color: #222; }
.sides { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; align-items: flex-start; }
.points .truth, .points .predictions { flex: 1 1 420px; min-width: 0; max-width: 600px; }
.pictures .truth, .pictures .predictions { flex: 1 1 460px; min-width: 0; }
.scores { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; }
.scores th, .scores td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
.scores tr.shown { background: #e9f2fb; }
.plot { display: flex; flex-wrap: wrap; gap: .5rem 1rem; }
.legend { list-style: none; margin: .5rem 0; padding: 0; }
.legend li, .groups th { overflow-wrap: anywhere; }
.groups { width: 100%; }
.groups th { text-align: left; font-weight: normal; vertical-align: top; width: 7.5rem; padding: .4rem .5rem .4rem 0; }
.groups td { padding: .25rem 0; color: #555; }
.groups tr { border-top: 1px solid #ddd; }
svg.swatch { vertical-align: -2px; margin-right: .4rem; }
i.swatch { display: inline-block; width: 6px; height: 6px; border-width: 4px; margin-right: .4rem; }
.object { display: inline-block; vertical-align: top; border-width: 4px; border-radius: 3px; margin: 2px; padding: 1px;
  background: #fff; text-align: center; }
.object small { display: flex; gap: .25em; justify-content: center; max-width: 90px; white-space: nowrap;
  line-height: 1.2; padding: 0 2px; }
.object b { font-weight: normal; overflow: hidden; text-overflow: ellipsis; }
.t { display: block; margin: 0 auto; image-rendering: pixelated; background-repeat: no-repeat; }
svg { font: 11px system-ui, sans-serif; }
svg.bars { max-width: 100%; height: auto; }
svg.scatter { width: 100%; max-width: 400px; height: auto; }
.frame, .axis { fill: none; stroke: #999; }
.x, .bars text { text-anchor: middle; }
.y { text-anchor: end; }
.mark { text-anchor: middle; dominant-baseline: central; font-weight: bold; font-size: 13px; stroke: #fff;
  stroke-width: 4px; paint-order: stroke; pointer-events: none; }
.predicted { stroke: #222; stroke-width: 2.5px; }
.bars .small { font-size: 10px; fill: #444; }
"""

SCRIPT = """
"use strict";
const sets = [...document.querySelectorAll("article")];
const links = [...document.querySelectorAll("nav a")];
const previous = document.getElementById("previous"), next = document.getElementById("next");
let now = 0;
document.documentElement.className = "scripted";

function showSet(number) {
  now = number;
  sets.forEach((set, i) => { set.hidden = i !== now; });
  links.forEach((link, i) => link.setAttribute("aria-current", String(i === now)));
  previous.disabled = now === 0;
  next.disabled = now === sets.length - 1;
}

function showCount(set, count) {
  for (const part of set.querySelectorAll("[data-count]")) {
    const isShown = part.dataset.count === count;
    if (part.tagName === "BUTTON") part.setAttribute("aria-pressed", String(isShown));
    else if (part.tagName === "TR") part.classList.toggle("shown", isShown);
    else part.hidden = !isShown;
  }
}

for (const set of sets) {
  const buttons = set.querySelector(".counts");
  buttons.hidden = false;
  for (const button of buttons.children) button.onclick = () => showCount(set, button.dataset.count);
  showCount(set, buttons.querySelector("[aria-pressed=true]").dataset.count);
}
links.forEach((link, i) => { link.onclick = (event) => { event.preventDefault(); showSet(i); }; });
if (sets.length) {
  for (const [button, step] of [[previous, -1], [next, 1]]) {
    button.hidden = false;
    button.onclick = () => showSet(now + step);
  }
  showSet(Math.max(0, links.findIndex((link) => link.hash === location.hash)));
}
"""
