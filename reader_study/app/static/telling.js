// What the page says to a reader: screens of text, short notes, help and instructions.
import { make } from "./screens.js";

const byId = (id) => document.getElementById(id);

/** Show a screen of text; its button, where there is one, calls `act`. */
export function showText({ title, body, action }, act, { about = false } = {}) {
  byId("toast").classList.remove("on");
  byId("screen-item").hidden = true;
  byId("screen-text").hidden = false;
  byId("pause").hidden = true;
  byId("text-title").textContent = title;
  byId("text-body").replaceChildren(...body);
  byId("about").hidden = !about;
  const button = make("button", { type: "button", class: "primary" }, action ?? "");
  button.addEventListener("click", act, { once: true });
  byId("text-actions").replaceChildren(...(action ? [button] : []));
  // Focus on the button: Enter goes on; the title is read with it. A small screen still begins at the title.
  (action ? button : byId("text-title")).focus({ preventScroll: true });
  byId("main").scrollTop = 0;
}

let timer = 0;
/** Say something for a few seconds. */
export function toast(text) {
  byId("toast").textContent = text;
  byId("toast").classList.add("on");
  clearTimeout(timer);
  timer = setTimeout(() => byId("toast").classList.remove("on"), 4000);
}

/** Say something to screen readers alone. */
export const say = (text) => (byId("announce").textContent = text);

/** Open a dialog at its beginning; the button in focus may lie far below. */
function open(dialog) {
  dialog.showModal();
  dialog.scrollTop = 0;
}

/** Say in the help which keys rate, and what follows. */
export function explainKeys(study) {
  byId("help-levels").textContent = `${study.levels[0]} – ${study.levels.at(-1)}`;
  if (study.questions.length) byId("help-rate").textContent = "Answer the question with the bar; Q goes to the next question, Enter confirms all answers";
}

export const openHelp = () => open(byId("help"));

export function openGuide() {
  byId("help").close();
  open(byId("guide"));
}

byId("open-help").addEventListener("click", openHelp);
byId("close-help").addEventListener("click", () => byId("help").close());
byId("open-guide").addEventListener("click", openGuide);
byId("close-guide").addEventListener("click", () => byId("guide").close());
