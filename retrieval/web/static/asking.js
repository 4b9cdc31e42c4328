// Forms that search: a dropped or chosen file starts at once, and the wait is said.
import { say, word } from "./words.js";

export function asking(root) {
  for (const form of root.querySelectorAll("form[data-ask], .tries form")) {
    form.addEventListener("submit", () => wait(word("reading")));
  }
  for (const zone of root.querySelectorAll("[data-drop]")) dropZone(zone);
  window.addEventListener("pageshow", () => document.body.classList.remove("busy"));
}

function wait(text) {
  document.body.classList.add("busy");
  say(text);
}

function dropZone(zone) {
  const form = zone.closest("form");
  const picks = [...zone.querySelectorAll("[data-pick]")];
  const chosen = zone.querySelector("[data-chosen]");
  const start = (input) => {
    if (!input.files.length) return;
    for (const other of picks) if (other !== input) other.disabled = true; // one of the two is sent
    chosen.textContent = word("chosen", { name: input.files[0].name });
    form.requestSubmit();
    for (const other of picks) other.disabled = false;
  };
  for (const input of picks) input.addEventListener("change", () => start(input));
  for (const [name, over] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", over);
    });
  }
  zone.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    picks[0].files = event.dataTransfer.files;
    start(picks[0]);
  });
}
