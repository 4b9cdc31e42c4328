"use strict";
// Filter, order and marks. Nothing is sent anywhere: "Save" hands the browser a file made here.
const items = document.getElementById("items");
const all = [...items.children];
const pick = (id) => document.getElementById(id);

function show() {
  const verdict = pick("verdict").value, mark = pick("marked").value;
  const words = pick("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const item of all) {
    const text = item.textContent.toLowerCase();
    item.hidden = Boolean(verdict && item.dataset.verdict !== verdict)
      || Boolean(mark && item.dataset.mark !== mark) || !words.every((word) => text.includes(word));
    shown += item.hidden ? 0 : 1;
  }
  pick("shown").textContent = shown + " of " + all.length;
}

function order() {
  const key = pick("order").value;
  const rank = (item) => Number(item.dataset.rank);
  all.sort((a, b) => (key === "rank" ? 0 : a.dataset[key].localeCompare(b.dataset[key])) || rank(a) - rank(b));
  items.append(...all);
}

function save() {
  const cell = (text) => '"' + text.replaceAll('"', '""') + '"';
  const lines = ["file,mark,note"];
  for (const item of all) {
    const mark = item.querySelector(".choice select").value, note = item.querySelector(".choice input").value;
    if (mark !== "open" || note) lines.push([item.dataset.file, mark, note].map(cell).join(","));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
  link.download = "marks.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}

for (const item of all) {
  item.querySelector(".choice").hidden = false;
  item.querySelector(".said").hidden = true;
  item.querySelector(".choice select").addEventListener("change", (event) => {
    item.dataset.mark = event.target.value;
    show();
  });
}
for (const id of ["verdict", "marked"]) pick(id).addEventListener("change", show);
pick("words").addEventListener("input", show);
pick("order").addEventListener("change", order);
pick("save").addEventListener("click", save);
pick("tools").addEventListener("submit", (event) => event.preventDefault());
pick("tools").hidden = false;
show();
