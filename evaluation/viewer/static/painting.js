// What is painted on a slice: label maps in their colours, where two differ, how far the views agree.
import { outline } from "./contour.js";

/** Colours of a difference: of the first map alone, of the second alone, of both with different regions. */
export const KINDS = [[86, 180, 233], [230, 159, 0], [240, 110, 200]];
/** Agreement from 0 to 1: yellow is least. The colours of the map "inferno". */
const HEAT = [[252, 255, 164], [249, 142, 9], [188, 55, 84], [87, 16, 110]];
const INSET = 0.08; // voxels by which the outlines of two neighbours stand apart
const CHOSEN = "#ffffff";

/** Colour of a share of agreement below 1. */
export function heat(share) {
  const place = Math.min(0.9999, Math.max(0, share)) * (HEAT.length - 1);
  const low = Math.floor(place);
  return HEAT[low].map((value, channel) => Math.round(value + (HEAT[low + 1][channel] - value) * (place - low)));
}

const HEAT_OF = Array.from({ length: 256 }, (_, value) => heat(value / 255));

/** Cut a slice out of a volume: { width, height, value(u, v) } with the two axes that are not across, in order. */
export function cut(volume, size, across, slice) {
  const strides = [1, size[0], size[0] * size[1]];
  const [u, v] = [0, 1, 2].filter((axis) => axis !== across);
  const start = slice * strides[across];
  const value = (i, j) => volume[start + i * strides[u] + j * strides[v]];
  return { width: size[u], height: size[v], value };
}

/** Lay a colour a voxel over a slice; `colourOf(u, v)` returns [r, g, b] or null. */
function fillSlice(context, tile, { width, height }, colourOf, alpha) {
  const picture = new ImageData(width, height);
  for (let v = 0; v < height; v++) {
    for (let u = 0; u < width; u++) {
      const colour = colourOf(u, v);
      if (!colour) continue;
      const at = 4 * (v * width + u);
      [picture.data[at], picture.data[at + 1], picture.data[at + 2]] = colour;
      picture.data[at + 3] = 255 * alpha;
    }
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(picture, 0, 0);
  const [x0, y0] = tile.toPixel(0, 0);
  const [x1, y1] = tile.toPixel(width, height);
  context.save();
  context.imageSmoothingEnabled = false;
  // The first row is the lowest, and right may be left: scales may be negative.
  context.setTransform((x1 - x0) / width, 0, 0, (y1 - y0) / height, x0, y0);
  context.drawImage(canvas, 0, 0);
  context.restore();
}

/** Draw edges, [u0, v0, u1, v1] each, in voxel corners of the slice. */
function strokeEdges(context, tile, edges, colour, thickness) {
  context.beginPath();
  for (const [u0, v0, u1, v1] of edges) {
    context.moveTo(...tile.toPixel(u0, v0));
    context.lineTo(...tile.toPixel(u1, v1));
  }
  context.lineCap = "round";
  context.strokeStyle = colour;
  context.lineWidth = thickness;
  context.stroke();
}

/** Edges of each region towards all others, a little inside of it: a Map of place in the legend to edges. */
function borders({ width, height, value }, wanted) {
  const found = new Map();
  const add = (place, edge) => {
    if (!found.has(place)) found.set(place, []);
    found.get(place).push(edge);
  };
  for (let v = 0; v < height; v++) {
    for (let u = 0; u < width; u++) {
      const place = value(u, v);
      if (!place || !wanted(place)) continue;
      const [low, high, left, right] = [v + INSET, v + 1 - INSET, u + INSET, u + 1 - INSET];
      if (v === 0 || value(u, v - 1) !== place) add(place, [u, low, u + 1, low]);
      if (v === height - 1 || value(u, v + 1) !== place) add(place, [u, high, u + 1, high]);
      if (u === 0 || value(u - 1, v) !== place) add(place, [left, v, left, v + 1]);
      if (u === width - 1 || value(u + 1, v) !== place) add(place, [right, v, right, v + 1]);
    }
  }
  return found;
}

const rgb = (colour) => `rgb(${colour.join(" ")})`;

/** Outline of one region, on a dark halo. */
function outlineOf(context, tile, slice, place, colour, ratio) {
  const edges = outline({ ...slice, inside: (u, v) => u >= 0 && v >= 0 && u < slice.width && v < slice.height && slice.value(u, v) === place });
  strokeEdges(context, tile, edges, "rgba(0, 0, 0, 0.65)", 3.4 * ratio);
  strokeEdges(context, tile, edges, colour, 1.8 * ratio);
}

/**
 * Paint on a slice what is to be seen.
 * `shown` is { mode, size, first, second, agreement: volumes, legend, chosen: place or 0, only }; look is the viewer's.
 */
export function paintSlice(context, tile, look, ratio, shown) {
  if (!look.visible) return;
  const at = (volume) => cut(volume, shown.size, tile.across, look.at[tile.across]);
  if (shown.mode === "difference") paintDifference(context, tile, look, ratio, shown, at(shown.first), at(shown.second));
  else if (shown.mode === "agreement") paintAgreement(context, tile, look, ratio, shown, at);
  else if (shown.first) paintLabels(context, tile, look, ratio, shown, at(shown.first));
}

function paintLabels(context, tile, look, ratio, shown, slice) {
  const wanted = (place) => place > 0 && (!shown.only || place === shown.chosen);
  if (look.contour) {
    for (const [place, edges] of borders(slice, wanted)) strokeEdges(context, tile, edges, rgb(shown.legend[place - 1].rgb), 1.5 * ratio);
  } else {
    const colourOf = (u, v) => (wanted(slice.value(u, v)) ? shown.legend[slice.value(u, v) - 1].rgb : null);
    fillSlice(context, tile, slice, colourOf, look.fill);
  }
  if (shown.chosen && !(shown.only && look.contour)) outlineOf(context, tile, slice, shown.chosen, CHOSEN, ratio);
}

/** Which kind of difference a voxel is: 0, 1, 2 as in KINDS, or null. With a region chosen: which map alone has it. */
export function kindOf(one, two, chosen) {
  if (one === two) return null;
  if (chosen) return one === chosen ? 0 : two === chosen ? 1 : null;
  return !two ? 0 : !one ? 1 : 2;
}

function paintDifference(context, tile, look, ratio, shown, one, two) {
  const colourOf = (u, v) => {
    const kind = kindOf(one.value(u, v), two.value(u, v), shown.chosen);
    return kind === null ? null : KINDS[kind];
  };
  if (!look.contour || !shown.chosen) fillSlice(context, tile, one, colourOf, Math.min(1, look.fill + 0.25));
  if (!shown.chosen) return;
  outlineOf(context, tile, one, shown.chosen, rgb(KINDS[0]), ratio);
  outlineOf(context, tile, two, shown.chosen, rgb(KINDS[1]), ratio);
}

function paintAgreement(context, tile, look, ratio, shown, at) {
  const shares = at(shown.agreement);
  const slice = shown.first && at(shown.first);
  const inside = (u, v) => !shown.only || !shown.chosen || !slice || slice.value(u, v) === shown.chosen;
  const colourOf = (u, v) => (shares.value(u, v) < 255 && inside(u, v) ? HEAT_OF[shares.value(u, v)] : null);
  fillSlice(context, tile, shares, colourOf, Math.min(1, look.fill + 0.25));
  if (shown.chosen && slice) outlineOf(context, tile, slice, shown.chosen, CHOSEN, ratio);
}
