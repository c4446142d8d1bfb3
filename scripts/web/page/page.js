"use strict";

const $ = (id) => document.getElementById(id);
const PACE = 450;                               // milliseconds a word
const COUNT = new Intl.NumberFormat("en", { notation: "compact", compactDisplay: "long", maximumSignificantDigits: 2 });
const still = matchMedia("(prefers-reduced-motion: reduce)");
let health = null, picture = null;              // what /api/health says; the photo, a Blob
let captions = [], shown = 0, at = 0;           // the answer's captions, which of them is shown, the word looked at
let timer = null, waiting = null, seed = 0;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function percent(logProb) {
  const p = Math.exp(logProb);
  if (p >= 0.9995) return "100 %";
  if (p >= 0.001) return (100 * p).toFixed(1) + " %";
  return p > 1e-15 ? "1 in " + COUNT.format(1 / p) : "next to nothing";
}

function say(text, error = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", error);
}

/* Choosing a photo. */

function take(blob) {
  stop();
  waiting?.abort();
  picture = blob;
  captions = [];
  $("result").hidden = $("others").hidden = $("overlay").hidden = true;
  $("photo").classList.remove("looked");
  URL.revokeObjectURL($("photo").src);
  $("photo").src = URL.createObjectURL(blob);
  ask();
}

$("photo").onload = () => {
  $("photo").hidden = false;
  const longer = Math.max($("photo").naturalWidth, $("photo").naturalHeight);
  $("photo").classList.toggle("small", longer < 450);
  $("photo").classList.toggle("tiny", longer < 150);
  $("stage").classList.add("full");
  $("invitation").hidden = true;
  draw();
};
$("photo").onerror = () => {                    // of a file that is no picture the service says more
  $("photo").hidden = true;
  $("stage").classList.remove("full");
  $("invitation").hidden = false;
};

$("file").onchange = () => {
  if ($("file").files.length) take($("file").files[0]);
  $("file").value = "";                         // the same file may be chosen again
};
addEventListener("paste", (event) => event.clipboardData.files.length && take(event.clipboardData.files[0]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("stage").classList.add("over");
});
addEventListener("dragleave", (event) => event.relatedTarget || $("stage").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("stage").classList.remove("over");
  if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
});

function offerScenes(count) {
  for (let k = 0; k < count; k++) {
    const button = element("button", { type: "button" }, element("img", { src: `/scenes/${k}.png`, alt: `Scene ${k + 1}` }));
    button.onclick = async () => take(await (await fetch(`/scenes/${k}.png`)).blob());
    $("scenes").append(button);
  }
  $("scenes").hidden = !count;
}

/* Asking the service. */

async function ask() {
  if (!picture) return;
  stop();
  waiting?.abort();
  const mine = waiting = new AbortController();
  say("Captioning the photo …");
  try {
    if (health && picture.size > health.bounds.upload_bytes) {
      throw new Error(`The picture is larger than ${health.bounds.upload_bytes / 2 ** 20} MB.`);
    }
    const body = new FormData();
    body.append("image", picture);
    body.append("beam", $("beam").value);
    body.append("temperature", $("temperature").value);
    body.append("seed", seed);
    const response = await fetch("/api/caption", { method: "POST", body, signal: mine.signal });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error.message);
    captions = [answer, ...answer.alternatives];
    list();
    show(0);
  } catch (error) {
    if (error.name === "AbortError") return;
    captions = [];
    $("result").hidden = $("others").hidden = $("overlay").hidden = true;
    $("photo").classList.remove("looked");
    say(error instanceof TypeError ? "The service does not answer." : error.message, true);
  }
}

/* Showing captions. */

function list() {
  $("captions").replaceChildren(...captions.map((caption, k) => {
    const each = caption.log_prob / (caption.words.length + caption.finished);         // its end counts as a word
    const chance = element("span", { className: "number" }, percent(caption.log_prob),
      element("span", {}, percent(each) + " per word"));
    const button = element("button", { type: "button" }, element("span", {}, caption.caption || "(no words)"), chance);
    button.onclick = () => show(k);
    return element("li", {}, button);
  }));
  $("others").hidden = false;
}

function show(k) {
  shown = k;
  const { words, log_probs: chances } = captions[k];
  [...$("captions").children].forEach((item, i) => item.firstChild.setAttribute("aria-pressed", i === k));
  $("words").replaceChildren(...words.map((word, t) => {
    const button = element("button", { type: "button" }, word);
    button.style.setProperty("--p", Math.exp(chances[t]).toFixed(3));
    button.onclick = button.onfocus = () => { stop(); reveal(words.length); look(t); };
    return button;
  }));
  $("result").hidden = false;
  say(words.length ? "" : "The caption has no words.");
  $("spoken").textContent = captions[k].caption;        // at once, for those who listen
  play();
}

