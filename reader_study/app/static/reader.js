// A reader's way through the study: screens, answers, undo, pause. Where they stand is always what the server says.
import { SignedOut, at, get, newKey, onTrouble, post, send, unsent } from "./answers.js";
import { createDisplay } from "./display.js";
import { listenForKeys } from "./keys.js";
import { guessPanel, rankingPanel, ratingPanel } from "./panels.js";
import { againText, farewell, feedbackPanel, instructions, make, partText, regionName, sideName, statusText } from "./screens.js";
import { explainKeys, openGuide, openHelp, say, showText, toast } from "./telling.js";

const byId = (id) => document.getElementById(id);
const PART_NAMES = { practice: "Practice", rating: "Rating", ranking: "Side by side", guess: "Guess the method" };

let study, display;
let state = null;
let shown = null; // the item on the screen
let panel = null; // how it is answered
let entered = null; // the part whose first screen was passed
let busy = true;
let paused = false;
let leaving = false;
let rounds = 1; // of practice, whose first screen was shown
const done = new Set(); // parts whose list to look again was put away

// ---- screens

function textScreen(text, act, options) {
  showText(text, act, options);
  showProgress();
}

function showProgress() {
  const part = shown?.part ?? state.current?.part;
  const counts = part && state.progress[part];
  byId("progress").hidden = !counts;
  if (!counts) return;
  const number = Math.min(counts.total, counts.done + (state.current?.part === part ? 1 : 0));
  const left = state.minutes_left > 1 ? ` · about ${state.minutes_left} min left` : "";
  byId("progress-text").textContent = `${PART_NAMES[part]}: item ${number} of ${counts.total}${left}`;
  byId("progress-bar").max = counts.total;
  byId("progress-bar").value = counts.done;
}

/** Go where the server says the reader stands. */
async function proceed() {
  shown = null;
  const { current } = state;
  if (state.status !== "running") return textScreen(statusText(state), () => location.reload());
  if (state.again.length && current?.part !== state.begun && !done.has(state.begun)) {
    return lookAgain("I am done with these", () => done.add(state.begun));
  }
  if (!current) return textScreen(farewell(state), () => change(0));
  if (current.part === "practice" && (state.training?.rounds ?? 1) > rounds) {
    rounds = state.training.rounds;
    entered = null;
  }
  if (entered !== current.part) {
    return textScreen(partText(study, state), () => {
      entered = current.part;
      proceed();
    });
  }
  await present(current);
}

/** Show the list to look again; `after` is done before the study goes on. */
function lookAgain(action, after = () => {}) {
  textScreen(againText(state, (item) => guarded(() => present(item)), action), () => {
    after();
    guarded(proceed);
  });
}

async function present(item) {
  busy = true;
  paused = false;
  byId("screen-text").hidden = true;
  byId("screen-item").hidden = false;
  byId("main").scrollTop = 0; // the picture comes first, however far down the last screen was read
  byId("panel").scrollTop = 0; // and beside it the scale
  byId("pause").hidden = false;
  byId("viewers").classList.add("loading");
  const changing = item.answer !== null;
  byId("part").textContent = item.part === "practice" ? "Practice: does not count" : PART_NAMES[item.part];
  byId("region").textContent = regionName(item);
  byId("where").textContent = sideName(item);
  byId("changing").hidden = !changing;
  byId("changing").textContent = "You are changing an earlier answer. It stays as it is until you give another.";
  byId("back-to-current").hidden = !changing;
  itemButtons({});
  byId("comment").value = item.comment;
  byId("comment-box").hidden = !item.comment;
  await display.show(item);
  const { state: told, conflict } = await send(`/api/items/${item.id}/view`, { kind: "shown" });
  state = told;
  // Refused where another window went on; also where an item has been looked at too often to be noted, which must stop nobody.
  const open = state.current?.id === item.id || state.changeable.some((other) => other.id === item.id);
  if (conflict && !open) return proceed();
  shown = item;
  // Only now: with the first item of a part, the answers of the one before are closed.
  // An answer whose consensus score was shown can't be changed, nor can a guess: there is no use in a second look at these.
  itemButtons({ undo: Boolean(nextChangeable(item)), again: item.part !== "guess" && !item.taught, comment: true, pause: true });
  byId("again").setAttribute("aria-pressed", String(item.marked));
  const build = { ranking: rankingPanel, guess: guessPanel }[item.part] ?? ratingPanel;
  panel = build(byId("answers"), { item, study, choices: state.choices, answer });
  byId("viewers").classList.remove("loading");
  showProgress();
  display.focus();
  say(`${regionName(item)}, ${sideName(item)}. ${byId("progress-text").textContent}.`);
  display.prefetch(state.next);
  if (state.current?.id !== item.id) display.prefetch(state.current);
  busy = false;
}

