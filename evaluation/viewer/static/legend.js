// The legend: colour, name and volumes of each region; a region is found, chosen and sorted here.
const byId = (id) => document.getElementById(id);

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** mm³ with thousands apart. */
export const volume = (mm3) => (mm3 === null ? "–" : Math.round(mm3).toLocaleString("en-US").replaceAll(",", "\u202f"));

/** Make the table; `choose(place)` is called with the place of a region in the legend, 0 for none. */
export function createLegend(about, choose) {
  const rows = about.legend.map((entry, index) => rowOf(entry, index + 1));
  let sorted = { column: -1, down: false };
  let shownMaps = [];

  function rowOf(entry, place) {
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = `rgb(${entry.rgb.join(" ")})`;
    const button = make("button", { type: "button", class: "region" }, swatch, make("span", {}, entry.name));
    button.title = [entry.freesurfer, entry.id].filter((word) => word !== "").join(", ");
    button.disabled = !entry.at;
    button.addEventListener("click", () => choose(place));
    const row = make("tr", { "data-place": place }, make("th", { scope: "row" }, button));
    const words = `${entry.name} ${entry.freesurfer} ${entry.id}`.toLowerCase();
    return { row, entry, place, words, button };
  }

  /** Columns of the maps that are looked at; with two, how far the second is from the first. */
  function setMaps(numbers) {
    shownMaps = numbers;
    const titles = numbers.length > 1 ? ["1 mm³", "2 mm³", "±%"] : numbers.length ? ["mm³"] : [];
    const heads = ["Region", ...titles].map((title, column) => {
      const button = make("button", { type: "button" }, title);
      button.addEventListener("click", () => sortBy(column));
      return make("th", { scope: "col", class: column ? "number" : "", "aria-sort": "none" }, button);
    });
    byId("legend-head").replaceChildren(...heads);
    for (const { row, entry } of rows) {
      while (row.cells.length > 1) row.deleteCell(1);
      valuesOf(entry).forEach((value, column) => row.append(make("td", { class: "number" }, column < 2 ? volume(value) : percent(value))));
    }
    sorted = { column: -1, down: false };
    byId("legend").replaceChildren(...rows.map(({ row }) => row));
  }

  function valuesOf(entry) {
    const values = shownMaps.map((number) => entry.mm3[number]);
    if (values.length < 2) return values;
    const [one, two] = values;
    return [one, two, one && two !== null ? (100 * (two - one)) / one : null];
  }

  const percent = (value) => (value === null ? "–" : `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(0)}`);

  function sortBy(column) {
    const down = sorted.column === column ? !sorted.down : column > 0;
    sorted = { column, down };
    [...byId("legend-head").cells].forEach((cell, index) => cell.setAttribute("aria-sort", index === column ? (down ? "descending" : "ascending") : "none"));
    // The largest difference is the one furthest from 0, whatever its sign; what is missing stands last.
    const key = ({ entry }) => {
      const value = valuesOf(entry)[column - 1];
      return value === null || value === undefined ? null : column === 3 ? Math.abs(value) : value;
    };
    const ordered = [...rows].sort((a, b) => {
      if (!column) return (down ? -1 : 1) * a.entry.name.localeCompare(b.entry.name);
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return (down ? -1 : 1) * (x - y);
    });
    byId("legend").replaceChildren(...ordered.map(({ row }) => row));
  }

  function filter() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const one of rows) one.row.hidden = !words.every((word) => one.words.includes(word));
    const count = visible().length;
    byId("count").textContent = words.length ? `${count} of ${rows.length} regions` : `${rows.length} regions`;
  }

  /** Rows as they stand in the table, without those that are filtered away or can't be gone to. */
  const visible = () => [...byId("legend").rows].map((row) => rows[row.dataset.place - 1]).filter(({ row, button }) => !row.hidden && !button.disabled);

  function mark(place) {
    for (const one of rows) {
      one.row.classList.toggle("chosen", one.place === place);
      one.button.setAttribute("aria-pressed", String(one.place === place));
    }
    if (place) bringIntoSight(rows[place - 1].row);
  }

  /** Scroll the list, never the page: on small screens the pictures stand above the list. */
  function bringIntoSight(row) {
    const box = byId("legend-scroll"), shown = box.getBoundingClientRect(), at = row.getBoundingClientRect();
    const top = shown.top + byId("legend-head").offsetHeight;
    if (at.top < top || at.bottom > shown.bottom) box.scrollTop += (at.top + at.bottom) / 2 - (top + shown.bottom) / 2;
  }

  /** Choose the next (+1) or previous (-1) region of the table. */
  function step(by, place) {
    const order = visible();
    if (!order.length) return;
    const index = order.findIndex((one) => one.place === place);
    choose(order[index < 0 ? (by > 0 ? 0 : order.length - 1) : (index + by + order.length) % order.length].place);
  }

  byId("search").addEventListener("input", filter);
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && visible().length) choose(visible()[0].place);
    if (event.key === "Escape") {
      byId("search").value = "";
      filter();
      byId("search").blur();
    }
  });
  filter();
  return { setMaps, mark, step };
}
