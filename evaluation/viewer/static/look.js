// Where and how a scan is looked at: slice, cross, zoom, window; whatever changes it asks for a new picture.
import { ZOOM } from "./viewer.js";

const ACROSS = { planes: 2, axial: 2, coronal: 1, sagittal: 0 };
const START = { plane: "planes", zoom: 1, window: [0, 255], contour: false, fill: 0.45, visible: true };
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** `size` is that of the volume, in voxels; `refresh()` draws. */
export function createLook(size, refresh) {
  const middle = size.map((n) => Math.floor(n / 2));
  const look = { ...START, at: [...middle], centre: [...middle], colour: "#fff", convention: "radiological", cross: true };
  const across = () => ACROSS[look.plane];

  /** The voxel in which a point under the pointer lies. */
  const voxelOf = (under) => under.at.map((corner, axis) => clamp(Math.floor(corner), 0, size[axis] - 1));

  function go(at) {
    look.at = [...at];
    if (look.zoom > 1) look.centre = [...at];
    refresh();
  }

  function scroll(steps, axis = across()) {
    look.at[axis] = clamp(look.at[axis] + steps, 0, size[axis] - 1);
    refresh();
  }

  /** A step of the cross within the slice; right on the screen is the patient's left in the radiological convention. */
  function step(column, row) {
    const [u, v] = [0, 1, 2].filter((axis) => axis !== across());
    const sign = u === 0 && look.convention === "radiological" ? -1 : u === 1 ? -1 : 1;
    look.at[u] = clamp(look.at[u] + sign * column, 0, size[u] - 1);
    look.at[v] = clamp(look.at[v] + row, 0, size[v] - 1);
    refresh();
  }

  function zoomAt(factor, under) {
    const zoom = clamp(look.zoom * factor, ZOOM.least, ZOOM.most);
    if (look.zoom === 1) look.centre = [...look.at];
    // What lies under the pointer stays there.
    else if (under) for (const axis of under.tile.axes) look.centre[axis] += (under.at[axis] - 0.5 - look.centre[axis]) * (1 - look.zoom / zoom);
    look.zoom = zoom;
    refresh();
  }

  function move(from, to) {
    if (look.plane === "planes" || look.zoom === 1) return aim(to);
    for (const axis of from.tile.axes) look.centre[axis] = clamp(look.centre[axis] - (to.at[axis] - from.at[axis]), 0, size[axis]);
    refresh();
  }

  function aim(under) {
    look.at = voxelOf(under);
    refresh();
  }

  function setWindow(width, level) {
    const l = clamp(level, 10, 250);
    const w = clamp(width, 10, Math.min(255, 2 * l)); // black is never below 0
    look.window = [Math.round(l - w / 2), Math.round(l + w / 2)];
    refresh();
  }

  const width = () => look.window[1] - look.window[0];
  const level = () => (look.window[0] + look.window[1]) / 2;
  const shiftWindow = (dx, dy) => setWindow(width() + dx, level() - dy / 2);

  function reset() {
    Object.assign(look, START);
    refresh();
  }

  /** Change one thing that is on or off, or one of two. */
  const toggle = (name) => () => {
    look[name] = !look[name];
    refresh();
  };

  function exchangeSides() {
    look.convention = look.convention === "radiological" ? "neurological" : "radiological";
    refresh();
  }

  function setPlane(plane) {
    look.plane = plane;
    refresh();
  }

  function setOpacity(value) {
    look.fill = clamp(value, 0, 1);
    refresh();
  }

  return { look, across, voxelOf, go, scroll, step, zoomAt, move, aim, setWindow, width, level, shiftWindow, reset, toggle, exchangeSides, setPlane, setOpacity };
}
