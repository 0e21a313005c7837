// Texts that a reader sees between items, and the buttons of the scale.

const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** Build an element: make("p", { class: "x" }, "text", child, ...). */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** `Cingulate-Gyrus` and `L` in words. */
export const regionName = (item) => item.region.replaceAll("-", " ");
export const sideName = (item) => ({ L: "left side", R: "right side", "": "midline" })[item.side];

const paragraphs = (...texts) => texts.filter((text) => text !== undefined).map((text) => (typeof text === "string" ? make("p", {}, text) : text));

/** The scale, with what each score looks like where the study says so. */
function scaleWithAnchors(study) {
  const anchors = document.querySelector("#guide-body .anchors");
  const told = [...anchors.querySelectorAll("dd")].some((text) => text.childElementCount > 0);
  return told ? anchors.cloneNode(true) : scaleList(study);
}

export function scaleList(study) {
  return make(
    "ol", { class: "scale-list", "aria-label": "The scale" },
    ...study.levels.map((level, index) => make("li", {}, make("kbd", {}, String(level)), " ", study.words[index], pips(index, study.levels.length))),
  );
}

/** Filled and empty squares: the level by shape, not by colour. */
function pips(index, count) {
  return make("span", { class: "pips", "aria-hidden": "true" }, "■".repeat(index + 1) + "□".repeat(count - index - 1));
}

const howToAnswer = (study) =>
  study.questions.length
    ? "Answer the questions by number keys or buttons, then press Enter or Confirm; the next item follows."
    : "Press a number key or a button to rate; the next item follows at once.";

/** Which answers can be changed, in words. */
const lastAnswers = ({ undo_items: n }) =>
  n === 0 ? "" : n === 1 ? "The last answer of a part can be changed (U)." : `The last ${n} answers of a part can be changed (U).`;

export function instructions(study, state) {
  const { progress } = state;
  const total = Object.values(progress).reduce((sum, part) => sum + part.total, 0);
  const done = Object.values(progress).reduce((sum, part) => sum + part.done, 0);
  const left = study.convention === "radiological" ? "right" : "left";
  return {
    title: done ? "Welcome back" : "Before you begin",
    body: paragraphs(
      done ? null : document.getElementById("instructions-template").content.firstElementChild?.cloneNode(true),
      done
        ? `${done} of ${plural(total, "item")} ${done === 1 ? "is" : "are"} done. You continue where you left off; nothing is lost.`
        : `You will see ${plural(total, "item")}. Each shows a brain scan and the outline of one region, as one of several methods drew it. The method is not named.`,
      progress.rating ? "Rate how well the outline follows the region you see in the scan. Look at as many slices as you need; you need not see them all. Rate each picture by itself, even where it seems familiar." : null,
      progress.rating ? scaleWithAnchors(study) : null,
      progress.ranking ? "Some items show all methods side by side: put them in order. Their places change from item to item." : null,
      `The patient's left is on the ${left} of the screen in axial and coronal slices; L and R mark the sides.`,
      progress.rating ? `${howToAnswer(study)} ${lastAnswers(study)}` : null,
      make("p", { class: "hint" }, "Your answers, comments and the time an item was on the screen are recorded, with your name or code. The coordinator sees them."),
    ).filter(Boolean),
    action: done ? "Continue" : progress.practice?.total ? "Begin with practice" : "Begin",
  };
}

/** When a rating of practice counts as right, in words. */
const rightWhen = ({ tolerance }) =>
  tolerance ? `A rating counts as right when it is at most ${plural(tolerance, "step")} of the scale from theirs.` : "A rating counts as right when it is the same as theirs.";

