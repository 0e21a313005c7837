// The places where two label maps, or the views of one, disagree most: the thickest first.
import { json } from "./fetching.js";
import { millimetres } from "./readout.js";

const byId = (id) => document.getElementById(id);
const litres = (mm3) => (mm3 < 1000 ? `${Math.round(mm3)} mm³` : `${(mm3 / 1000).toFixed(1)} ml`);

/** `go(at)` jumps to a voxel; `nameAt(at)` says what lies there. */
export function createPlaces(about, go, nameAt) {
  let list = null; // { mm3, places } of what is asked for now
  let asked = "";
  let number = -1;
  let wish = null; // the place that was asked for while they were looked for

  /** Ask for the places of a comparison (an address), unless they are here. */
  async function load(path, title) {
    byId("places-legend").textContent = title;
    if (path === asked) return;
    asked = path;
    list = null;
    number = -1;
    wish = null;
    refresh();
    const found = await json(path);
    if (path !== asked) return; // another one was asked for meanwhile
    list = found;
    refresh();
    if (wish !== null) goTo(wish);
  }

  function refresh() {
    byId("places-total").textContent = !list ? "Looking …" : list.places.length ? `${litres(list.mm3)} in all` : "They agree everywhere.";
    const none = !list?.places.length;
    for (const id of ["place-worst", "place-previous", "place-next"]) byId(id).disabled = none;
    const place = list?.places[number];
    byId("place").textContent = place ? `${number + 1} of ${list.places.length}: ${place.mm} mm thick at ${millimetres(about, place.at)}. ${nameAt(place.at)}` : "";
  }

  function goTo(wanted) {
    if (!list) wish = wanted;
    if (!list?.places.length) return;
    number = (wanted + list.places.length) % list.places.length;
    go(list.places[number].at);
    refresh();
  }

  byId("place-worst").addEventListener("click", () => goTo(0));
  byId("place-next").addEventListener("click", () => goTo(number + 1));
  byId("place-previous").addEventListener("click", () => goTo(number < 0 ? -1 : number - 1));
  return { load, worst: () => goTo(0), next: () => goTo(number + 1), previous: () => goTo(number < 0 ? -1 : number - 1) };
}
