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

const paragraphs = (...texts) => texts.map((text) => (typeof text === "string" ? make("p", {}, text) : text));

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

export function instructions(study, state) {
  const { progress } = state;
  const total = Object.values(progress).reduce((sum, part) => sum + part.total, 0);
  const done = Object.values(progress).reduce((sum, part) => sum + part.done, 0);
  const left = study.convention === "radiological" ? "right" : "left";
  return {
    title: done ? "Welcome back" : "Before you begin",
    body: paragraphs(
      done
        ? `${done} of ${plural(total, "item")} are done. You continue where you left off; nothing is lost.`
        : `You will see ${plural(total, "item")}. Each shows a brain scan and the outline of one region, as one of several methods drew it. Which method is not told.`,
      progress.rating ? "Rate how well the outline follows the region you see in the scan. Look at as many slices as you need; you need not see them all. Rate each picture by itself, even where it seems familiar." : null,
      progress.rating ? scaleList(study) : null,
      progress.ranking ? "Some items show all methods side by side: put them in order. Their places change from item to item." : null,
      `The patient's left is on the ${left} of the screen in axial and coronal slices; L and R mark the sides.`,
      progress.rating ? `Press a number key or a button to rate; the next item comes at once. The last ${plural(study.undo_items, "answer")} of a part can be changed (U).` : null,
      make("p", { class: "hint" }, "Your answers, comments and the time an item was on the screen are recorded, with your name or code. The coordinator sees them."),
    ).filter(Boolean),
    action: done ? "Continue" : progress.practice?.total ? "Begin with practice" : "Begin",
  };
}

export function partText(study, state) {
  const { part } = state.current;
  const { total, done } = state.progress[part];
  const left = total - done;
  return {
    practice: {
      title: "Practice",
      body: paragraphs(`${plural(left, "item")} to get used to the screen. These ratings don't count.`),
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
