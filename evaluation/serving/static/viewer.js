// One picture of a scan: NiiVue draws the scan, a canvas above it draws a region, or what the page paints.
import { outline, runs, sliceOf } from "./contour.js";

const { NVImage, Niivue } = globalThis.niivue;
const SLICE_TYPES = { axial: 0, coronal: 1, sagittal: 2, planes: 3 };
const ACROSS = [2, 1, 0]; // the voxel axis across a slice, by NiiVue's number of its plane
const SIDES = [["L", "R"], ["P", "A"], ["I", "S"]]; // at the low and the high end of each voxel axis
const HALO = "rgba(0, 0, 0, 0.65)";
export const ZOOM = { least: 1, most: 8 };

/**
 * Make a viewer inside an element that holds two canvases, `.scan` and `.region`.
 * `paint(context, tile, look, ratio)`, where it is given, draws on each slice in place of a region's mask.
 */
export async function createViewer(element, convention, paint = null) {
  const scanCanvas = element.querySelector("canvas.scan");
  const regionCanvas = element.querySelector("canvas.region");
  const nv = new Niivue({
    isRadiologicalConvention: convention === "radiological",
    sagittalNoseLeft: true,
    crosshairWidth: 0,
    multiplanarShowRender: 0,
    multiplanarForceRender: false,
    multiplanarLayout: 2,
    multiplanarPadPixels: 4,
    isOrientationTextVisible: false,
    backColor: [0, 0, 0, 1],
    dragAndDropEnabled: false,
    loadingText: "",
    logLevel: "error",
  });
  // NiiVue also draws when its canvas is hidden, or was until now, and has no size: WebGL would complain. It draws again
  // as soon as it has one.
  const drawScene = nv.drawScene.bind(nv);
  nv.drawScene = () => (element.clientWidth && Math.min(scanCanvas.width, scanCanvas.height) > 8 ? drawScene() : undefined);
  await nv.attachToCanvas(scanCanvas);
  scanCanvas.tabIndex = -1; // the region canvas above takes focus and pointer
  const picture = { name: null, size: null, mask: null, offset: [0, 0, 0] };
  let look = null;

  /** Take a scan, unless it is the one that is here, and a region of it. */
  async function load(name, scanBuffer, mask, offset) {
    if (picture.name !== name) {
      const volume = await NVImage.loadFromUrl({ url: "scan.nii", name: "scan.nii", buffer: scanBuffer.slice(0), cal_min: 0, cal_max: 255 });
      // Set aside without NiiVue drawing in between: making textures of a volume is what takes time.
      nv.volumes = [];
      nv.addVolume(volume);
      // In this file order the volume is right-anterior-superior already, so NiiVue's voxels are the server's.
      picture.size = volume.dimsRAS.slice(1, 4);
      picture.name = name;
    }
    picture.mask = mask;
    picture.offset = offset;
  }

  /**
   * Draw: `look` is { plane, at: voxel, zoom, centre: voxel, window, contour, fill, visible, colour }, and where the page
   * lets a user choose them, { convention, cross: also on a single slice }.
   */
  function draw(wanted) {
    look = wanted;
    if (!picture.size) return;
    // Black at the window's low end, white at its high end, by the browser: NiiVue would make its textures anew.
    const [width, level] = [(look.window[1] - look.window[0]) / 255, (look.window[0] + look.window[1]) / 510];
    scanCanvas.style.filter = `brightness(${1 / (2 * level)}) contrast(${(2 * level) / width})`;
    nv.opts.sliceType = SLICE_TYPES[look.plane];
    if (look.convention) nv.opts.isRadiologicalConvention = look.convention === "radiological";
    nv.scene.crosshairPos = look.at.map((voxel, axis) => (voxel + 0.5) / picture.size[axis]);
    const middle = millimetres([0.5, 0.5, 0.5]);
    const centre = millimetres(look.centre.map((voxel, axis) => (voxel + 0.5) / picture.size[axis]));
    nv.scene.pan2Dxyzmm = [...[0, 1, 2].map((axis) => middle[axis] - centre[axis] * look.zoom), look.zoom];
    if (look.zoom === 1) nv.scene.pan2Dxyzmm = [0, 0, 0, 1];
    nv.drawScene();
    drawRegion();
  }

  const millimetres = (fraction) => Array.from(nv.frac2mm(fraction)).slice(0, 3);

  /** NiiVue's slices on the screen, each with a function from voxel corners to canvas pixels and one back. */
  function tiles() {
    const low = millimetres([0, 0, 0]);
    const high = millimetres([1, 1, 1]);
    return nv.screenSlices
      .filter((slice) => slice.axCorSag <= 2)
      .map((slice) => {
        const [left, top, width, height] = slice.leftTopWidthHeight;
        const across = ACROSS[slice.axCorSag];
        const [u, v] = [0, 1, 2].filter((axis) => axis !== across);
        const mm = (axis, corner) => low[axis] + ((high[axis] - low[axis]) * corner) / picture.size[axis];
        const corner = (axis, at) => ((at - low[axis]) / (high[axis] - low[axis])) * picture.size[axis];
        const toPixel = (cu, cv) => [
          left + ((mm(u, cu) - slice.leftTopMM[0]) / slice.fovMM[0]) * width,
          top + height - ((mm(v, cv) - slice.leftTopMM[1]) / slice.fovMM[1]) * height,
        ];
        const toCorner = (x, y) => [
          corner(u, slice.leftTopMM[0] + ((x - left) / width) * slice.fovMM[0]),
          corner(v, slice.leftTopMM[1] + ((top + height - y) / height) * slice.fovMM[1]),
        ];
        return { box: [left, top, width, height], across, axes: [u, v], toPixel, toCorner };
      });
  }

  function drawRegion() {
    const [width, height] = [scanCanvas.width, scanCanvas.height];
    if (regionCanvas.width !== width) regionCanvas.width = width;
    if (regionCanvas.height !== height) regionCanvas.height = height;
    const context = regionCanvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const ratio = globalThis.devicePixelRatio || 1;
    const shown = tiles();
    for (const tile of shown) {
      context.save();
      context.beginPath();
      context.rect(...tile.box);
      context.clip();
      if (paint) paint(context, tile, look, ratio);
      else if (look.visible && picture.mask) drawMask(context, tile, ratio);
      if (shown.length > 1 || look.cross) drawCross(context, tile, ratio);
      drawSides(context, tile, ratio);
      context.restore();
    }
  }

  function drawMask(context, tile, ratio) {
    const slice = sliceOf(picture.mask, tile.across, look.at[tile.across] - picture.offset[tile.across]);
    if (!slice) return;
    const [ou, ov] = tile.axes.map((axis) => picture.offset[axis]);
    if (look.fill > 0) {
      context.beginPath();
      for (const [u, v, length] of runs(slice)) {
        const [x0, y0] = tile.toPixel(ou + u, ov + v);
        const [x1, y1] = tile.toPixel(ou + u + length, ov + v + 1);
        // To whole pixels: neighbouring runs leave no seam and don't overlap.
        context.rect(Math.round(x0), Math.round(y0), Math.round(x1) - Math.round(x0), Math.round(y1) - Math.round(y0));
      }
      context.fillStyle = look.colour;
      context.globalAlpha = look.fill;
      context.fill();
      context.globalAlpha = 1;
    }
    if (look.contour) {
      context.beginPath();
      for (const [u0, v0, u1, v1] of outline(slice)) {
        context.moveTo(...tile.toPixel(ou + u0, ov + v0));
        context.lineTo(...tile.toPixel(ou + u1, ov + v1));
      }
      context.lineCap = "round";
      for (const [colour, thickness] of [[HALO, 3.2], [look.colour, 1.6]]) {
        context.strokeStyle = colour;
        context.lineWidth = thickness * ratio;
        context.stroke();
      }
    }
  }

  /** Letters at the edges of a slice: which side of the patient is where. */
  function drawSides(context, tile, ratio) {
    const [left, top, width, height] = tile.box;
    const middle = tile.toPixel(...tile.axes.map((axis) => picture.size[axis] / 2));
    context.font = `600 ${15 * ratio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    tile.axes.forEach((axis, number) => {
      [0, picture.size[axis]].forEach((end, high) => {
        const corners = tile.axes.map((other) => picture.size[other] / 2);
        corners[number] = end;
        const [x, y] = tile.toPixel(...corners);
        const inset = 14 * ratio;
        const at = number === 0 ? [x > middle[0] ? left + width - inset : left + inset, top + height / 2] : [left + width / 2, y > middle[1] ? top + height - inset : top + inset];
        context.lineWidth = 3 * ratio;
        context.strokeStyle = HALO;
        context.fillStyle = "#dfe7ee";
        context.strokeText(SIDES[axis][high], ...at);
        context.fillText(SIDES[axis][high], ...at);
      });
    });
  }

  function drawCross(context, tile, ratio) {
    const [u, v] = tile.axes;
    const [x, y] = tile.toPixel(look.at[u] + 0.5, look.at[v] + 0.5);
    const [left, top, width, height] = tile.box;
    const gap = 14 * ratio;
    context.strokeStyle = "rgba(120, 190, 255, 0.6)";
    context.lineWidth = ratio;
    context.beginPath();
    for (const [x0, y0, x1, y1] of [
      [left, y, x - gap, y], [x + gap, y, left + width, y], [x, top, x, y - gap], [x, y + gap, x, top + height],
    ]) {
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
    }
    context.stroke();
  }

  /** What lies under a point of the screen: { tile, at: voxel corner coordinates of all three axes } or null. */
  function under(clientX, clientY) {
    if (!picture.size || !look) return null;
    const place = regionCanvas.getBoundingClientRect();
    const x = ((clientX - place.left) * regionCanvas.width) / place.width;
    const y = ((clientY - place.top) * regionCanvas.height) / place.height;
    const tile = tiles().find(({ box: [left, top, width, height] }) => x >= left && y >= top && x < left + width && y < top + height);
    if (!tile) return null;
    const at = look.at.map((voxel) => voxel + 0.5);
    [at[tile.axes[0]], at[tile.axes[1]]] = tile.toCorner(x, y);
    return { tile, at };
  }

  // One that is hidden has no size to draw in.
  new ResizeObserver(() => requestAnimationFrame(() => look && element.clientWidth && draw(look))).observe(element);
  return { element, region: regionCanvas, load, draw, under, size: () => picture.size, maskSize: () => picture.mask?.size };
}
