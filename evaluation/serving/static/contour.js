// A region's mask: read from NIfTI, cut into slices, outlined and filled.

/** Read an uncompressed NIfTI-1 volume of uint8: { size: [x, y, z], data }. */
export function readMask(buffer) {
  const header = new DataView(buffer, 0, 348);
  if (header.getInt32(0, true) !== 348 || header.getInt16(70, true) !== 2) throw new Error("not a mask");
  const size = [1, 2, 3].map((axis) => header.getInt16(40 + 2 * axis, true));
  const start = header.getFloat32(108, true);
  return { size, data: new Uint8Array(buffer, start, size[0] * size[1] * size[2]) };
}

/**
 * Cut a slice: axis 0, 1 or 2 is across, the other two in order are u and v.
 * `slice` counts voxels of the mask. Returns { width, height, inside(u, v) } or null outside the mask.
 */
export function sliceOf(mask, axis, slice) {
  if (slice < 0 || slice >= mask.size[axis]) return null;
  const [nx, ny] = mask.size;
  const strides = [1, nx, nx * ny];
  const [u, v] = [0, 1, 2].filter((other) => other !== axis);
  const start = slice * strides[axis];
  const [width, height] = [mask.size[u], mask.size[v]];
  const inside = (i, j) =>
    i >= 0 && j >= 0 && i < width && j < height && mask.data[start + i * strides[u] + j * strides[v]] > 0;
  return { width, height, inside };
}

/** Edges between inside and outside, as [u0, v0, u1, v1] in voxel corners of the slice; neighbouring edges in line are one. */
export function outline(slice) {
  const edges = [];
  for (let v = 0; v <= slice.height; v++) {
    let begun = -1;
    for (let u = 0; u <= slice.width; u++) {
      const edge = u < slice.width && slice.inside(u, v) !== slice.inside(u, v - 1);
      if (edge && begun < 0) begun = u;
      if (!edge && begun >= 0) {
        edges.push([begun, v, u, v]);
        begun = -1;
      }
    }
  }
  for (let u = 0; u <= slice.width; u++) {
    let begun = -1;
    for (let v = 0; v <= slice.height; v++) {
      const edge = v < slice.height && slice.inside(u, v) !== slice.inside(u - 1, v);
      if (edge && begun < 0) begun = v;
      if (!edge && begun >= 0) {
        edges.push([u, begun, u, v]);
        begun = -1;
      }
    }
  }
  return edges;
}

/** Runs of voxels inside, as [u, v, length]. */
export function runs(slice) {
  const found = [];
  for (let v = 0; v < slice.height; v++) {
    let begun = -1;
    for (let u = 0; u <= slice.width; u++) {
      const inside = slice.inside(u, v);
      if (inside && begun < 0) begun = u;
      if (!inside && begun >= 0) {
        found.push([begun, v, u - begun]);
        begun = -1;
      }
    }
  }
  return found;
}
