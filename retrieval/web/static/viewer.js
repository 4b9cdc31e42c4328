// How the ECGs of an answer are shown: whole pages or lead by lead, all at one zoom and scrolled together.
import { calipers, place, remove } from "./calipers.js";
import { drawLeads, wideOf } from "./leads.js";
import { number, say, word } from "./words.js";

const ZOOMS = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16];
const KEPT = "nearbeat.view";

export function viewer(answer) {
  const tools = document.querySelector("[data-tools]");
  const figures = [...document.querySelectorAll("figure.ecg")];
  if (!tools || !figures.length) return;
  tools.hidden = false;
  const reading = tools.querySelector("[data-reading]");
  const tell = (text) => { reading.textContent = text; };
  const state = { view: "page", leads: [], speed: 25, gain: 10, zoom: null, align: true, over: false, shift: 0, measure: false };
  const ecgs = new Map(); // address -> promise of its traces
  restore(tools, state);

  const traces = (address) => {
    if (!ecgs.has(address)) {
      ecgs.set(address, fetch(address, { credentials: "same-origin" }).then((reply) => reply.ok ? reply.json() : null));
    }
    return ecgs.get(address);
  };
  const asked = figures.find((figure) => figure.dataset.ecg.endsWith("/query.json"));

  const zoom = () => {
    const shown = figures.filter((figure) => figure.offsetParent !== null);
    const wide = state.view === "page" ? 256 : wideOf(state.speed);
    const room = Math.min(...shown.map((figure) => figure.clientWidth - 2)); // less the frame's border
    const fit = Number.isFinite(room) && room > 0 ? room / wide : 2.6;
    const chosen = state.zoom ?? fit;
    document.documentElement.style.setProperty("--zoom", chosen);
    tools.querySelector("[data-zoomed]").textContent = `${number(chosen, 1)} px/mm`;
    return chosen;
  };
  const show = () => {
    read(tools, state);
    remove();
    answer.classList.toggle("leads", state.view === "leads");
    for (const part of tools.querySelectorAll("[data-leads]")) part.hidden = state.view !== "leads";
    document.body.classList.toggle("measuring", state.measure);
    tools.querySelector("[data-calipers]").setAttribute("aria-pressed", String(state.measure));
    document.documentElement.style.setProperty("--tools", getComputedStyle(tools).position === "sticky" ? `${tools.offsetHeight}px` : "0px");
    for (const figure of figures) layOut(figure);
    zoom();
    sessionStorage.setItem(KEPT, JSON.stringify(state));
  };
  const layOut = (figure) => {
    const [page, rows] = sheetsOf(figure);
    const leads = state.view === "leads";
    page.hidden = leads;
    rows.hidden = !leads;
    const scale = leads ? `${number(state.speed, state.speed % 1 ? 1 : 0)} mm/s · ${state.gain} mm/mV` : "25 mm/s · 10 mm/mV";
    figure.querySelector("[data-scale]").textContent = scale;
    rows.dataset.stale = "1";
    if (leads) near.observe(figure);
    else near.unobserve(figure);
  };
  const draw = async (figure) => {
    const rows = sheetsOf(figure)[1];
    if (state.view !== "leads" || rows.dataset.stale !== "1") return;
    rows.dataset.stale = "";
    const [one, query] = await Promise.all([traces(figure.dataset.ecg), asked && asked !== figure ? traces(asked.dataset.ecg) : null]);
    if (!one || !Object.keys(one.leads).length) {
      sheetsOf(figure)[0].hidden = false;
      rows.hidden = true;
      return;
    }
    const usable = query && Object.keys(query.leads).length ? query : null;
    drawLeads(rows, one, usable, figure.dataset.name, figure.closest(".made") !== null, state);
    rows.dataset.traced = usable?.traced ? word("traced") : "";
    zoom();
  };
  const near = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) draw(one.target);
  }, { rootMargin: "400px" });

  for (const figure of figures) addPlace(figure, () => {
    state.measure = true;
    document.body.classList.add("measuring");
    tools.querySelector("[data-calipers]").setAttribute("aria-pressed", "true");
    place(sheetsOf(figure).find((sheet) => !sheet.hidden), tell);
  });
  const redraw = () => {
    show();
    for (const figure of figures) if (closeBy(figure)) draw(figure);
  };
  tools.addEventListener("change", redraw);
  tools.addEventListener("click", (event) => { if (pressed(event.target, state, tools, zoom)) redraw(); });
  calipers(document, () => state.measure, tell);
  lockScroll(figures);
  new ResizeObserver(() => zoom()).observe(answer);
  redraw();
  // Once the page stands, the rest of the drawings is fetched too, so that a print shows them all.
  addEventListener("load", () => setTimeout(() => { for (const one of document.querySelectorAll("img[loading]")) one.loading = "eager"; }, 1500));
}

