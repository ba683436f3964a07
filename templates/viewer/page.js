const measure = page.measure;
const valueOf = (score) => (measure.plain ? score : 1 / (1 + Math.exp(-score)));

function floats(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(4 * at, true));
}

const mean = (numbers) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

// A panel as the rest of this script reads it: scores and values have a list for each row, the first of which is the mean.
const panels = page.panels.map((packed, number) => {
  const all = floats(packed.scores);
  const width = packed.tokens.length;
  const rows = packed.rows.map((_, row) => Array.from(all.subarray(row * width, (row + 1) * width)));
  const values = rows.map((row) => row.map(valueOf));
  const overRows = (lists) => packed.tokens.map((_, token) => mean(lists.map((list) => list[token])));
  return {
    ...packed,
    names: [`mean of ${rows.length}`, ...packed.rows],
    scores: [overRows(rows), ...rows],
    values: [overRows(values), ...values],
    element: document.querySelectorAll(".panel")[number],
    spans: [],
    chosen: 0,
  };
});
const state = { row: 0, stretch: false };
const rowOf = (panel) => Math.min(state.row, panel.rows.length); // models may have different numbers of rows
const mostRows = Math.max(...panels.map((panel) => panel.rows.length));

// ---- colours

function range() {
  if (!state.stretch) return [measure.low, measure.high];
  const every = panels.flatMap((panel) => panel.values.slice(1));
  const low = Math.min(...every.map((row) => row.reduce((one, other) => Math.min(one, other), Infinity)));
  const high = Math.max(...every.map((row) => row.reduce((one, other) => Math.max(one, other), -Infinity)));
  return low < high ? [low, high] : [measure.low, measure.high];
}

// ---- text

function buildText(panel) {
  const box = panel.element.querySelector(".text");
  box.replaceChildren();
  for (const [text, tokens] of panel.pieces) {
    const span = document.createElement("span");
    if (text) span.textContent = text;
    else {
      span.dataset.shown = panel.tokens[tokens[0]][1];
      span.classList.add("chip");
    }
    if (tokens.length) {
      span.classList.add("token");
      span.dataset.token = tokens[0];
      panel.spans.push({ span, tokens });
      span.addEventListener("mouseenter", (event) => showTip(panel, tokens, event));
      span.addEventListener("mousemove", moveTip);
      span.addEventListener("mouseleave", hideTip);
      span.addEventListener("click", () => choose(panel, tokens[0]));
    }
    box.append(span);
  }
  box.addEventListener("keydown", (event) => onKey(panel, event));
}

function paintText(panel, over) {
  for (const { span, tokens } of panel.spans) {
    const parts = colour(mean(tokens.map((token) => panel.values[rowOf(panel)][token])), over);
    span.style.backgroundColor = css(parts);
    span.style.color = ink(parts);
  }
}

// ---- what is said of a token

function describe(panel, token, row = rowOf(panel)) {
  const [id, shown] = panel.tokens[token];
  const lines = [
    `token ${token}: ${shown}`,
    `id: ${id}`,
    panel.names[row],
    `${measure.score}: ${digits(panel.scores[row][token])}`,
  ];
  if (!measure.plain) lines.push(`${measure.value}: ${digits(panel.values[row][token])}`);
  for (const [name, numbers] of Object.entries(panel.numbers)) {
    lines.push(`${name}: ${numbers[token] === null ? "none" : digits(numbers[token])}`);
  }
  return lines.concat(panel.notes.length ? panel.notes[token] : []);
}

const tip = document.getElementById("tip");

function showTip(panel, tokens, event, row = rowOf(panel)) {
  tip.textContent = tokens.map((token) => describe(panel, token, row).join("\n")).join("\n\n");
  tip.hidden = false;
  moveTip(event);
}