/** Turn on the buttons that apply to what is on the screen; their keys do nothing while they are off. */
function itemButtons({ undo = false, again = false, comment = false, pause = false }) {
  byId("undo").disabled = !undo;
  byId("again").disabled = !again;
  byId("open-comment").disabled = !comment;
  byId("pause").disabled = !pause;
}

// ---- answers

async function answer(given, words) {
  if (busy || !shown || paused) return;
  busy = true;
  const item = shown;
  await guarded(async () => {
    await keepComment(item);
    const body = item.answer === null ? given : { ...given, previous: item.answer };
    const { state: told, conflict, detail } = await send(`/api/items/${item.id}/answer`, body);
    state = told;
    if (!conflict && state.feedback) return showFeedback(state.feedback); // it says what was rated
    toast(conflict ? refusal(detail) : `${words}${state.changeable.some((one) => one.id === item.id) ? "  ·  Undo changes it" : ""}`);
    await proceed();
  });
}

const refusal = (detail) => (state.status === "running" ? `Not stored: ${detail}. You are back where the study is now.` : `Not stored: ${detail}.`);

/** What experts agreed on, with the picture still in sight. */
function showFeedback(feedback) {
  const next = make("button", { type: "button", class: "primary" }, "Next ", make("kbd", {}, "Enter"));
  const goOn = () => guarded(proceed);
  next.addEventListener("click", goOn, { once: true });
  shown = null;
  panel = { key: (name) => name === "Enter" && (goOn(), true) };
  byId("answers").replaceChildren(feedbackPanel(feedback, study), make("div", { class: "store" }, next));
  itemButtons({});
  byId("comment-box").hidden = true;
  byId("panel").scrollTop = 0; // beside the picture: the region's name above it
  byId("answers").scrollIntoView({ block: "nearest" });
  display.focus();
  busy = false;
}

/** Put the item on the list to look at again, or take it off. */
function markAgain() {
  if (busy || paused || !shown || byId("again").disabled) return;
  const item = shown;
  guarded(async () => {
    const { state: told, conflict, detail } = await send(`/api/items/${item.id}/mark`, { marked: !item.marked });
    state = told;
    if (conflict) return toast(refusal(detail));
    item.marked = !item.marked;
    byId("again").setAttribute("aria-pressed", String(item.marked));
    toast(item.marked ? "On your list, which is shown at the end of this part" : "No longer on your list");
  });
}

async function keepComment(item) {
  const comment = byId("comment").value.trim();
  if (comment === item.comment) return;
  item.comment = comment; // at once: leaving the field and leaving the item come together
  await send(`/api/items/${item.id}/comment`, { comment });
}

/** The answered item before this one, or the last one. */
function nextChangeable(item) {
  const index = state.changeable.findIndex((one) => one.id === item?.id);
  return state.changeable[index + 1];
}

function undo() {
  if (busy || paused || !shown) return;
  const earlier = nextChangeable(shown);
  if (earlier) guarded(() => leaveItem().then(() => present(earlier)));
}

function change(index) {
  return guarded(() => present(state.changeable[index]));
}

async function leaveItem() {
  if (!shown) return;
  await keepComment(shown);
  if (shown.answer === null) state = (await send(`/api/items/${shown.id}/view`, { kind: "paused" })).state;
}

function backToCurrent() {
  if (!busy && shown?.answer != null) guarded(proceed);
}

// ---- pause

