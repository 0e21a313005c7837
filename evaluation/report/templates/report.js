"use strict";
// Sorting, filtering and copying; without this script the report is whole, only its controls are not shown.
document.documentElement.classList.add("js");

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function compareCells(one, two, descending) {
  const sign = descending ? -1 : 1;
  if (one.dataset.v === undefined) {
    const [a, b] = [one.textContent, two.textContent];
    const missing = (a === "–") - (b === "–");
    return missing || sign * collator.compare(a, b);
  }
  const [a, b] = [one.dataset.v, two.dataset.v];
  // What is missing stands last in both directions.
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [Number(a), Number(b)];
  return x === y ? 0 : sign * (x < y ? -1 : 1);
}

function sortBy(table, heading) {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  rows.sort((one, two) => compareCells(one.cells[heading.cellIndex], two.cells[heading.cellIndex], descending));
  body.append(...rows);
}

function filterRows(block, words) {
  const rows = [...block.querySelectorAll("tbody tr")];
  let shown = 0;
  for (const row of rows) {
    row.text ??= [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
    row.hidden = !words.every((word) => row.text.includes(word));
    shown += !row.hidden;
  }
  const count = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  block.querySelector(".count").textContent = count;
}

for (const block of document.querySelectorAll("div.table")) {
  const table = block.querySelector("table");
  for (const heading of table.tHead.rows[0].cells) {
    heading.querySelector("button").addEventListener("click", () => sortBy(table, heading));
  }
  const box = block.querySelector("input");
  box?.addEventListener("input", () => filterRows(block, box.value.toLowerCase().split(/\s+/).filter(Boolean)));
}

async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.innerText);
    return true;
  } catch {
    // Browsers that keep the clipboard from files take a selection.
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

for (const block of document.querySelectorAll("div.quotation")) {
  block.querySelector("button").addEventListener("click", async () => {
    const done = await copyText(block.querySelector("blockquote"));
    block.querySelector(".copied").textContent = done ? "Copied" : "Selected: copy it with Ctrl+C";
  });
}

for (const item of document.querySelectorAll(".commands li")) {
  item.querySelector("button").addEventListener("click", async () => {
    const done = await copyText(item.querySelector("code"));
    item.querySelector(".copied").textContent = done ? " Copied" : " Selected: copy it with Ctrl+C";
  });
}

// Paper can't be clicked.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});
