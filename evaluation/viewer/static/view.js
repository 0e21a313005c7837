// The page of darts-view: what is shown of a scan and its label maps, and where; by buttons, keys and gestures alike.
import { colourKey } from "./colours.js";
import { bytes, json, labels } from "./fetching.js";
import { listen } from "./gestures.js";
import { listenToKeys } from "./keys.js";
import { createLegend } from "./legend.js";
import { createLook } from "./look.js";
import { paintSlice } from "./painting.js";
import { createPlaces } from "./places.js";
import { createReadout, offsetOf } from "./readout.js";
import { createViewer } from "./viewer.js";

const PLANES = ["planes", "axial", "coronal", "sagittal"];
const MODES = ["labels", "side", "difference", "agreement"];
const NAMES = { labels: "label map", side: "label map", difference: "differences", agreement: "agreement of views" };
const byId = (id) => document.getElementById(id);

async function open() {
  const about = await json("/api/about");
  document.title = `${about.scan} · darts-view`;
  byId("scan").textContent = about.scan;
  byId("scan").title = about.path;
  byId("about").textContent = about.library;
  const [scan, agreement, ...maps] = await Promise.all([
    bytes("/api/scan"),
    about.agreement ? bytes("/api/agreement").then((buffer) => new Uint8Array(buffer)) : null,
    ...about.maps.map((_, number) => labels(number)),
  ]);
  await createPage(about, scan, agreement, maps);
}

