const drawn = JSON.parse(document.getElementById("drawn").textContent);
const $ = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll(".card")];
const reads = (number) => Math.abs(number) < 1000 && Math.abs(number) >= 0.001 || !number ? String(+number.toPrecision(3)) : number.toExponential(0);

function svg(name, attributes, parent, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function element(name, text, parent) {
  const node = document.createElement(name);
  node.textContent = text;
  parent.append(node);
  return node;
}

/* A line chart into a box. series: [{name, points: [[x, y, low, high], ...]}], y null where there is none.
   options: title, x (label), words (of the ticks along x), log (y is a log10), low and high (of y), mark (an x). */
function chart(box, series, options) {
  box.replaceChildren();
  const width = Math.max(260, Math.min(box.clientWidth || 560, 640)), foot = options.words ? 74 : 40;
  const height = 190 + foot, left = 46, right = 12, top = options.title ? 46 : 28;
  const all = series.flatMap((s) => s.points).filter((p) => p[1] !== null);
  if (!all.length) return;
  const xs = all.map((p) => p[0]), ys = all.flatMap((p) => p.slice(1));
  const x0 = Math.min(...xs), x1 = options.words ? options.words.length - 1 : Math.max(...xs);
  let y0 = options.low ?? Math.min(...ys), y1 = options.high ?? Math.max(...ys);
  if (options.log) [y0, y1] = [Math.floor(y0), Math.max(Math.ceil(y1), Math.floor(y0) + 1)];
  else if (y1 - y0 < 1e-9) [y0, y1] = [y0 - 0.5, y1 + 0.5];
  const X = (x) => left + (x - x0) / (x1 - x0 || 1) * (width - left - right);
  const Y = (y) => height - foot - (y - y0) / (y1 - y0) * (height - foot - top);
  const said = series.map((s) => `${s.name} from ${value(s.points[0][1])} to ${value(s.points.at(-1)[1])}`).join("; ");
  function value(y) { return y === null ? "nothing" : reads(options.log ? 10 ** y : y); }
  const root = svg("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${options.title || options.what}: ${said}`}, box);
  if (options.title) svg("text", {x: 0, y: 14, "font-weight": 600}, root, options.title);
  ticks(y0, y1, options.log).forEach((y) => {
    svg("line", {x1: left, x2: width - right, y1: Y(y), y2: Y(y), class: "axis"}, root);
    svg("text", {x: left - 6, y: Y(y) + 4, "text-anchor": "end", class: "soft"}, root, value(y));
  });
  if (options.words) options.words.forEach((word, k) => svg("text", {
    transform: `translate(${X(k) + 4},${height - foot + 14}) rotate(-45)`, "text-anchor": "end"}, root, word.slice(0, 11)));
  else {
    ticks(x0, x1, true).forEach((x) => svg("text", {x: X(x), y: height - foot + 16, "text-anchor": "middle", class: "soft"}, root, x));
    svg("text", {x: (left + width) / 2, y: height - 6, "text-anchor": "middle", class: "soft"}, root, options.x);
  }
  if (options.mark !== undefined && options.mark <= x1) svg("line", {x1: X(options.mark), x2: X(options.mark), y1: top, y2: height - foot, class: "mark"}, root);
  let at = left;
  series.forEach((s, k) => {
    const points = s.points.filter((p) => p[1] !== null), path = (p, y) => `${X(p[0]).toFixed(1)},${Y(y).toFixed(1)}`;
    if (points.length && points[0].length > 2) svg("polygon", {class: `s${k} band`, points:
      [...points.map((p) => path(p, p[2])), ...points.map((p) => path(p, p[3])).reverse()].join(" ")}, root);
    svg("polyline", {class: `s${k} curve`, points: points.map((p) => path(p, p[1])).join(" ")}, root);
    if (points.length < 40) points.forEach((p) => svg("title", {}, svg("circle", {cx: X(p[0]), cy: Y(p[1]), r: 3, class: `s${k} dot`}, root),
      `${s.name}: ${value(p[1])}`));
    svg("line", {x1: at, x2: at + 18, y1: top - 14, y2: top - 14, class: `s${k} curve`}, root);
    const label = svg("text", {x: at + 22, y: top - 10, class: `s${k} label`}, root, s.name);
    at += 34 + (label.getComputedTextLength() || 7 * s.name.length);
  });
}

function ticks(low, high, whole) {
  const steps = [1, 2, 5].flatMap((m) => Array.from({length: 13}, (_, e) => m * 10 ** (e - 6))).sort((a, b) => a - b);
  const step = steps.find((s) => (high - low) / s <= 5 && (!whole || s >= 1)) || 1;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({length: Math.max(1, Math.floor(high / step + 1e-9) - first + 1)}, (_, k) => +((first + k) * step).toPrecision(8));
}

function drawOverview() {
  const box = $("curves");
  box.replaceChildren();
  const places = drawn.charts.map(() => box.appendChild(document.createElement("div")));     // all there before one is measured
  drawn.charts.forEach((c, k) => chart(places[k], c.series, {title: c.title, x: c.x}));
  const names = {dh: drawn.fading.dc.length ? "hidden state h" : "state h", dc: "cell state c", dx: "vector of a word"};
  chart($("fading"), Object.keys(names).filter((key) => drawn.fading[key].length).map((key) => ({
    name: names[key], points: drawn.fading[key].map(([low, middle, high], back) => [back, middle, low, high])})),
    {title: "Share of the gradient left", x: "words back from the last", log: true});
}

/* The beam as a tree: columns are steps, a node's first child goes on in its row, the caption in the first. */
function drawBeam(box, image, now) {
  box.replaceChildren();
  const children = new Map([[-1, []]]), rows = [], columns = [], depth = [], chosen = new Set(image.chosen);
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "bold 12px system-ui, sans-serif";
  const wide = image.nodes.map((node) => pen.measureText(node[3] ? "■ −0.00" : node[1]).width + 4);
  image.nodes.forEach(([parent], k) => {
    depth[k] = parent < 0 ? 0 : depth[parent] + 1;
    columns[depth[k]] = Math.max(columns[depth[k]] || 0, wide[k]);
    children.set(k, []);
    children.get(parent).push(k);
  });
  let row = 0;
  (function place(k) {
    const next = children.get(k).sort((a, b) => chosen.has(b) - chosen.has(a) || image.nodes[b][2] - image.nodes[a][2]);
    if (k >= 0) rows[k] = row;
    next.forEach((child, n) => { if (n) row += 1; place(child); });
  })(-1);
  const lefts = [26];
  columns.forEach((length, t) => lefts.push(lefts[t] + 34 + length));
  const Y = (k) => 18 + 24 * (k < 0 ? 0 : rows[k]), width = lefts.at(-1), height = 24 * (row + 1) + 12;
  const root = svg("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label":
    "Tree of the beam. Captions found, with log-probability per word:  " + image.found.map(([text, p]) => `${text || "(no words)"}, ${p}`).join("; ")}, box);
  svg("circle", {cx: 12, cy: Y(-1), r: 5, class: "node"}, root);
  image.nodes.forEach(([parent, word, sum, ended], k) => {
    const p = Math.exp(sum - (parent < 0 ? 0 : image.nodes[parent][2])), mine = chosen.has(k) ? " chosen" : "";
    const x = lefts[depth[k]] + 18, from = parent < 0 ? 17 : lefts[depth[k] - 1] + 20 + wide[parent];
    svg("path", {d: `M${from},${Y(parent)} C${x - 12},${Y(parent)} ${from + 6},${Y(k)} ${x - 4},${Y(k)}`,
      class: "edge" + mine, "stroke-width": (mine ? 2 : 0.8) + 2.5 * p}, root);
    const text = svg("text", {x, y: Y(k) + 4, class: (mine || " soft") + (mine && depth[k] === now ? " now" : "")}, root,
      ended ? `■ ${(sum / (depth[k] + 1)).toFixed(2)}` : word);
    svg("title", {}, text, `${ended ? "end" : word}: probability ${(100 * p).toFixed(0)} %, log p so far ${sum.toFixed(2)}`);
  });
}

let open = 0, at = null, head = 0;            // the image looked into, its word, and the head, 0 for the mean of all

/* The image with the attention of the chosen head in place of the mean of all. */
function seenBy(image) {
  return head && image.heads ? {...image, ...image.heads[head - 1]} : image;
}

/* Buttons that choose a head: the mean, and each by itself. */
function offerHeads(image) {
  const names = image.heads ? ["all heads", ...image.heads.map((_, k) => `head ${k + 1}`)] : [];
  head = Math.min(head, Math.max(names.length - 1, 0));
  $("heads").replaceChildren(...names.map((name, k) => {
    const button = Object.assign(document.createElement("button"), {type: "button", textContent: name});
    button.setAttribute("aria-pressed", k === head);
    button.onclick = () => { head = k; offerHeads(image); show(at); $("heads").children[k].focus(); };
    return button;
  }));
}

const gateNames = drawn.labels;

function drawCell(image, words, t) {
  const read = ["start", ...words], mark = t === null ? undefined : t + 1;
  const labels = {dh: "w.r.t. h", dc: "w.r.t. c", dx: "w.r.t. the word"};
  const series = Object.entries(image.gates).map(([key, steps]) => ({name: gateNames[key], points: steps.map((s, k) => [k, ...s])}));
  if (image.saturated) series.push({name: "share of saturated units", points: image.saturated.map((s, k) => [k, s])});
  if (series.length) chart($("gates"), series, {what: "Activity", words: read, low: 0, high: 1, mark});
  const reach = Object.keys(labels).filter((key) => image[key]).map((key) => ({name: labels[key], points: image[key].map((y, k) => [k, y])}));
  chart($("reach"), reach, {what: "Norm of the gradient", words: read.slice(0, Math.max(read.length - 1, 1)), log: true, mark});
}

function aboutWord(image, words, t) {
  if (t === null) return words.length ? "Hover over a word or press it." : "";
  const sums = [0, ...image.chosen.map((k) => image.nodes[k][2])];
  let text = `“${words[t]}”: probability ${(100 * Math.exp(sums[t + 1] - sums[t])).toFixed(0)} %.`;
  if (image.grid) text += ` ${aboutAttention(image.peaks[t], image.grid[0] * image.grid[1])}`;
  const gates = Object.entries(image.gates).map(([key, steps]) => `${gateNames[key]} ${steps[t + 1][0].toFixed(2)}`);
  return gates.length ? text + ` After this word: ${gates.join(", ")}.` : text;
}

function show(t) {
  const image = drawn.images[open], words = wordsOf(image);
  at = t;
  showMap($("picture"), seenBy(image), t);
  drawBeam($("beam"), image, t);
  drawCell(image, words, t);
  $("about").textContent = aboutWord(seenBy(image), words, t);
}

function wordsOf(image) {
  return image.chosen.filter((k) => !image.nodes[k][3]).map((k) => image.nodes[k][1]);
}

function openImage(k) {
  const image = drawn.images[k], card = cards.find((c) => +c.dataset.order === k), words = wordsOf(image);
  open = k;
  $("inside-title").textContent = `${card.dataset.name}, CIDEr ${(+card.dataset.cider).toFixed(2)}`;
  const look = card.querySelector(".look").firstElementChild;
  $("frame").replaceChildren(look.cloneNode(true));
  $("picture").style.setProperty("--ratio", look.naturalWidth / look.naturalHeight || 1);
  $("how").textContent = isRow(image) ? "Each cell below the picture is a region of it. Red ones got most of the attention when the model chose this word. Each word has its own colour scale." : image.grid ? "Red parts of the picture got most of the attention when the model chose this word. Each word has its own colour scale." :
    "This model uses the picture once, before the first word, so there is no attention map to show.";
  $("people").replaceChildren();
  card.querySelectorAll(".people summary, .people li").forEach((node) => element("li", node.textContent, $("people")));
  const press = offerWords($("words"), words, show);
  if (!words.length) $("words").textContent = "(no words)";
  offerHeads(image);
  if (!$("inside").open) $("inside").showModal();
  press(words.length ? 0 : null);
  ($("words").firstElementChild || $("close")).focus({preventScroll: true});
  $("inside").scrollTop = 0;
}

/* Cards that match the search, in their order; those beyond the first `most` are there when printed. */
const STEP = 24;
let most = STEP;

function matching() {
  return [...$("grid").children].filter((card) => !card.hidden);
}

function showMost() {
  const cards = matching(), shown = Math.min(most, cards.length), left = cards.length - shown;
  cards.forEach((card, k) => card.classList.toggle("later", k >= most));
  $("count").textContent = `${left ? `${shown} of ` : ""}${cards.length} image${cards.length === 1 ? "" : "s"}${$("filter").value.trim() ? " found" : ""}`;
  $("more").hidden = !left;
  $("all").hidden = left <= STEP;
  $("some").textContent = `Show ${Math.min(STEP, left)} more`;
  $("all").textContent = `Show all ${cards.length}`;
}

function showMore(count) {
  const first = matching()[most];
  most += count;
  showMost();
  first.querySelector(".look").focus();
}

function go(by) {
  const order = matching().map((card) => +card.dataset.order), k = order.indexOf(open);
  openImage(order[(k + by + order.length) % order.length] ?? open);
}

function arrange() {
  const key = $("sort").value, sign = $("down").checked ? -1 : 1, wanted = $("filter").value.trim().toLowerCase();
  const compare = key === "name" ? (a, b) => a.dataset.name.localeCompare(b.dataset.name) : (a, b) => a.dataset[key] - b.dataset[key];
  cards.sort((a, b) => sign * compare(a, b) || a.dataset.order - b.dataset.order);
  cards.forEach((card) => { card.hidden = !card.textContent.toLowerCase().includes(wanted); });
  $("grid").append(...cards);
  showMost();
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]"), word = event.target.closest("[data-filter]");
  if (opener) openImage(+opener.dataset.open);
  if (word) {
    $("filter").value = word.dataset.filter;
    arrange();
    $("images").scrollIntoView();
    $("filter").focus({preventScroll: true});
  }
});
document.querySelectorAll(".thumb").forEach((thumb) => {
  const look = cards[+thumb.dataset.open].querySelector(".look").firstElementChild;
  thumb.querySelector(".frame").append(look.cloneNode(true));
});
$("inside").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight" || event.target.closest(".scroll")) return;
  go(event.key === "ArrowLeft" ? -1 : 1);
});
$("before").onclick = () => go(-1);
$("next").onclick = () => go(1);
$("some").onclick = () => showMore(STEP);
$("all").onclick = () => showMore(Infinity);
$("close").onclick = () => $("inside").close();
$("inside").addEventListener("click", (event) => { if (event.target === $("inside")) $("inside").close(); });
$("controls").onsubmit = (event) => event.preventDefault();
["sort", "down", "filter"].forEach((id) => $(id).addEventListener("input", arrange));
$("controls").hidden = $("extremes").hidden = false;
window.addEventListener("resize", () => { drawOverview(); if ($("inside").open) show(at); });
arrange();
drawOverview();
