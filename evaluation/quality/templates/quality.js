"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const scans = data.scans;
  const key = `darts-quality-${data.key}`;
  const part = (id) => document.getElementById(id);
  const list = part("list"), search = part("search"), level = part("level"), decision = part("decision"), note = part("note");
  const words = ["pass", "fail", "unsure"];
  let decisions = {};
  let current = -1;
  let shown = [];

  try {
    decisions = JSON.parse(localStorage.getItem(key)) || {};
  } catch { decisions = {}; }
  const keep = () => { try { localStorage.setItem(key, JSON.stringify(decisions)); } catch { /* a browser without storage: export still works */ } };
  const of = (scan) => decisions[scan.name] || { decision: "", note: "" };

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const items = scans.map((scan, index) => {
    const item = element("div", "row"), button = element("button");
    item.setAttribute("role", "listitem");
    button.type = "button";
    const verdict = element("span", "verdict");
    button.append(element("span", `level ${scan.level}`, scan.level), element("span", "name", scan.name), verdict);
    const first = scan.findings.length ? scan.findings[0].text : "nothing found";
    button.append(element("span", "why", scan.findings.length > 1 ? `${first} (+${scan.findings.length - 1})` : first));
    button.addEventListener("click", () => show(index));
    item.append(button);
    return { item, button, verdict, text: `${scan.name} ${scan.findings.map((one) => one.text).join(" ")}`.toLowerCase() };
  });
  const together = 25;
  const groups = Array.from({ length: Math.ceil(items.length / together) }, (_, group) => {
    const made = element("div", "rows");
    made.setAttribute("role", "presentation");
    made.append(...items.slice(group * together, (group + 1) * together).map((one) => one.item));
    return made;
  });
  list.append(...groups);

  const mark = (index) => {
    const chosen = of(scans[index]).decision;
    items[index].verdict.className = `verdict ${chosen}`;
    items[index].verdict.textContent = chosen;
  };

  const summarise = () => {
    const done = scans.filter((scan) => of(scan).decision).length;
    const levels = ["serious", "look"].map((one) => `${scans.filter((scan) => scan.level === one).length} ${one}`);
    const hidden = shown.length < scans.length ? `; ${shown.length} shown` : "";
    part("summary").textContent = `${scans.length} ${scans.length === 1 ? "scan" : "scans"}: ${levels.join(", ")}; ${done} decided${hidden}`;
  };

  const filter = () => {
    const text = search.value.trim().toLowerCase();
    const counts = groups.map(() => 0);
    shown = [];
    scans.forEach((scan, index) => {
      const chosen = of(scan).decision;
      const fits = (!text || items[index].text.includes(text)) && (!level.value || scan.level === level.value)
        && (!decision.value || (decision.value === "none" ? !chosen : chosen === decision.value));
      items[index].item.hidden = !fits;
      if (!fits) return;
      shown.push(index);
      counts[Math.floor(index / together)] += 1;
    });
    groups.forEach((group, place) => {
      group.hidden = !counts[place];
      group.style.setProperty("--count", counts[place]);
    });
    summarise();
  };

  const number = (value, digits) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

  const show = (index) => {
    if (current >= 0) items[current].button.removeAttribute("aria-current");
    current = index;
    const scan = scans[index];
    items[index].button.setAttribute("aria-current", "true");
    items[index].item.scrollIntoView({ block: "nearest" });
    part("name").textContent = scan.name;
    const picture = part("mosaic");
    picture.src = scan.picture;
    picture.alt = `Borders of the regions of ${scan.name} on axial, coronal and sagittal slices`;
    const agreement = scan.agreement === null ? "" : `; mean agreement of the views ${number(scan.agreement, 2)}`;
    part("facts").textContent = `all regions ${number(scan.brain_cm3, 0)} cm³${agreement}`;
    part("findings").replaceChildren(...scan.findings.map((one) => {
      const item = element("li");
      item.append(element("span", `level ${one.level}`, `${one.level}: `), one.text);
      return item;
    }));
    part("outliers-box").hidden = !scan.outliers.length;
    part("outliers").replaceChildren(...scan.outliers.map((one) => {
      const row = element("tr");
      row.append(element("td", "", one.name), element("td", "", number(one.volume, 0)), element("td", "", number(one.median, 0)));
      for (const z of [one.volume_z, one.place_z]) row.append(element("td", Math.abs(z) > 4 ? "far" : "", number(z, 1)));
      return row;
    }));
    part("file").textContent = scan.label_map;
    refresh();
    const next = shown[shown.indexOf(index) + 1];
    if (next !== undefined) new Image().src = scans[next].picture;
  };

  const refresh = () => {
    const kept = of(scans[current]);
    note.value = kept.note;
    document.querySelectorAll("[data-decision]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.decision === kept.decision)));
    mark(current);
    summarise();
  };

  const decide = (word) => {
    if (current < 0) return;
    const kept = of(scans[current]);
    decisions[scans[current].name] = { ...kept, decision: kept.decision === word ? "" : word, time: new Date().toISOString() };
    keep();
    refresh();
  };

  const step = (by) => {
    const place = shown.indexOf(current);
    const to = place < 0 ? shown.find((index) => index > current) ?? shown[0] : shown[place + by];
    if (to !== undefined) show(to);
  };

  const clean = (text) => String(text).replace(/[\t\r\n]+/g, " ");
  const table = () => ["name\tdecision\tnote\tlevel\ttime", ...scans.map((scan) => {
    const kept = of(scan);
    return [scan.name, kept.decision || "", kept.note || "", scan.level, kept.time || ""].map(clean).join("\t");
  })].join("\n") + "\n";

  part("export").addEventListener("click", () => {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([table()], { type: "text/tab-separated-values" }));
    link.download = "qc.tsv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
  part("import").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    event.target.value = ""; // so that the same file can be chosen again
    const [head, ...rows] = (await file.text()).replace(/^\uFEFF|\r/g, "").split("\n").map((line) => line.split("\t").map((cell) => cell.trim()));
    if (!head.includes("name") || !head.includes("decision")) {
      part("told").textContent = `${file.name}: not read. Expected a table with tabs and the columns name and decision, as this page exports it.`;
      return;
    }
    const known = new Map(scans.map((scan) => [scan.name.normalize(), scan.name])); // é, or e and an accent
    let read = 0, others = 0;
    for (const row of rows) {
      const one = Object.fromEntries(head.map((name, place) => [name, row[place] || ""]));
      const word = one.decision.toLowerCase();
      if (!words.includes(word) && !one.note) continue;
      const name = known.get(one.name.normalize());
      if (name === undefined) { others += 1; continue; }
      decisions[name] = { decision: words.includes(word) ? word : "", note: one.note || "", time: one.time || "" };
      read += 1;
    }
    part("told").textContent = `${file.name}: ${read} read${others ? `, ${others} of scans that are not on this page` : ""}`;
    keep();
    scans.forEach((_, index) => mark(index));
    filter();
    if (current >= 0) refresh();
  });
  note.addEventListener("input", () => {
    decisions[scans[current].name] = { ...of(scans[current]), note: note.value, time: new Date().toISOString() };
    keep();
  });
  note.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === "Escape") note.blur(); });
  search.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === "Escape") { search.blur(); if (shown.length) show(shown[0]); } });
  document.querySelectorAll("[data-decision]").forEach((button) => button.addEventListener("click", () => decide(button.dataset.decision)));
  part("previous").addEventListener("click", () => step(-1));
  part("next").addEventListener("click", () => step(1));
  for (const one of [search, level, decision]) one.addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
    const act = {
      j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
      p: () => decide("pass"), f: () => decide("fail"), u: () => decide("unsure"), n: () => note.focus(), "/": () => search.focus(),
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  scans.forEach((_, index) => { if (of(scans[index]).decision) mark(index); });
  filter();
  if (scans.length) show(0);
})();