async function createPage(about, scan, agreement, maps) {
  const size = about.size;
  const views = createLook(size, () => refresh());
  const { look, across, width, level, go, scroll, step, zoomAt, setWindow, setPlane, setOpacity, toggle, exchangeSides, reset } = views;
  const state = { mode: "labels", first: 0, second: Math.min(1, maps.length - 1), chosen: 0, only: false };
  const viewers = [];

  /** What the viewer of a column shows. */
  function shownIn(column) {
    const number = state.mode === "side" && column === 1 ? state.second : state.first;
    return { mode: state.mode, size, first: maps[number], second: maps[state.second], agreement, legend: about.legend, chosen: state.chosen, only: state.only };
  }

  async function viewerNumber(column) {
    while (viewers.length <= column) {
      const index = viewers.length;
      const figure = byId("viewer-template").content.cloneNode(true).querySelector("figure");
      byId("viewers").append(figure);
      const paint = (context, tile, wanted, ratio) => paintSlice(context, tile, wanted, ratio, shownIn(index));
      const viewer = await createViewer(figure.querySelector(".stage"), look.convention, paint);
      listen(viewer, { ...views, window: views.shiftWindow });
      viewer.region.addEventListener("pointermove", (event) => event.pointerType !== "touch" && hover(viewer.under(event.clientX, event.clientY)));
      viewer.region.addEventListener("pointerleave", () => hover(null));
      await viewer.load("scan", scan, null, [0, 0, 0]);
      viewers.push({ ...viewer, figure, caption: figure.querySelector("figcaption") });
    }
    return viewers[column];
  }

  const compared = () => maps.length > 1 && ["side", "difference"].includes(state.mode);

  // What is shown

  const possible = (mode) => ({ labels: maps.length > 0, side: maps.length > 1, difference: maps.length > 1, agreement: Boolean(agreement) })[mode];

  async function setMode(mode) {
    if (!possible(mode)) return;
    state.mode = mode;
    look.visible = true;
    // Six slices are too small on a phone.
    if (mode === "side" && look.plane === "planes" && matchMedia("(max-width: 820px)").matches) setPlane("axial");
    for (let column = 0; column < (mode === "side" ? 2 : 1); column++) await viewerNumber(column);
    viewers.forEach((viewer, column) => (viewer.figure.hidden = column > 0 && mode !== "side"));
    byId("viewers").dataset.columns = mode === "side" ? 2 : 1;
    legend.setMaps(compared() ? [state.first, state.second] : maps.length ? [state.first] : []);
    legend.mark(state.chosen);
    refresh();
    ask();
  }

  const nextMode = () => {
    const modes = MODES.filter(possible);
    if (modes.length) setMode(modes[(modes.indexOf(state.mode) + 1) % modes.length]);
  };

  /** Which disagreement is asked for: of the two maps where there are two, else of the views. */
  function ask() {
    const ofViews = state.mode === "agreement" || (maps.length < 2 && agreement);
    byId("places-field").hidden = maps.length < 2 && !agreement;
    if (byId("places-field").hidden) return;
    const region = state.chosen ? `?region=${state.chosen}` : "";
    const of = state.chosen ? `: ${about.legend[state.chosen - 1].name}` : "";
    const path = ofViews ? `/api/places/agreement${region}` : `/api/places/${state.first}/${state.second}${region}`;
    places.load(path, `${ofViews ? "Where the views disagree most" : "Where the label maps disagree most"}${of}`).catch(fail);
  }

  function choose(place) {
    state.chosen = place === state.chosen ? 0 : place;
    if (!state.chosen) state.only = false;
    legend.mark(state.chosen);
    if (state.chosen && about.legend[state.chosen - 1].at) go(about.legend[state.chosen - 1].at);
    refresh();
    ask();
  }

  function setOnly() {
    if (!state.chosen) return;
    state.only = !state.only;
    refresh();
  }

  const names = (at, volume) => about.legend[volume[offsetOf(size, at)] - 1]?.name ?? "nothing";
  const nameAt = (at) => {
    if (state.mode === "agreement" || maps.length < 2) return maps.length ? `${about.maps[state.first].name}: ${names(at, maps[state.first])}` : "";
    return [state.first, state.second].map((number) => `${about.maps[number].name}: ${names(at, maps[number])}`).join("; ");
  };

  const readout = createReadout(byId("readout"), about);
  const places = createPlaces(about, go, nameAt);
  const legend = createLegend(about, choose);
  const volumesAt = () => maps.map((volume, number) => (number === state.first || (maps.length > 1 && number === state.second) ? volume : null));

  function hover(under) {
    readout.show(under ? views.voxelOf(under) : look.at, volumesAt(), agreement, Boolean(under));
  }

  let waiting = false;
  /** Draw once a frame, however often something changes. */
  function refresh() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      drawAll();
    });
  }

  function drawAll() {
    for (const [column, viewer] of viewers.entries()) {
      if (viewer.figure.hidden) continue;
      viewer.draw(look);
      viewer.caption.hidden = !maps.length;
      const number = state.mode === "side" && column === 1 ? state.second : state.first;
      viewer.caption.textContent = { difference: `${about.maps[state.first]?.name} and ${about.maps[state.second]?.name}`, agreement: "Agreement of views" }[state.mode] ?? about.maps[number]?.name ?? "";
      viewer.region.setAttribute("aria-label", `Scan with ${NAMES[state.mode]} ${viewer.caption.textContent}, ${look.plane === "planes" ? "three planes" : look.plane}`);
    }
    hover(null);
    showControls();
    document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
  }

  function showControls() {
    for (const button of byId("planes").children) button.setAttribute("aria-pressed", String(button.dataset.plane === look.plane));
    for (const button of byId("modes").children) {
      button.hidden = !possible(button.dataset.mode);
      button.setAttribute("aria-pressed", String(button.dataset.mode === state.mode));
    }
    byId("slice").max = size[across()] - 1;
    byId("slice").value = look.at[across()];
    byId("slice-text").textContent = `Slice ${look.at[across()] + 1} / ${size[across()]}`;
    for (const [id, value, text] of [
      ["zoom", look.zoom, `Zoom ${look.zoom.toFixed(1)}×`], ["opacity", look.fill, `Opacity ${Math.round(100 * look.fill)} %`],
      ["width", width(), `Window ${Math.round(width())}`], ["level", level(), `Level ${Math.round(level())}`],
    ]) {
      byId(id).value = value;
      byId(`${id}-text`).textContent = text;
    }
    const pressed = { visible: look.visible, contour: look.contour, only: state.only, convention: look.convention === "radiological" };
    for (const [id, on] of Object.entries(pressed)) byId(id).setAttribute("aria-pressed", String(on));
    byId("visible").firstChild.textContent = look.visible ? "Shown " : "Hidden ";
    byId("only").disabled = !state.chosen;
    byId("second").hidden = byId("second-label").hidden = !compared();
    byId("colours").replaceChildren(...colourKey(about, state));
  }

  listenToKeys({
    ArrowUp: () => scroll(1), ArrowDown: () => scroll(-1), PageUp: () => scroll(5), PageDown: () => scroll(-5),
    "Shift+ArrowLeft": () => step(-1, 0), "Shift+ArrowRight": () => step(1, 0), "Shift+ArrowUp": () => step(0, 1), "Shift+ArrowDown": () => step(0, -1),
    "+": () => zoomAt(1.25, null), "=": () => zoomAt(1.25, null), "-": () => zoomAt(0.8, null),
    "[": () => setWindow(width(), level() - 5), "]": () => setWindow(width(), level() + 5),
    "{": () => setWindow(width() - 10, level()), "}": () => setWindow(width() + 10, level()),
    " ": toggle("visible"), c: toggle("contour"), o: () => setOpacity(look.fill + 0.1), O: () => setOpacity(look.fill - 0.1),
    v: () => setPlane(PLANES[(PLANES.indexOf(look.plane) + 1) % PLANES.length]), m: nextMode,
    w: places.worst, n: places.next, b: places.previous, "/": () => byId("search").focus(),
    j: () => legend.step(1, state.chosen), k: () => legend.step(-1, state.chosen), s: setOnly,
    Escape: () => state.chosen && choose(state.chosen), x: exchangeSides, r: reset, h: () => byId("help").showModal(),
  });
  const onClick = { visible: toggle("visible"), contour: toggle("contour"), only: setOnly, convention: exchangeSides, reset };
  for (const [id, action] of Object.entries(onClick)) byId(id).addEventListener("click", action);
  byId("modes").addEventListener("click", (event) => event.target.dataset.mode && setMode(event.target.dataset.mode));
  byId("planes").addEventListener("click", (event) => event.target.dataset.plane && setPlane(event.target.dataset.plane));
  byId("slice").addEventListener("input", (event) => scroll(Number(event.target.value) - look.at[across()]));
  byId("zoom").addEventListener("input", (event) => zoomAt(Number(event.target.value) / look.zoom, null));
  byId("opacity").addEventListener("input", (event) => setOpacity(Number(event.target.value)));
  byId("width").addEventListener("input", (event) => setWindow(Number(event.target.value), level()));
  byId("level").addEventListener("input", (event) => setWindow(width(), Number(event.target.value)));
  for (const which of ["first", "second"]) {
    byId(which).append(...about.maps.map((one, number) => new Option(one.name, number)));
    byId(which).value = state[which];
    byId(which).addEventListener("change", (event) => {
      state[which] = Number(event.target.value);
      setMode(state.mode);
    });
  }

  // On a phone the list that is searched comes into sight below the pictures.
  byId("search").addEventListener("focus", () => matchMedia("(max-width: 820px)").matches && byId("regions").scrollIntoView());
  byId("maps").hidden = maps.length < 2;
  byId("show-field").hidden = maps.length < 2 && !agreement; // nothing to choose from
  byId("regions").hidden = !about.legend.length;
  byId("notes").hidden = !about.notes.length;
  byId("notes").replaceChildren(...about.notes.map((note) => Object.assign(document.createElement("p"), { textContent: note })));
  byId("more").open = matchMedia("(pointer: coarse)").matches; // fingers have no keys
  byId("message").hidden = true;
  byId("pictures").hidden = byId("panel").hidden = false;
  if (maps.length || agreement) await setMode(maps.length > 1 && about.start ? "side" : maps.length ? "labels" : "agreement");
  else {
    await viewerNumber(0);
    byId("places-field").hidden = true;
    refresh();
  }
  if (about.start) choose(about.start);
  viewers[0].region.focus({ preventScroll: true });
  document.body.dataset.ready = "true";
}

function fail(error) {
  byId("message").textContent = error.message;
  byId("message").hidden = false;
  byId("message").classList.add("bad");
}

open().catch(fail);