function reveal(count) {
  [...$("words").children].forEach((word, t) => word.classList.toggle("later", t >= count));
}

function look(t) {
  at = t;
  const { words, log_probs: chances, others, attention } = captions[shown];
  [...$("words").children].forEach((word, i) => {
    word.setAttribute("aria-current", i === t);
    word.tabIndex = i === t ? 0 : -1;
  });
  if (!words.length) return $("word").replaceChildren();
  const rows = [[words[t], chances[t], "chosen"], ...others[t].map(([word, p]) => [word, p, ""])];
  $("word").replaceChildren(
    element("p", { className: "quiet" }, `Word ${t + 1} of ${words.length} and its likeliest alternatives`),
    element("div", { className: "chances" }, ...rows.flatMap(([word, p, kind]) => {
      const bar = element("i", { className: kind });
      bar.style.width = 100 * Math.exp(p) + "%";
      return [element("span", { className: kind }, word === "<END>" ? "(end)" : word), bar,
        element("span", { className: "number" }, percent(p))];
    })),
    ...(attention ? [element("p", { className: "quiet" }, aboutAttention(Math.max(...attention[t].flat()), attention[t].flat().length))] : []));
  draw();
}

function play() {
  stop();
  const count = captions[shown].words.length;
  if (still.matches || !count) {
    reveal(count);
    return look(0);
  }
  const next = (t) => {
    if (t === count) return stop();
    reveal(t + 1);
    look(t);
    timer = setTimeout(next, PACE, t + 1);
  };
  $("play").textContent = "Stop";
  next(0);
}

function stop() {
  clearTimeout(timer);
  timer = null;
  $("play").textContent = "Play";
}

$("play").onclick = () => {
  if (!timer) return play();
  reveal(captions[shown].words.length);
  stop();
};
$("words").onkeydown = (event) => {
  const last = captions[shown].words.length - 1;
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  $("words").children[Math.max(0, Math.min(to, last))].focus();
};

/* The attention, as colour over the photo. Each word has its own scale, so that flat maps show too: `look` says how flat.
   overlay.js, which the other pages have too, paints it. */

function draw() {
  const maps = captions[shown]?.attention;
  const on = Boolean(maps?.length) && $("attend").ariaPressed === "true" && !$("photo").hidden;
  $("overlay").hidden = !on;
  $("photo").classList.toggle("looked", on);
  if (!on) return;
  const [photo, stage] = [$("photo"), $("stage")].map((box) => box.getBoundingClientRect());
  const place = { left: photo.left - stage.left, top: photo.top - stage.top, width: photo.width, height: photo.height };
  for (const [side, length] of Object.entries(place)) $("overlay").style[side] = length + "px";
  const weights = maps[at].flat();
  paintMap($("overlay"), weights, maps[at][0].length, Math.max(...weights));
}

$("attend").onclick = () => {
  $("attend").ariaPressed = $("attend").ariaPressed !== "true";
  draw();
};
new ResizeObserver(draw).observe($("stage"));

/* The controls. */

function explain() {
  const temperature = Number($("temperature").value), beam = Number($("beam").value);
  $("temperature-value").textContent = temperature ? temperature.toFixed(1) : "0: likeliest words";
  $("beam-name").textContent = temperature ? "Captions drawn" : "Beam: captions kept at each word";
  $("beam-value").textContent = beam;
  $("again").hidden = !temperature;
  $("explain").textContent = temperature
    ? `Each word is drawn at random; a temperature below 1 favours likely words. The likeliest of ${beam} captions comes first.`
    : beam > 1 ? `The search keeps the ${beam} best partial captions at each word.` : "The likeliest word is chosen at each step.";
}

let pause = null;
for (const id of ["temperature", "beam"]) {
  $(id).oninput = () => {
    explain();
    clearTimeout(pause);
    pause = setTimeout(ask, 250);
  };
}
$("again").onclick = () => {
  seed += 1;
  ask();
};
$("controls").onsubmit = (event) => event.preventDefault();

async function begin() {
  explain();
  try {
    health = await (await fetch("/api/health")).json();
  } catch {
    return say("The service does not answer.", true);
  }
  if (health.beam) $("beam").value = health.beam;
  explain();
  const once = health.attention ? "" : ": it uses the photo once, so there is no attention to show";
  $("about").textContent = `${health.run}, a captioner of type ${health.model}${once}`;
  $("attend").hidden = $("look").hidden = !health.attention;
  offerScenes(health.scenes);
  if (health.scenes) $("invitation").querySelector("span").textContent = "This model only knows drawn scenes: pick one below.";
}
begin();
