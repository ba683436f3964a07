// A list of documents, each with a strip of its layers; an opened one shows its text and its tokens.
const bytesOf = (packed) => Array.from(atob(packed), (character) => character.charCodeAt(0) / 255);
const documents = page.sample.map((one) => ({ ...one, map: one.map && bytesOf(one.map) }));
const hasVerdicts = page.histogram.kept.length > 0;
const state = { column: page.score, down: true, show: "", stretch: false, opened: new Set() };
const shown = (number) => (number === null ? "none" : digits(number));

// name, what it sorts by, how it is written; texts come from strangers and are set as text
const columns = [
  ...(hasVerdicts ? [["verdict", (one) => one.verdict, (one) => one.verdict]] : []),
  [page.score, (one) => one.score ?? -Infinity, (one) => shown(one.score)],
  ["id", (one) => one.id, (one) => one.id],
  ["source", (one) => one.source, (one) => one.source],
  ["tokens", (one) => one.tokens, (one) => String(one.tokens)],
  ["perplexity", (one) => one.perplexity ?? Infinity, (one) => (one.perplexity === null ? "none" : one.perplexity.toFixed(2))],
  ["layers", (one) => one.layers.reduce((sum, each) => sum + each, 0), null],
  ["text", (one) => one.text, (one) => one.text],
];
const isNumber = new Set([page.score, "tokens", "perplexity"]);

function range() {
  if (!state.stretch) return [0, 1];
  const every = documents.flatMap((one) => one.layers.concat(one.map || []));
  const low = every.reduce((one, other) => Math.min(one, other), Infinity);
  const high = every.reduce((one, other) => Math.max(one, other), -Infinity);
  return low < high ? [low, high] : [0, 1];
}

// Columns of values, the first row at the bottom, as layers are drawn.
function drawn(values, width, height, cellWidth, cellHeight, label) {
  const canvas = document.createElement("canvas");
  canvas.width = width * cellWidth;
  canvas.height = height * cellHeight;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  const brush = canvas.getContext("2d");
  const over = range();
  values.forEach((value, at) => {
    brush.fillStyle = css(colour(value, over));
    const row = Math.floor(at / width);
    brush.fillRect((at % width) * cellWidth, (height - 1 - row) * cellHeight, cellWidth, cellHeight);
  });
  return canvas;
}

function cellOf(name, read, write, one) {
  const cell = document.createElement("td");
  if (write === null) {
    const numbers = one.layers.map((value, at) => `${page.layers[at]}: ${digits(value)}`).join(", ");
    cell.append(drawn(one.layers, one.layers.length, 1, 6, 16, numbers));
    cell.title = numbers;
  } else cell.textContent = write(one);
  if (isNumber.has(name)) cell.className = "number";
  if (name === "verdict") cell.className = "verdict";
  if (name === "text") cell.className = "beginning";
  return cell;
}

function rowOf(one) {
  const row = document.createElement("tr");
  row.className = `document ${one.verdict && one.verdict !== "kept" ? "dropped" : ""}`;
  row.tabIndex = 0;
  row.setAttribute("aria-expanded", String(state.opened.has(one)));
  row.append(...columns.map(([name, read, write]) => cellOf(name, read, write, one)));
  const toggle = () => {
    if (!state.opened.delete(one)) state.opened.add(one);
    paint();
    [...document.querySelectorAll("tr.document")].find((each) => each.dataset.at === row.dataset.at)?.focus();
  };
  row.addEventListener("click", toggle);
  row.addEventListener("keydown", (event) => {
    if (event.key === "Enter") toggle();
  });
  row.dataset.at = String(documents.indexOf(one));
  return row;
}

