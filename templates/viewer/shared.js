"use strict";
// What the page shows is in the element #data; everything from a text or a model reaches the page as text, never as markup.
const page = JSON.parse(document.getElementById("data").textContent);
const digits = (number) => number.toFixed(4);

// ---- colours: the same for every page; `asJson` and `paint` are the page's own

const isDark = () => document.documentElement.dataset.theme === "dark";

function colour(value, [low, high]) {
  const place = Math.min(1, Math.max(0, (value - low) / (high - low)));
  const middle = isDark() ? page.colours.dark : page.colours.light;
  const end = place >= 0.5 ? page.colours.open : page.colours.closed;
  const share = Math.abs(2 * place - 1);
  return middle.map((part, at) => Math.round(part + (end[at] - part) * share));
}

function ink(parts) {
  const linear = parts.map((part) => (part <= 10 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 ? "#000" : "#fff";
}

const css = (parts) => `rgb(${parts.join(", ")})`;

function shape(name, attributes, inside = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (inside) made.textContent = inside;
  return made;
}

// Pages that were opened from a file may not use the clipboard of newer browsers.
async function copy() {
  const text = JSON.stringify(asJson());
  const button = document.getElementById("copy");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "copied";
  setTimeout(() => (button.textContent = "copy as JSON"), 1500);
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches);
document.getElementById("theme").addEventListener("click", () => {
  setTheme(!isDark());
  paint();
});
document.getElementById("copy").addEventListener("click", copy);