export function partText(study, state) {
  const { part } = state.current;
  const { total, done } = state.progress[part];
  const left = total - done;
  return {
    practice: {
      title: state.training?.rounds > 1 ? "Practice once more" : "Practice",
      body: paragraphs(
        `${plural(left, "item")} to get used to the screen. These ratings don't count.`,
        state.training ? `After ${state.training.of < left ? `${state.training.of} of them` : "each item"} you see which score experts agreed on, and why.` : undefined,
        state.training ? rightWhen(state.training) : undefined,
        state.training?.pass_mark ? `The study begins when ${state.training.needed} of ${plural(state.training.of, "rating")} ${state.training.needed === 1 ? "is" : "are"} right; otherwise the practice is repeated.` : undefined,
      ),
      action: "Start practice",
    },
    rating: {
      title: state.progress.practice ? "Practice is over" : "The study",
      body: paragraphs(`Now the study itself: ${plural(left, "item")}. Take breaks when you like (P).`, scaleList(study)),
      action: "Start rating",
    },
    ranking: {
      title: "Side by side",
      body: paragraphs(
        `${plural(left, "item")} with all methods side by side, in an order that changes. Press the numbers of the pictures from best to worst, or choose a rank below each; equal ranks are allowed. Enter confirms.`,
        state.progress.rating ? "Earlier ratings can't be changed once you start." : null,
      ).filter(Boolean),
      action: "Start ranking",
    },
    guess: {
      title: "One last question",
      body: paragraphs(
        `You have answered everything. To see how well the methods were hidden, please guess for ${plural(left, "item")} which method drew the outline. “Don't know” is a good answer.`,
        "Earlier answers can't be changed once you start.",
      ),
      action: "Start guessing",
    },
  }[part];
}

export function farewell(state) {
  return {
    title: "Thank you",
    body: paragraphs("You have answered everything, and every answer is stored. You can close this window."),
    action: state.changeable.length ? "Change the last answers" : null,
  };
}

/** A button of the scale. */
export function levelButton(level, index, study, pressed) {
  return make(
    "button", { type: "button", class: "level", "data-rating": level, "aria-pressed": String(pressed) },
    make("kbd", {}, String(level)), make("span", { class: "word" }, study.words[index]), pips(index, study.levels.length),
  );
}

/** What a reader sees of a study that takes nothing now. */
export function statusText(state) {
  const texts = {
    paused: ["The study is paused", "Every answer is stored. Come back later: you continue where you left off."],
    closed: ["The study is closed", "No more answers are taken. Every answer you gave is stored. Thank you."],
    withdrawn: ["You have left this study", "You need not do anything more. If this is a mistake, please ask the coordinator."],
  };
  const [title, text] = texts[state.status];
  return { title, body: paragraphs(...(state.note ? [state.note] : []), text), action: state.status === "paused" ? "Check whether it continues" : null };
}

/** The items that a reader put on the list to look at again; `open` takes one of them. */
export function againText(state, open, action) {
  const entries = state.again.map((item, index) => {
    const button = make("button", { type: "button", class: "entry" }, `${index + 1}. ${regionName(item)}, ${sideName(item)}${item.rating === null ? "" : `: rated ${item.rating}`}`);
    button.addEventListener("click", () => open(item));
    return make("li", {}, button);
  });
  return {
    title: "Look again",
    body: paragraphs(`You marked ${plural(state.again.length, "item")} to look at again. Open an item to change its answer, or leave it as it is. Continue when you are done.`, make("ol", { class: "again-list" }, ...entries)),
    action,
  };
}

/** What experts agreed on, beside the picture that was rated. */
export function feedbackPanel(feedback, study) {
  const word = (level) => `${level}, ${study.words[study.levels.indexOf(level)]}`;
  const title = feedback.given === feedback.score ? "The same as the experts" : feedback.agrees ? "Close to the experts: this counts as right" : "The experts rated differently";
  return make(
    "div", { class: "feedback", role: "status" },
    make("p", { class: "question" }, title),
    make("p", {}, `You rated ${word(feedback.given)}.`), make("p", {}, `The experts agreed on ${word(feedback.score)}.`),
    feedback.why ? make("p", {}, feedback.why) : null,
  );
}
