// The coordinator's page: fetched again every half minute.
import { SignedOut, at, get, post } from "./answers.js";
import { make } from "./screens.js";

const byId = (id) => document.getElementById(id);
const PART_NAMES = { practice: "Practice", rating: "Rating", ranking: "Side by side", guess: "Guess" };
const share = (value) => (value === null ? "–" : `${Math.round(100 * value)} %`);

function ago(time) {
  if (!time) return "never";
  const minutes = Math.round((Date.now() - Date.parse(time)) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 2880 ? `${Math.round(minutes / 60)} h ago` : `${Math.round(minutes / 1440)} days ago`;
}

function parts(progress) {
  return make(
    "div", { class: "parts" },
    ...Object.entries(progress).map(([part, { done, total }]) =>
      make("div", {}, make("span", {}, PART_NAMES[part]), make("progress", { max: total, value: done, "aria-label": PART_NAMES[part] }), make("span", {}, `${done} / ${total}`)),
    ),
  );
}

function histogram(counts, levels) {
  const most = Math.max(1, ...levels.map((level) => counts[level]));
  const bars = levels.map((level) => {
    const bar = make("span", { title: `${level}: ${counts[level]}` });
    bar.style.height = `${Math.round((34 * counts[level]) / most)}px`;
    return bar;
  });
  return make(
    "div", { role: "img", "aria-label": levels.map((level) => `${level}: ${counts[level]}`).join(", ") },
    make("div", { class: "bars" }, ...bars), make("div", { class: "bar-labels" }, ...levels.map((level) => make("span", {}, String(level)))),
  );
}

const day = (time) => time.slice(0, 10);

/** The rounds of practice with feedback, and how the latest one goes. */
function training({ rounds, answered, of, right, needed }) {
  const lines = [`Round ${rounds}: ${answered} of ${of} rated, ${right} right`];
  if (needed !== null) lines.push(answered < of ? `${needed} needed to pass` : right >= needed ? "passed" : `not passed: ${needed} needed`);
  return lines.map((line) => make("span", { class: "line" }, line));
}

function who(reader) {
  const { withdrawn } = reader;
  if (!withdrawn) return [reader.reader];
  const rule = withdrawn.rule === "keep" ? "exports keep the ratings" : "exports leave the ratings out";
  return [reader.reader, make("span", { class: "gone" }, `Withdrawn ${day(withdrawn.at)}; ${rule}. Reason: ${withdrawn.reason}`)];
}

function row(reader, levels, taught) {
  const cell = (...content) => make("td", {}, ...content);
  return make(
    "tr", { class: reader.withdrawn ? "withdrawn" : null },
    make("th", { scope: "row" }, ...who(reader)), cell(parts(reader.progress)), taught ? cell(...(reader.training ? training(reader.training) : ["–"])) : null, cell(ago(reader.last_activity)),
    cell(reader.median_seconds === null ? "–" : `${reader.median_seconds.toFixed(1)} s`), cell(String(reader.quick)),
    cell(histogram(reader.counts, levels)), cell(String(reader.longest_run)),
    cell(reader.repeats ? `${share(reader.exact)} / ${share(reader.within_one)} of ${reader.repeats}` : "–"),
    cell(reader.ac2 === null ? "–" : reader.ac2.toFixed(2)),
    cell(...(reader.flags.length ? reader.flags.map((flag) => make("span", { class: "flag" }, flag)) : ["none"])),
  );
}

/** That the study takes no answers now is said above all else. */
function showState({ status, status_since: since, status_note: note }) {
  const texts = { paused: "The study is paused: no answers are taken.", closed: "The study is closed: no answers are taken." };
  byId("state").hidden = !texts[status];
  byId("state").textContent = texts[status] ? `${texts[status]}${since ? ` Since ${since.slice(0, 16).replace("T", " ")} UTC.` : ""}${note ? ` Readers see: “${note}”` : ""}` : "";
}

async function refresh() {
  try {
    const seen = await get("/api/coordinator/overview");
    const taught = seen.readers.some((reader) => reader.training);
    showState(seen);
    byId("training-head").hidden = !taught;
    byId("readers").replaceChildren(...seen.readers.map((reader) => row(reader, seen.levels, taught)));
    byId("audit").replaceChildren(
      ...seen.audit.map((line) => make("tr", {}, ...[line.at.slice(0, 19).replace("T", " "), line.who, line.what, line.detail].map((text) => make("td", {}, text)))),
    );
    byId("updated").textContent = `As of ${new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })}`;
    byId("notes").textContent =
      `Quick: rated within ${seen.quick_seconds} s. Longest run: equal ratings in a row. Repeats: items shown a second time, unannounced; ` +
      "AC2: Gwet's agreement of a reader with themselves, quadratic weights, from five repeats on. Flags are hints, not verdicts.";
  } catch (error) {
    if (error instanceof SignedOut) return location.replace(at("/enter"));
    byId("updated").textContent = `No answer from the server: ${error.message}`;
  }
}

/** A copy of the study in a window of its own; the window is opened at once, as browsers refuse one that comes later. */
async function preview() {
  const page = open("", "_blank");
  const reply = await post("/api/coordinator/preview", {}).catch(() => null);
  if (!reply?.ok) {
    page?.close();
    if (reply?.status === 401) return location.replace(at("/enter"));
    byId("updated").textContent = reply ? `No preview: ${(await reply.json()).detail}.` : "No preview: the server does not answer.";
    return;
  }
  const { go } = await reply.json();
  if (page) page.location = go;
  else location.assign(go);
}

byId("refresh").addEventListener("click", refresh);
byId("preview").addEventListener("click", preview);
byId("leave").addEventListener("click", async () => {
  await post("/api/session/end", {});
  location.replace(at("/enter"));
});
refresh();
setInterval(refresh, 30_000);
