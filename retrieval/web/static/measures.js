// Rate and intervals take a while: they are asked for when the answer stands, and put beside each case.
import { say, word } from "./words.js";

export async function measures(section) {
  const waiting = section.querySelector("[data-wait]");
  if (waiting) {
    waiting.setAttribute("aria-busy", "true");
    waiting.textContent = word("measuring");
    try {
      const reply = await fetch(section.dataset.measures, { credentials: "same-origin" });
      if (!reply.ok) throw new Error(reply.statusText);
      const made = document.createElement("template");
      made.innerHTML = await reply.text(); // our own server's, which escapes what came from elsewhere
      waiting.replaceWith(made.content);
    } catch {
      waiting.removeAttribute("aria-busy");
      waiting.textContent = word("failed");
      say(word("failed"));
      return;
    }
  }
  for (const row of section.querySelectorAll("[data-row]")) {
    const place = document.querySelector(`[data-measured="${CSS.escape(row.dataset.row)}"]`);
    if (place) place.textContent = row.dataset.line;
  }
}
