// Leads of the query and of a case under each other (or one over the other) at one scale, their beats aligned.
import { beatOf, make, paper, pathOf, reach } from "./drawing.js";
import { word } from "./words.js";

const LEFT = 8, RIGHT = 2, SECONDS = 10, LEAD_IN = 0.5;

export const wideOf = (speed) => LEFT + SECONDS * speed + RIGHT;

// Draw `state.leads` of `one` (and of `query`, where there is one) into `sheet`.
export function drawLeads(sheet, one, query, name, simulated, state) {
  const wide = wideOf(state.speed);
  const rows = state.leads.flatMap((lead) => rowsOf(lead, one, query, name, state));
  let high = 0;
  for (const row of rows) {
    row.baseline = high + row.up;
    high += row.up + row.down;
  }
  high = Math.max(20, Math.ceil(high + 2));
  const drawn = rows.flatMap((row) => drawRow(row, state));
  const label = word("rows_alt", { name, leads: state.leads.join(", ") });
  const stamp = simulated
    ? [make("text", { class: "stamp", x: wide / 2, y: high / 2, "text-anchor": "middle", "dominant-baseline": "central" }, ["SIMULATED"])] : [];
  const svg = make("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": label }, [...paper(wide, high), ...stamp, ...drawn]);
  sheet.replaceChildren(svg);
  Object.assign(sheet.dataset, { wide, high, speed: state.speed, gain: state.gain });
  sheet.style.setProperty("--wide", wide);
}

function rowsOf(lead, one, query, name, state) {
  const own = partOf(lead, one, name, "", state, state.shift);
  const asked = query && partOf(lead, query, word("query"), " of-query", state, 0);
  if (asked && state.over) return [room([asked, own], lead, state)];
  return (asked ? [asked, own] : [own]).map((part) => room([part], lead, state));
}

// One lead of one ECG: its stretch of time, which begins half a second before a beat where beats are aligned.
function partOf(lead, ecg, name, kind, state, shift) {
  const trace = ecg.leads[lead];
  const beat = trace && state.align ? beatOf(ecg, lead, shift) : null;
  const start = beat === null ? trace?.start ?? 0 : beat - LEAD_IN;
  return { lead, trace, name, kind, beat, start, end: start + SECONDS };
}

function room(parts, lead, { gain }) {
  const reaches = parts.filter((part) => part.trace).map((part) => reach(part.trace, part.start, part.end));
  const up = Math.max(...reaches.map((one) => one.up), 0.3), down = Math.max(...reaches.map((one) => one.down), 0.3);
  return { parts, lead, up: up * gain + 5, down: down * gain + 2 };
}

function drawRow({ parts, lead, up, down, baseline }, state) {
  const drawn = [];
  parts.forEach((part, i) => {
    const text = part.trace ? `${lead} · ${part.name}` : word("no_lead", { lead: `${lead} · ${part.name}` });
    drawn.push(make("text", { class: part.trace ? `lead-name${part.kind}` : "lead-none", x: 1.5 + i * 60, y: baseline - up + 4 }, [text]));
    if (!part.trace) return;
    const d = pathOf(part.trace, part.start, part.end, { x: LEFT, baseline, speed: state.speed, gain: state.gain });
    drawn.push(make("path", { class: `trace${part.kind}`, d }));
  });
  if (parts.some((part) => part.beat !== null)) {
    const x = LEFT + LEAD_IN * state.speed;
    drawn.unshift(make("line", { class: "peak", x1: x, x2: x, y1: baseline - up, y2: baseline + down }));
  }
  return drawn;
}
