"use strict";
/* The attention at each word of a caption, as colour on the picture: in the report, in the page of scripts.caption and in
   that of scripts.serve. */

/* Paint a map, its weights row by row, on a canvas of one pixel a region: red where a weight is `most`. */
function paintMap(canvas, weights, columns, most) {
  Object.assign(canvas, { width: columns, height: weights.length / columns });
  const pen = canvas.getContext("2d"), cells = pen.createImageData(canvas.width, canvas.height);
  weights.forEach((weight, i) => {
    const strength = (weight / most) ** 1.5;
    cells.data.set([255, 190 - 190 * strength, 0, 200 * strength], 4 * i);
  });
  pen.putImageData(cells, 0, 0);
}

function aboutAttention(largest, regions) {
  const [most, even] = [largest, 1 / regions].map((share) => (100 * share).toFixed(0));
  return `${most} % of the attention is on one region; spread evenly it would be ${even} %.`;
}

/* Regions without a grid, such as boxes. */
function isRow(image) {
  return image.grid?.[0] === 1;
}

/* Show the map of word t, of none where t is null, on the canvas of a .picture. image: its grid, [height, width], and the
   maps of all its words as bytes in base64, 255 for each word's largest weight: so flat maps show too, and aboutAttention
   says how flat. A row of regions is drawn below the picture. */
function showMap(box, image, t) {
  const canvas = box.querySelector("canvas"), on = Boolean(image.maps) && t !== null;
  canvas.className = isRow(image) ? "row" : "";
  canvas.style.visibility = on ? "visible" : "hidden";
  box.classList.toggle("looked", on && !isRow(image));
  if (!on) return;
  const bytes = atob(image.maps), [height, width] = image.grid, regions = height * width;
  paintMap(canvas, Array.from({ length: regions }, (_, i) => bytes.charCodeAt(t * regions + i)), width, 255);
}

/* Make the words of a caption buttons in a box. look(t) is called with the word under the pointer or with the focus, else
   with the pressed one or null. The arrow keys go from word to word, and the tab key past them -> press(t). */
function offerWords(box, words, look) {
  let pressed = null;
  const buttons = words.map((word) => Object.assign(document.createElement("button"), { type: "button", textContent: word }));
  const press = (t) => {
    pressed = t;
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", k === t));
    look(t);
  };
  buttons.forEach((button, t) => {
    button.tabIndex = t ? -1 : 0;
    button.setAttribute("aria-pressed", false);
    button.onclick = () => press(pressed === t ? null : t);
    button.onmouseenter = () => look(t);
    button.onblur = button.onmouseleave = () => look(pressed);
    button.onfocus = () => {
      buttons.forEach((other, k) => { other.tabIndex = k === t ? 0 : -1; });
      look(t);
    };
  });
  box.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], at = buttons.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.stopPropagation();
    buttons[(at + step + buttons.length) % buttons.length].focus();
  };
  box.replaceChildren(...buttons);
  return press;
}