function sheetsOf(figure) {
  const page = figure.querySelector("[data-sheet]");
  let rows = figure.querySelector("[data-rows]");
  if (!rows) {
    rows = document.createElement("div");
    rows.className = "sheet";
    Object.assign(rows.dataset, { sheet: "", rows: "" });
    page.style.setProperty("--wide", page.dataset.wide);
    page.after(rows);
  }
  return [page, rows];
}

function closeBy(figure) {
  const box = figure.getBoundingClientRect();
  return box.bottom > -400 && box.top < innerHeight + 400;
}

// A button of the tools: what it changes in `state`; true where the ECGs are to be drawn anew.
function pressed(target, state, tools, zoom) {
  const button = target.closest("button");
  if (!button) return false;
  const data = button.dataset;
  if ("calipers" in data) state.measure = !state.measure;
  else if ("beat" in data) state.shift = Math.max(0, state.shift + Number(data.beat));
  else if ("all" in data) for (const box of tools.querySelectorAll("[name=lead]")) box.checked = true;
  else if ("zoom" in data) {
    const now = zoom(), way = Number(data.zoom);
    if (way === 0) state.zoom = null;
    else state.zoom = (way > 0 ? ZOOMS.find((one) => one > now + 0.01) : ZOOMS.findLast((one) => one < now - 0.01)) ?? now;
    say(`${number(zoom(), 1)} px/mm`);
  }
  return true;
}

function read(tools, state) {
  const form = (name) => tools.querySelector(`[name=${name}]`);
  state.view = tools.querySelector("[name=view]:checked").value;
  state.leads = [...tools.querySelectorAll("[name=lead]:checked")].map((box) => box.value);
  state.speed = Number(form("speed").value);
  state.gain = Number(form("gain").value);
  state.align = form("align").checked;
  state.over = form("over").checked;
}

// What was chosen for the last answer of this tab; speed and gain follow each query.
function restore(tools, state) {
  state.measure = matchMedia("(pointer: fine)").matches;
  if (innerWidth < 700) state.zoom = 2.5;
  let kept = null;
  try { kept = JSON.parse(sessionStorage.getItem(KEPT)); } catch { /* nothing was kept that can be used */ }
  if (!kept) return;
  for (const box of tools.querySelectorAll("[name=view]")) box.checked = box.value === kept.view;
  for (const box of tools.querySelectorAll("[name=lead]")) box.checked = kept.leads.includes(box.value);
  tools.querySelector("[name=align]").checked = kept.align;
  tools.querySelector("[name=over]").checked = kept.over;
  Object.assign(state, { zoom: kept.zoom, measure: kept.measure });
}

function addPlace(figure, placed) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = word("place");
  button.dataset.place = "";
  button.addEventListener("click", placed);
  figure.querySelector("figcaption").append(button);
}

function lockScroll(figures) {
  const frames = figures.map((figure) => figure.querySelector(".frame"));
  for (const frame of frames) {
    frame.addEventListener("scroll", () => {
      for (const other of frames) if (other !== frame && other.scrollLeft !== frame.scrollLeft) other.scrollLeft = frame.scrollLeft;
    }, { passive: true });
  }
}
