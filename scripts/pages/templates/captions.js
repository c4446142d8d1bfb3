/* The page of scripts.caption: a map for each word that is looked at. */
const drawn = JSON.parse(document.getElementById("drawn").textContent);
document.querySelectorAll(".card").forEach((card, k) => {
  const image = drawn[k], words = card.querySelector(".words"), about = card.querySelector(".about");
  if (!image.words.length) return;
  showMap(card.querySelector(".picture"), image, null);             // a row takes its place
  words.setAttribute("aria-label", `Words of the caption: ${words.textContent}`);
  offerWords(words, image.words, (t) => {
    showMap(card.querySelector(".picture"), image, t);
    about.textContent = t === null ? "" : `“${image.words[t]}”: ${aboutAttention(image.peaks[t], image.grid[0] * image.grid[1])}`;
  });
});
document.getElementById("how").hidden = false;
