// The four corners of what is to be read, dragged on the picture or moved by the arrow keys.
import { make } from "./drawing.js";
import { number, word } from "./words.js";

const TURNS = { 1: (w, h) => [0, -1, 1, 0, 0, w], 2: (w, h) => [-1, 0, 0, -1, w, h], 3: (w, h) => [0, 1, -1, 0, h, 0] };
const TARGET_PX = 13;

export function corners(easel) {
  const svg = easel.querySelector("svg"), group = svg.querySelector("[data-turned]"), quad = svg.querySelector("[data-quad]");
  const wide = Number(svg.dataset.wide), high = Number(svg.dataset.high);
  const form = easel.closest("form"), use = form.querySelector("[data-use]"), turns = form.querySelector("[data-turns]");
  const inputs = [0, 1, 2, 3].map((i) => ["x", "y"].map((axis) => form.elements[`${axis}${i}`]));
  const circles = inputs.map((_, i) => make("circle", { class: "corner", tabindex: 0, role: "button", "data-corner": i }));
  group.append(...circles);

  const points = () => inputs.map(([x, y]) => [Number(x.value), Number(y.value)]);
  const draw = () => {
    const scale = group.getScreenCTM(), radius = TARGET_PX / (Math.hypot(scale.a, scale.b) || 1);
    quad.setAttribute("points", points().map((point) => point.join(",")).join(" "));
    points().forEach(([x, y], i) => {
      for (const [name, value] of [["cx", x], ["cy", y], ["r", radius]]) circles[i].setAttribute(name, value);
      circles[i].setAttribute("aria-label", word("corner", { n: i + 1, x: number(x), y: number(y) }));
    });
  };
  const move = (i, x, y) => {
    inputs[i][0].value = Math.max(0, Math.min(x, wide)).toFixed(1);
    inputs[i][1].value = Math.max(0, Math.min(y, high)).toFixed(1);
    use.checked = true;
    draw();
  };
  const turn = () => {
    const quarter = Number(turns.value) % 4, lying = quarter % 2 === 1;
    svg.setAttribute("viewBox", lying ? `0 0 ${high} ${wide}` : `0 0 ${wide} ${high}`);
    if (quarter) group.setAttribute("transform", `matrix(${TURNS[quarter](wide, high).join(" ")})`);
    else group.removeAttribute("transform");
    draw();
  };
  circles.forEach((circle, i) => {
    circle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      circle.focus();
      circle.setPointerCapture(event.pointerId);
    });
    circle.addEventListener("pointermove", (event) => {
      if (!circle.hasPointerCapture(event.pointerId)) return;
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(group.getScreenCTM().inverse());
      move(i, at.x, at.y);
    });
    circle.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!way) return;
      event.preventDefault();
      const far = (event.shiftKey ? 0.02 : 0.004) * Math.max(wide, high);
      const [dx, dy] = asSeen(way, Number(turns.value) % 4); // the key's way on the screen, whichever way up it lies
      const [x, y] = points()[i];
      move(i, x + dx * far, y + dy * far);
    });
  });
  for (const pair of inputs) for (const input of pair) input.addEventListener("input", () => { use.checked = true; draw(); });
  turns.addEventListener("change", turn);
  new ResizeObserver(draw).observe(easel);
  turn();
}

function asSeen([dx, dy], quarter) {
  return [[dx, dy], [-dy, dx], [-dx, -dy], [dy, -dx]][quarter];
}
