// How the images of an item are looked at: plane, slice, zoom, window, region; by buttons, keys and gestures alike.
import { image } from "./answers.js";
import { readMask } from "./contour.js";
import { listen } from "./gestures.js";
import { createViewer, ZOOM } from "./viewer.js";
import { regionName, sideName } from "./screens.js";

const PLANES = ["axial", "coronal", "sagittal", "planes"];
const ACROSS = { axial: 2, coronal: 1, sagittal: 0 };
const COLOURS = ["#ffc83d", "#00e5ff", "#ff7ad1", "#8dff7a"];
const SCANS_KEPT = 4;
// Which way along the first axis of a slice is the screen's right: of x by convention; of y backwards, the nose being left.
const RIGHT = { radiological: [-1, -1], neurological: [1, -1] };
const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export async function createDisplay(study) {
  const viewers = [];
  const scans = new Map(); // by the opaque name of a scan, latest last
  const masks = new Map(); // by item and column, of the current and the next item
  // What a reader chose stays from item to item; where to look does not.
  const look = { plane: "axial", at: [0, 0, 0], zoom: 1, centre: [0, 0, 0], window: [0, 255], contour: true, fill: 0, visible: true, colour: study.colour };
  const colours = [...new Set([study.colour, ...COLOURS])];
  const chosen = { window: null, zoom: null }; // what the reader set, and keeps from item to item while `keep`
  let keep = true;
  let start = study.start_view;
  let item = null;
  let opacity = 0.35;

  async function viewerNumber(index) {
    while (viewers.length <= index) {
      const figure = byId("viewer-template").content.cloneNode(true).querySelector("figure");
      byId("viewers").append(figure);
      const viewer = await createViewer(figure.querySelector(".stage"), study.convention);
      listen(viewer, { scroll, zoomAt, move, aim, window: shiftWindow });
      viewers.push({ ...viewer, figure, caption: figure.querySelector("figcaption"), place: figure.querySelector(".place"), status: figure.querySelector(".status") });
    }
    return viewers[index];
  }

  function scanOf(wanted) {
    if (!scans.has(wanted.scan)) {
      const fetched = image(`/api/items/${wanted.id}/scan`);
      fetched.catch(() => scans.delete(wanted.scan));
      scans.set(wanted.scan, fetched);
      for (const name of [...scans.keys()].slice(0, -SCANS_KEPT)) scans.delete(name);
    }
    return scans.get(wanted.scan);
  }

  function masksOf(wanted) {
    if (!masks.has(wanted.id)) {
      const fetched = Promise.all(Array.from({ length: wanted.columns }, (_, column) => image(`/api/items/${wanted.id}/masks/${column}`).then(readMask)));
      fetched.catch(() => masks.delete(wanted.id));
      masks.set(wanted.id, fetched);
      for (const id of [...masks.keys()].slice(0, -6)) masks.delete(id);
    }
    return masks.get(wanted.id);
  }

  /** Fetch an item's images before it is shown; a failure now is met again, and told, when it is shown. */
  function prefetch(next) {
    if (next) Promise.all([scanOf(next), masksOf(next)]).catch(() => {});
  }

  async function show(wanted) {
    const [scan, shapes] = await Promise.all([scanOf(wanted), masksOf(wanted)]);
    byId("viewers").dataset.columns = wanted.columns;
    for (let column = 0; column < wanted.columns; column++) {
      const viewer = await viewerNumber(column);
      viewer.figure.hidden = false;
      viewer.caption.textContent = wanted.columns > 1 ? `Picture ${column + 1}` : "";
      viewer.caption.hidden = wanted.columns === 1;
      const which = wanted.columns > 1 ? `, picture ${column + 1}` : "";
      viewer.region.setAttribute("aria-label", `Scan with the outline of the ${regionName(wanted)}, ${sideName(wanted)}${which}`);
      await viewer.load(wanted.scan, scan, shapes[column], wanted.offset);
      viewer.empty = !shapes[column].data.some((voxel) => voxel > 0); // a lesion that a method did not find
    }
    for (const viewer of viewers.slice(wanted.columns)) viewer.figure.hidden = true;
    item = wanted;
    arrive();
  }

  /** Begin at the item's own place, with what the reader keeps. */
  function arrive() {
    const zoom = (keep && chosen.zoom) || (start === "region" ? regionZoom() : 1);
    const window = (keep && chosen.window) || item.window;
    Object.assign(look, { plane: item.view, at: [...item.centre], centre: [...item.centre], zoom, window: [...window], visible: true });
    refresh();
  }

  /** Zoom at which the box of the region, the same for all methods, fills the view. */
  function regionZoom() {
    const box = viewers[0].maskSize();
    const shown = [0, 1, 2].filter((axis) => axis !== ACROSS[item.view]);
    return clamp(Math.min(...shown.map((axis) => size()[axis] / box[axis])), ZOOM.least, ZOOM.most);
  }

  function reset() {
    if (!item) return;
    Object.assign(chosen, { window: null, zoom: null });
    arrive();
  }

  function setStart(where) {
    start = where;
    chosen.zoom = null;
    if (item) arrive();
  }

  function setKeep(on) {
    keep = on;
    refresh();
  }

  function nextColour() {
    look.colour = colours[(colours.indexOf(look.colour) + 1) % colours.length];
    refresh();
  }

  const across = () => ACROSS[look.plane] ?? ACROSS[item.view];
  const size = () => viewers[0].size();

  function refresh() {
    if (!item || !viewers[0]?.size()) return;
    for (const viewer of viewers.slice(0, item.columns)) {
      viewer.draw(look);
      viewer.place.textContent = `Slice ${look.at[across()] + 1} of ${size()[across()]}${look.zoom > 1 ? ` · zoom ${look.zoom.toFixed(1)}` : ""}`;
      viewer.status.textContent = viewer.empty ? "Nothing outlined" : look.visible ? "" : "Region hidden";
    }
    byId("viewers").dataset.shows = look.plane;
    for (const button of byId("planes").children) button.setAttribute("aria-pressed", String(button.dataset.plane === look.plane));
    const slider = byId("slice");
    slider.max = size()[across()] - 1;
    slider.value = look.at[across()];
    byId("slice-text").textContent = `Slice ${look.at[across()] + 1} / ${size()[across()]}`;
    byId("zoom").value = look.zoom;
    byId("zoom-text").textContent = `Zoom ${look.zoom.toFixed(1)}×`;
    byId("width").value = width();
    byId("level").value = level();
    byId("width-text").textContent = `Window ${Math.round(width())}`;
    byId("level-text").textContent = `Level ${Math.round(level())}`;
    byId("start").setAttribute("aria-pressed", String(start === "region"));
    byId("keep").setAttribute("aria-pressed", String(keep));
    byId("swatch").style.color = look.colour;
    byId("toggle").setAttribute("aria-pressed", String(look.visible));
    byId("toggle").firstChild.textContent = look.visible ? "Shown " : "Hidden ";
    byId("contour").setAttribute("aria-pressed", String(look.contour));
    byId("fill").setAttribute("aria-pressed", String(look.fill > 0));
    byId("opacity").value = opacity;
  }

  function scroll(steps, axis = across()) {
    if (!item) return;
    look.at[axis] = clamp(look.at[axis] + steps, 0, size()[axis] - 1);
    refresh();
  }

  function zoomAt(factor, under) {
    const zoom = clamp(look.zoom * factor, ZOOM.least, ZOOM.most);
    // What lies under the pointer stays there.
    if (under) for (const axis of under.tile.axes) look.centre[axis] += (under.at[axis] - 0.5 - look.centre[axis]) * (1 - look.zoom / zoom);
    else if (look.zoom === 1) look.centre = [...item.centre];
    look.zoom = zoom;
    chosen.zoom = zoom;
    refresh();
  }

  function move(from, to) {
    if (look.plane === "planes") return aim(to);
    if (look.zoom === 1) return;
    for (const axis of from.tile.axes) look.centre[axis] = clamp(look.centre[axis] - (to.at[axis] - from.at[axis]), 0, size()[axis]);
    refresh();
  }

  function aim(under) {
    if (look.plane !== "planes") return;
    look.at = under.at.map((corner, axis) => clamp(Math.floor(corner), 0, size()[axis] - 1));
    refresh();
  }

  /** Look further right and up by a step: the cross in three planes, else what of a zoomed slice is in sight. */
  function shift(right, up) {
    const [u, v] = [0, 1, 2].filter((axis) => axis !== across());
    const towards = { [u]: right * RIGHT[study.convention][u], [v]: up };
    for (const axis of [u, v]) {
      if (look.plane === "planes") look.at[axis] = clamp(look.at[axis] + towards[axis], 0, size()[axis] - 1);
      else if (look.zoom > 1) look.centre[axis] = clamp(look.centre[axis] + (towards[axis] * size()[axis]) / (10 * look.zoom), 0, size()[axis]);
    }
    refresh();
  }

  function setWindow(width, level) {
    const l = clamp(level, 10, 250);
    const w = clamp(width, 10, Math.min(255, 2 * l)); // black is never below 0
    look.window = [Math.round(l - w / 2), Math.round(l + w / 2)];
    chosen.window = look.window;
    refresh();
  }

  const width = () => look.window[1] - look.window[0];
  const level = () => (look.window[0] + look.window[1]) / 2;
  const shiftWindow = (dx, dy) => setWindow(width() + dx, level() - dy / 2);

  function setPlane(plane) {
    look.plane = plane;
    refresh();
  }

  function toggle() {
    look.visible = !look.visible;
    refresh();
  }

  function setContour(on) {
    look.contour = on;
    // One of the two is always there: a region that can't be seen should be hidden on purpose.
    if (!on && !look.fill) look.fill = opacity;
    refresh();
  }

  function setFill(on) {
    look.fill = on ? opacity : 0;
    if (!on && !look.contour) look.contour = true;
    refresh();
  }

  function setOpacity(value) {
    opacity = clamp(value, 0.05, 0.9);
    look.fill = opacity;
    refresh();
  }

  const keys = {
    " ": toggle,
    ArrowUp: () => scroll(1),
    ArrowDown: () => scroll(-1),
    PageUp: () => scroll(5),
    PageDown: () => scroll(-5),
    "Shift+ArrowUp": () => shift(0, 1),
    "Shift+ArrowDown": () => shift(0, -1),
    "Shift+ArrowLeft": () => shift(-1, 0),
    "Shift+ArrowRight": () => shift(1, 0),
    Home: () => scroll(item.centre[across()] - look.at[across()]),
    "+": () => zoomAt(1.25, null),
    "=": () => zoomAt(1.25, null),
    "-": () => zoomAt(0.8, null),
    "[": () => setWindow(width(), level() - 5),
    "]": () => setWindow(width(), level() + 5),
    "{": () => setWindow(width() - 10, level()),
    "}": () => setWindow(width() + 10, level()),
    v: () => setPlane(PLANES[(PLANES.indexOf(look.plane) + 1) % PLANES.length]),
    c: () => setContour(!look.contour),
    f: () => setFill(!look.fill),
    o: () => setOpacity(opacity + 0.1),
    O: () => setOpacity(opacity - 0.1),
    k: nextColour,
    w: () => setKeep(!keep),
    z: () => setStart(start === "region" ? "head" : "region"),
    r: reset,
  };

  byId("toggle").addEventListener("click", toggle);
  byId("contour").addEventListener("click", () => setContour(!look.contour));
  byId("fill").addEventListener("click", () => setFill(!look.fill));
  byId("opacity").addEventListener("input", (event) => setOpacity(Number(event.target.value)));
  byId("planes").addEventListener("click", (event) => event.target.dataset.plane && setPlane(event.target.dataset.plane));
  byId("slice").addEventListener("input", (event) => scroll(Number(event.target.value) - look.at[across()]));
  byId("zoom").addEventListener("input", (event) => zoomAt(Number(event.target.value) / look.zoom, null));
  byId("width").addEventListener("input", (event) => setWindow(Number(event.target.value), level()));
  byId("level").addEventListener("input", (event) => setWindow(width(), Number(event.target.value)));
  byId("reset").addEventListener("click", reset);
  byId("colour").addEventListener("click", nextColour);
  byId("keep").addEventListener("click", () => setKeep(!keep));
  byId("start").addEventListener("click", () => setStart(start === "region" ? "head" : "region"));

  /** Handle a key; whether it was one of the display's. */
  function key(name) {
    if (!item || !keys[name]) return false;
    keys[name]();
    return true;
  }

  return { show, prefetch, key, focus: () => viewers[0]?.region.focus({ preventScroll: true }) };
}