function pause() {
  if (busy || paused || !shown) return;
  paused = true;
  const item = shown;
  guarded(async () => {
    await leaveItem();
    shown = item;
    const stored = panel?.begun?.()
      ? "Every confirmed answer is stored. What you began to answer is kept only while this page is open."
      : "Everything is stored. You can close the browser and open your personal link again whenever you like.";
    const list = make("button", { type: "button", id: "list-again" }, `Look again at your list (${state.again.length})`);
    list.addEventListener("click", () => lookAgain("Back to the study", () => (paused = false)));
    textScreen(
      { title: "Paused", body: [make("p", {}, stored), ...(state.again.length ? [list] : [])], action: "Continue" },
      () => {
        paused = false;
        guarded(proceed);
      },
    );
  });
}

// The time on a hidden tab is not reading time; `keepalive` lets the note leave with a closing window.
document.addEventListener("visibilitychange", () => {
  if (!shown || paused || busy || shown.answer !== null) return;
  const kind = document.hidden ? "paused" : "shown";
  post(`/api/items/${shown.id}/view`, { kind, key: newKey() }, { keepalive: true }).catch(() => {});
});

/** Whether something would be gone with the page: what the server has not confirmed, an answer or a comment half given. */
function halfGiven() {
  return unsent() || (shown && (byId("comment").value.trim() !== shown.comment || Boolean(panel?.begun?.())));
}

addEventListener("beforeunload", (event) => {
  if (!leaving && halfGiven()) event.preventDefault();
});

/** Sign out; the session must not end before the reader has said that what is half given may be lost. */
async function leave() {
  if (halfGiven() && !confirm("Your answer to this item is not stored yet. Sign out all the same?")) return;
  leaving = true;
  await post("/api/session/end", {});
  location.replace(at("/enter"));
}

// ---- keys and buttons

const pageKeys = {
  u: undo,
  p: pause,
  n: openComment,
  l: markAgain,
  Escape: backToCurrent,
};
const helpKeys = { g: openGuide, h: openHelp, "?": openHelp };

listenForKeys({ answerKey: (key) => panel?.key(key), pageKeys, helpKeys, displayKey: (key) => display.key(key), toImage: () => display.focus() });

function openComment() {
  if (byId("open-comment").disabled) return;
  byId("comment-box").hidden = false;
  byId("comment").focus();
}

byId("comment").addEventListener("blur", () => shown && guarded(() => keepComment(shown)));
byId("open-comment").addEventListener("click", (event) => {
  event.stopPropagation();
  openComment();
});
byId("undo").addEventListener("click", undo);
byId("again").addEventListener("click", markAgain);
byId("back-to-current").addEventListener("click", backToCurrent);
byId("pause").addEventListener("click", pause);
byId("leave").addEventListener("click", leave);

// ---- telling

onTrouble((lost) => {
  if (lost) toast("No answer from the server. Your answer is kept here and sent again until it is stored.");
  document.body.classList.toggle("offline", lost);
});

async function guarded(step) {
  try {
    await step();
  } catch (error) {
    if (error instanceof SignedOut) {
      textScreen({ title: "You are signed out", body: [document.createTextNode("Open your personal link again. Every confirmed answer is stored.")], action: null });
      return;
    }
    textScreen(
      { title: "This item could not be shown", body: [document.createTextNode(`${error.message}. Every confirmed answer is stored.`)], action: "Try again" },
      () => location.reload(),
    );
  }
}

guarded(async () => {
  if (!document.createElement("canvas").getContext("webgl2")) {
    throw new Error("Your browser does not offer WebGL 2, which draws the images. Use a current Firefox, Chrome, Edge or Safari, with graphics acceleration on");
  }
  [study, state] = await Promise.all([get("/api/study"), get("/api/state")]);
  explainKeys(study);
  display = await createDisplay(study);
  if (!state.current || state.status !== "running") return proceed();
  textScreen(
    instructions(study, state),
    () => {
      // Who comes back in the middle of a part has seen its first screen.
      if (state.progress[state.current.part].done) entered = state.current.part;
      proceed();
    },
    { about: true },
  );
});
