// The texts of the visitor's language, which the server put on the page, and what is said to screen readers.
const texts = JSON.parse(document.body.dataset.words);

export function word(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function number(value, digits = 0) {
  return value.toLocaleString(texts.language, {
    minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false,
  });
}

export function say(text) {
  document.getElementById("live").textContent = text;
}
