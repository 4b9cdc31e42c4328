// Calipers over a sheet: four lines that a pointer or the arrow keys move, read in milliseconds and millivolts.
import { make } from "./drawing.js";
import { number, word } from "./words.js";

const LINES = ["left", "right", "top", "bottom"];
let current = null;

// Let calipers be drawn over sheets inside `root` while `on()` holds; `tell(text)` shows the reading.
export function calipers(root, on, tell) {
  root.addEventListener("pointerdown", (event) => {
    const sheet = event.target.closest?.("[data-sheet]");
    if (!sheet || !on() || event.button !== 0 || event.target.closest(".handle")) return;
    event.preventDefault();
    const from = placeOf(sheet, event);
    follow(sheet, event, (to) => put(sheet, { left: from.x, right: to.x, top: from.y, bottom: to.y }, tell));
  });
  root.addEventListener("dragstart", (event) => { if (on()) event.preventDefault(); });
}

// Calipers of a usual size in the middle of what is seen of a sheet, for the keyboard.
export function place(sheet, tell) {
  const { wide, high, speed, gain } = scaleOf(sheet);
  const frame = sheet.parentElement, zoom = sheet.clientWidth / wide;
  const middle = Math.min((frame.scrollLeft + frame.clientWidth / 2) / zoom, wide - 0.2 * speed);
  const made = put(sheet, { left: middle, right: middle + 0.2 * speed, top: high / 2 - gain, bottom: high / 2 }, tell);
  made.handles.left.focus();
}

export function remove() {
  current?.svg.remove();
  current = null;
}

function scaleOf(sheet) {
  return Object.fromEntries(["wide", "high", "speed", "gain"].map((name) => [name, Number(sheet.dataset[name])]));
}

function placeOf(sheet, event) {
  const { wide, high } = scaleOf(sheet), box = sheet.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * wide, y = (event.clientY - box.top) / box.height * high;
  return { x: Math.max(0, Math.min(x, wide)), y: Math.max(0, Math.min(y, high)) };
}

function follow(sheet, event, moved) {
  const id = event.pointerId;
  const move = (next) => { if (next.pointerId === id) moved(placeOf(sheet, next)); };
  const stop = (next) => {
    if (next.pointerId !== id) return;
    for (const name of ["pointerup", "pointercancel"]) window.removeEventListener(name, stop);
    window.removeEventListener("pointermove", move);
  };
  window.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, stop);
}

function put(sheet, lines, tell) {
  if (current?.sheet !== sheet || !current.svg.isConnected) {
    remove();
    current = build(sheet, tell);
  }
  Object.assign(current.lines, lines);
  draw(current, tell);
  return current;
}

function build(sheet, tell) {
  const { wide, high } = scaleOf(sheet);
  const svg = make("svg", { class: "over", viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", role: "group", "aria-label": word("calipers_of") });
  const made = { sheet, svg, lines: {}, span: make("rect", { class: "span" }), value: make("text", { class: "value" }), handles: {} };
  svg.append(made.span);
  for (const name of LINES) {
    const across = name === "left" || name === "right";
    const handle = make("g", { class: "handle", role: "slider", tabindex: 0, "aria-label": word(name),
      "aria-orientation": across ? "horizontal" : "vertical", "aria-valuemin": 0,
      "aria-valuemax": across ? Math.round(wide / Number(sheet.dataset.speed) * 1000) : Math.round(high / Number(sheet.dataset.gain) * 1000) },
    [make("line", { class: "line" }), make("line", { class: `grip ${across ? "across" : "along"}` })]);
    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      event.stopPropagation();
      handle.focus();
      follow(sheet, event, (to) => { made.lines[name] = across ? to.x : to.y; draw(made, tell); });
    });
    handle.addEventListener("keydown", (event) => keyed(event, made, name, across, tell));
    made.handles[name] = handle;
    svg.append(handle);
  }
  svg.append(made.value);
  sheet.append(svg);
  return made;
}

// An arrow is 10 ms or 0.05 mV, with Shift 2 ms or 0.01 mV, Page up and down 100 ms or 0.5 mV; Escape takes them away.
function keyed(event, made, name, across, tell) {
  if (event.key === "Escape") {
    remove();
    made.sheet.closest("figure").querySelector("[data-place]")?.focus();
    return;
  }
  const { wide, high, speed, gain } = scaleOf(made.sheet);
  const small = across ? speed / 100 : gain / 20;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: across ? 1 : -1, ArrowDown: across ? -1 : 1, PageUp: across ? 10 : -10, PageDown: across ? -10 : 10 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const moved = made.lines[name] + steps[event.key] * small * (event.shiftKey ? 0.2 : 1);
  made.lines[name] = Math.max(0, Math.min(moved, across ? wide : high));
  draw(made, tell);
}

function draw(made, tell) {
  const { sheet, lines, span, value, handles } = made;
  const { wide, high, speed, gain } = scaleOf(sheet);
  const ms = Math.abs(lines.right - lines.left) / speed * 1000, mv = Math.abs(lines.bottom - lines.top) / gain;
  const left = Math.min(lines.left, lines.right), top = Math.min(lines.top, lines.bottom);
  attributes(span, { x: left, y: top, width: Math.abs(lines.right - lines.left), height: Math.abs(lines.bottom - lines.top) });
  for (const name of LINES) {
    const across = name === "left" || name === "right", at = lines[name];
    const ends = across ? { x1: at, x2: at, y1: 0, y2: high } : { x1: 0, x2: wide, y1: at, y2: at };
    for (const line of handles[name].children) attributes(line, ends);
    attributes(handles[name], { "aria-valuenow": Math.round(across ? at / speed * 1000 : (high - at) / gain * 1000),
      "aria-valuetext": across ? `${number(ms)} ms` : `${number(mv, 2)} mV` });
  }
  const rate = ms > 0 ? number(60000 / ms) : "-";
  const text = word("reading_of", { ms: number(ms), rate, mv: number(mv, 2) });
  value.textContent = text;
  const room = lines.top > 6 || lines.bottom > 6 ? top - 1.5 : top + 5;
  attributes(value, { x: Math.min(left + 1, wide - 52), y: Math.max(4, room) });
  sheet.dataset.ms = ms.toFixed(1);
  sheet.dataset.mv = mv.toFixed(3);
  tell(`${text} · ${word("pixel", { ms: number(wide / sheet.clientWidth / speed * 1000, 1) })}`);
}

function attributes(element, values) {
  for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
}