function detailsOf(one) {
  const row = document.createElement("tr");
  const cell = document.createElement("td");
  cell.colSpan = columns.length;
  if (one.text) {
    const text = document.createElement("div");
    text.className = "whole";
    text.dir = "auto";
    text.textContent = one.text;
    cell.append(text);
  }
  if (one.map) {
    const height = page.layers.length;
    const width = one.map.length / height;
    const label = `good ratios: ${height} layers, the first at the bottom; ${one.tokens} tokens in ${width} columns`;
    const name = document.createElement("p");
    name.className = "hint";
    name.textContent = label;
    cell.append(name, drawn(one.map, width, height, 8, Math.max(3, Math.min(12, Math.floor(240 / height))), label));
  }
  if (!one.text && !one.map) cell.textContent = "no text and no scores of tokens were kept (to keep them, score with --tokens)";
  row.append(cell);
  return row;
}

function listed() {
  const [, read] = columns.find(([name]) => name === state.column);
  const order = (one, other) => (read(one) < read(other) ? -1 : read(one) > read(other) ? 1 : 0);
  const found = documents.filter((one) => !state.show || one.verdict === state.show);
  return found.sort((one, other) => (state.down ? order(other, one) : order(one, other)));
}

function paintHead() {
  const heads = columns.map(([name]) => {
    const head = document.createElement("th");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    head.setAttribute("aria-sort", name !== state.column ? "none" : state.down ? "descending" : "ascending");
    if (name === state.column) button.textContent += state.down ? " \u2193" : " \u2191";
    button.addEventListener("click", () => {
      state.down = name === state.column ? !state.down : isNumber.has(name);
      state.column = name;
      paint();
    });
    head.append(button);
    return head;
  });
  document.querySelector("#documents thead tr").replaceChildren(...heads);
}

function paintHistogram() {
  const { edges, counts, kept } = page.histogram;
  const [width, height] = [720, 120];
  const most = Math.max(1, ...counts);
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height + 16}`, role: "img" });
  const what = hasVerdicts ? "documents, and of them the kept ones in orange" : "documents";
  svg.append(shape("title", {}, `${what}, by ${page.score}`));
  counts.forEach((count, at) => {
    const x = (width / counts.length) * at;
    for (const [name, number] of [["bar", count], ["bar kept", hasVerdicts ? kept[at] : 0]]) {
      const size = (height * number) / most;
      const bar = shape("rect", { class: name, x, y: height - size, width: width / counts.length - 1, height: size });
      bar.append(shape("title", {}, `${shown(edges[at])} to ${shown(edges[at + 1])}: ${count}${hasVerdicts ? `, ${kept[at]} kept` : ""}`));
      if (number) svg.append(bar);
    }
  });
  svg.append(shape("text", { x: 0, y: height + 12 }, shown(edges[0])));
  svg.append(shape("text", { x: width, y: height + 12, "text-anchor": "end" }, shown(edges[edges.length - 1])));
  document.getElementById("histogram").replaceChildren(svg);
  document.getElementById("histogram-name").textContent = `All documents by ${page.score}`;
}

function paint() {
  paintHead();
  const rows = listed().flatMap((one) => (state.opened.has(one) ? [rowOf(one), detailsOf(one)] : [rowOf(one)]));
  document.querySelector("#documents tbody").replaceChildren(...rows);
}

// The documents as they are listed, with the numbers that the page shows, to the digits that it shows.
function asJson() {
  return listed().map(({ map, ...one }) => ({
    ...one,
    score: one.score === null ? null : Number(digits(one.score)),
    layers: one.layers.map((value) => Number(digits(value))),
  }));
}

const kept = hasVerdicts ? `, ${page.kept.toLocaleString("en")} kept` : "";
const sampled = documents.length < page.documents ? `; ${documents.length} at evenly spaced ranks are listed` : "";
document.getElementById("counts").textContent = `${page.documents.toLocaleString("en")} documents${kept}${sampled}.`;
for (const verdict of [...new Set(documents.map((one) => one.verdict))].filter(Boolean).sort()) {
  document.getElementById("show").append(new Option(verdict, verdict));
}
document.getElementById("show").parentElement.hidden = !hasVerdicts;
document.getElementById("show").addEventListener("change", (event) => {
  state.show = event.target.value;
  paint();
});
document.getElementById("stretch").addEventListener("change", (event) => {
  state.stretch = event.target.checked;
  paint();
});
paintHistogram();
paint();