function moveTip(event) {
  const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
  const below = event.clientY + 18;
  const top = below + tip.offsetHeight > window.innerHeight ? event.clientY - tip.offsetHeight - 10 : below;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function hideTip() {
  tip.hidden = true;
}

function choose(panel, token) {
  panel.chosen = Math.min(Math.max(token, 0), panel.tokens.length - 1);
  for (const { span, tokens } of panel.spans) span.classList.toggle("chosen", tokens.includes(panel.chosen));
  panel.element.querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
  panel.element.querySelector(".status").textContent = describe(panel, panel.chosen).join(" · ");
}

function onKey(panel, event) {
  const last = panel.tokens.length - 1;
  const steps = {
    ArrowRight: () => choose(panel, panel.chosen + 1),
    ArrowLeft: () => choose(panel, panel.chosen - 1),
    Home: () => choose(panel, 0),
    End: () => choose(panel, last),
    ArrowUp: () => setRow(state.row + 1),
    ArrowDown: () => setRow(state.row - 1),
    0: () => setRow(0),
  };
  if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  steps[event.key]();
  choose(panel, panel.chosen);
}

// ---- heat map: the first row at the bottom, as layers are drawn

function cell(panel) {
  const width = Math.max(1, Math.min(14, Math.floor(16000 / panel.tokens.length)));
  return [width, Math.max(4, Math.min(14, Math.floor(480 / panel.rows.length)))];
}

function paintMap(panel, over) {
  const canvas = panel.element.querySelector(".map");
  const [width, height] = cell(panel);
  canvas.width = width * panel.tokens.length;
  canvas.height = height * panel.rows.length;
  const brush = canvas.getContext("2d");
  panel.values.slice(1).forEach((row, at) => {
    row.forEach((value, token) => {
      brush.fillStyle = css(colour(value, over));
      brush.fillRect(token * width, (panel.rows.length - 1 - at) * height, width, height);
    });
  });
  if (state.row) {
    brush.strokeStyle = isDark() ? "#fff" : "#000";
    brush.strokeRect(0.5, (panel.rows.length - rowOf(panel)) * height + 0.5, canvas.width - 1, height - 1);
  }
}

function onMap(panel, event) {
  const [width, height] = cell(panel);
  const token = Math.min(Math.floor(event.offsetX / width), panel.tokens.length - 1);
  const row = panel.rows.length - Math.min(Math.floor(event.offsetY / height), panel.rows.length - 1);
  return [Math.max(0, token), Math.max(1, row)];
}

function listenToMap(panel) {
  const canvas = panel.element.querySelector(".map");
  canvas.addEventListener("mousemove", (event) => {
    const [token, row] = onMap(panel, event);
    showTip(panel, [token], event, row);
  });
  canvas.addEventListener("mouseleave", hideTip);
  canvas.addEventListener("click", (event) => {
    const [token, row] = onMap(panel, event);
    setRow(row);
    choose(panel, token);
  });
}

// ---- distribution: five quantiles of each row, and the histogram of the one that is chosen

function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.ceil(place);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

function paintSpread(panel, [low, high]) {
  const left = 70;
  const width = 400;
  const line = 11;
  const x = (value) => left + (width * (Math.min(high, Math.max(low, value)) - low)) / (high - low);
  const bars = 46;
  const height = panel.names.length * line + bars + 24;
  const svg = shape("svg", { viewBox: `0 0 ${left + width + 12} ${height}`, role: "img" });
  svg.append(shape("title", {}, `${measure.value}: quantiles 5, 25, 50, 75 and 95 of a hundred, for each row`));
  panel.names.forEach((name, row) => {
    const sorted = [...panel.values[row]].sort((one, other) => one - other);
    const [p5, p25, p50, p75, p95] = [0.05, 0.25, 0.5, 0.75, 0.95].map((share) => x(quantile(sorted, share)));
    const y = (panel.names.length - row) * line - line / 2;
    const group = shape("g", { class: row === rowOf(panel) ? "row chosen" : "row" });
    group.append(shape("text", { x: left - 6, y: y + 3, "text-anchor": "end" }, name));
    group.append(shape("line", { class: "range", x1: p5, x2: p95, y1: y, y2: y }));
    group.append(shape("rect", { class: "box", x: p25, y: y - 3.5, width: Math.max(0.5, p75 - p25), height: 7 }));
    group.append(shape("line", { class: "middle", x1: p50, x2: p50, y1: y - 4, y2: y + 4 }));
    svg.append(group);
  });
  const counts = new Array(20).fill(0);
  for (const value of panel.values[rowOf(panel)]) {
    counts[Math.min(19, Math.max(0, Math.floor((20 * (value - low)) / (high - low))))] += 1;
  }
  const bottom = height - 12;
  counts.forEach((count, at) => {
    const size = ((bars - 6) * count) / Math.max(...counts);
    svg.append(shape("rect", { class: "bar", x: left + (width / 20) * at + 1, y: bottom - size, width: width / 20 - 2, height: size }));
  });
  svg.append(shape("text", { x: left, y: height - 2 }, digits(low)));
  svg.append(shape("text", { x: left + width, y: height - 2, "text-anchor": "end" }, digits(high)));
  panel.element.querySelector(".spread").replaceChildren(svg);
}

// ---- the whole

function paint() {
  const over = range();
  for (const panel of panels) {
    paintText(panel, over);
    paintMap(panel, over);
    paintSpread(panel, over);
  }
  const bar = document.getElementById("legend-bar");
  const brush = bar.getContext("2d");
  for (let at = 0; at < bar.width; at += 1) {
    brush.fillStyle = css(colour(over[0] + ((over[1] - over[0]) * (at + 0.5)) / bar.width, over));
    brush.fillRect(at, 0, 1, bar.height);
  }
  document.getElementById("legend-low").textContent = `${digits(over[0])} ${measure.closed}`;
  document.getElementById("legend-high").textContent = `${digits(over[1])} ${measure.open}`;
  document.getElementById("legend").setAttribute("aria-label", `${measure.value}: blue is ${measure.closed}, orange is ${measure.open}`);
}

const slider = document.getElementById("row");

function setRow(row) {
  state.row = Math.min(Math.max(row, 0), mostRows);
  slider.value = state.row;
  const named = panels.find((panel) => panel.rows.length === mostRows).names[state.row];
  document.getElementById("row-name").textContent = named;
  slider.setAttribute("aria-valuetext", named);
  paint();
}

// The panels with the numbers that the page shows, to the digits that it shows.
function asJson() {
  const rounded = (numbers) => numbers.map((number) => (number === null ? null : Number(digits(number))));
  return panels.map((panel) => ({
    title: panel.title,
    text: panel.pieces.map(([text]) => text).join(""),
    tokens: panel.tokens.map(([id, shown, text]) => ({ id, shown, text })),
    rows: panel.rows,
    [measure.score]: panel.scores.slice(1).map(rounded),
    ...(measure.plain ? {} : { [measure.value]: panel.values.slice(1).map(rounded) }),
    ...Object.fromEntries(Object.entries(panel.numbers).map(([name, numbers]) => [name, rounded(numbers)])),
    ...(panel.notes.length ? { notes: panel.notes } : {}),
  }));
}

slider.max = mostRows;
for (const panel of panels) {
  buildText(panel);
  listenToMap(panel);
}
slider.addEventListener("input", () => setRow(Number(slider.value)));
document.getElementById("stretch").addEventListener("change", (event) => {
  state.stretch = event.target.checked;
  paint();
});
setRow(0);
