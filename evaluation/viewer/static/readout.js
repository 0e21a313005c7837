// What lies under the pointer, or at the cross: place in millimetres, names in each label map, agreement of views.

const place = (matrix, at) => [0, 1, 2].map((row) => matrix[row][0] * at[0] + matrix[row][1] * at[1] + matrix[row][2] * at[2] + matrix[row][3]);
const side = (value, [low, high]) => `${Math.abs(value).toFixed(1)} ${value < 0 ? low : high}`;

/** Millimetres in words: `12.0 R, 3.5 A, 7.0 S`. */
export function millimetres(about, at) {
  const [x, y, z] = place(about.affine, at);
  return `${side(x, "LR")}, ${side(y, "PA")}, ${side(z, "IS")}`;
}

/** Place in a volume of a voxel. */
export const offsetOf = (size, at) => at[0] + size[0] * (at[1] + size[1] * at[2]);

/** Make the readout inside a `dl`; show(at, maps, agreement, hovering) fills it. */
export function createReadout(element, about) {
  const rows = new Map();

  function row(name, title) {
    if (!rows.has(name)) {
      const [group, term, text] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
      term.textContent = title;
      group.append(term, text);
      element.append(group);
      rows.set(name, { group, text });
    }
    return rows.get(name);
  }

  function fill(name, title, text, colour = null) {
    const found = row(name, title);
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = colour ?? "transparent";
    found.text.replaceChildren(...(colour ? [swatch] : []), text);
    found.text.title = text;
  }

  function show(at, volumes, agreement, hovering) {
    const voxel = place(about.to_file, at).map((value) => Math.round(value));
    element.dataset.at = hovering ? "pointer" : "cross";
    fill("where", "Position", `${millimetres(about, at)} mm · voxel ${voxel.join(" ")}`);
    volumes.forEach((volume, number) => {
      if (!volume) return;
      const entry = about.legend[volume[offsetOf(about.size, at)] - 1];
      fill(`map${number}`, about.maps[number].name, entry ? `${entry.name} (${entry.id})` : "–", entry && `rgb(${entry.rgb.join(" ")})`);
    });
    if (agreement) fill("agreement", "Agreement", `${Math.round((agreement[offsetOf(about.size, at)] / 255) * 100)} % of pairs of views`);
  }

  return { show };
}
