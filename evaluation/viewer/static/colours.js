// What the colours of a difference and of the agreement mean.
import { heat, KINDS } from "./painting.js";

function entry(colour, text) {
  const [line, swatch] = [document.createElement("span"), document.createElement("span")];
  swatch.className = "swatch";
  swatch.style.background = `rgb(${colour.join(" ")})`;
  line.append(swatch, text);
  return line;
}

/** Lines of the key for what is shown; none for labels, whose colours are in the legend. */
export function colourKey(about, { mode, first, second, chosen }) {
  if (mode === "difference") {
    const what = chosen ? about.legend[chosen - 1].name : "a region";
    const lines = [first, second].map((number, kind) => entry(KINDS[kind], `${what} only in ${about.maps[number].name}`));
    return chosen ? lines : [...lines, entry(KINDS[2], "different regions")];
  }
  if (mode === "agreement") return [...[0, 1 / 3, 2 / 3].map((share) => entry(heat(share), `${Math.round(100 * share)} %`)), "of pairs of views agree"];
  return [];
}
