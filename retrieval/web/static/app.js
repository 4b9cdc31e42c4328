// What every page loads; each part takes hold of what is there, and a page without scripts works all the same.
import { asking } from "./asking.js";
import { corners } from "./corners.js";
import { measures } from "./measures.js";
import { viewer } from "./viewer.js";

document.documentElement.classList.add("js");
if (navigator.maxTouchPoints > 0) document.documentElement.classList.add("touch");
asking(document);
for (const easel of document.querySelectorAll("[data-corners]")) corners(easel);
for (const answer of document.querySelectorAll("[data-answer]")) viewer(answer);
for (const section of document.querySelectorAll("[data-measures]")) measures(section);
