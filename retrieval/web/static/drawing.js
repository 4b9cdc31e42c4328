// SVG by small means, and ruled paper in millimetres.
const SVG = "http://www.w3.org/2000/svg";
let papers = 0;

export function make(name, attributes = {}, children = []) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// A sheet of paper, `wide` by `high` mm.
export function paper(wide, high) {
  const id = `paper-${++papers}`;
  const small = make("pattern", { id: `${id}-1`, width: 1, height: 1, patternUnits: "userSpaceOnUse" },
    [make("path", { class: "fine", d: "M1 0H0V1" })]);
  const large = make("pattern", { id, width: 5, height: 5, patternUnits: "userSpaceOnUse" },
    [make("rect", { width: 5, height: 5, fill: `url(#${id}-1)` }), make("path", { class: "bold", d: "M5 0H0V5" })]);
  return [make("defs", {}, [small, large]), make("rect", { class: "paper", width: wide, height: high }),
    make("rect", { width: wide, height: high, fill: `url(#${id})` })];
}

// The time of the first beat that a lead shows from `from` seconds after its start, counted on by `shift` beats.
export function beatOf(ecg, lead, shift = 0, from = 0.15) {
  const trace = ecg.leads[lead];
  if (!trace) return null;
  const end = trace.start + trace.uv.length / trace.rate;
  const shown = ecg.beats.filter((at) => at >= trace.start + from && at < end - 0.1);
  return shown.length ? shown[Math.max(0, Math.min(shift, shown.length - 1))] : null;
}

// A lead from `start` seconds on as path data: 0 mV at `baseline`, all in mm; gaps stay gaps.
export function pathOf(trace, start, end, { x, baseline, speed, gain }) {
  let d = "", down = false;
  const first = Math.max(0, Math.floor((start - trace.start) * trace.rate));
  const last = Math.min(trace.uv.length, Math.ceil((end - trace.start) * trace.rate));
  for (let i = first; i < last; i++) {
    const value = trace.uv[i];
    if (value === null) { down = false; continue; }
    const at = x + (trace.start + i / trace.rate - start) * speed;
    d += `${down ? "L" : "M"}${at.toFixed(2)} ${(baseline - value / 1000 * gain).toFixed(2)}`;
    down = true;
  }
  return d;
}

// How far a stretch of a lead reaches above and below its baseline, in mV.
export function reach(trace, start, end) {
  let up = 0.3, down = 0.3;
  const first = Math.max(0, Math.floor((start - trace.start) * trace.rate));
  const last = Math.min(trace.uv.length, Math.ceil((end - trace.start) * trace.rate));
  for (let i = first; i < last; i++) {
    const value = (trace.uv[i] ?? 0) / 1000;
    if (value > up) up = value;
    if (-value > down) down = -value;
  }
  return { up: Math.min(up, 6), down: Math.min(down, 6) };
}
