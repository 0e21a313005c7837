// The three ways to answer: a rating, an order of the pictures, a guess. Each takes keys and says how it was answered.
import { questionsPanel } from "./questions.js";
import { levelButton, make } from "./screens.js";

/** A button a level. */
export function ratingPanel(place, { item, study, answer }) {
  if (study.questions.length) return questionsPanel(place, { item, study, answer });
  const give = (rating) => answer({ rating }, `Rated ${rating}, ${study.words[study.levels.indexOf(rating)]}`);
  const buttons = study.levels.map((level, index) => levelButton(level, index, study, item.rating === level));
  buttons.forEach((button, index) => button.addEventListener("click", () => give(study.levels[index])));
  // The best on top, as on a thermometer.
  place.replaceChildren(make("div", { class: "levels", role: "group", "aria-label": "Rating" }, ...buttons.reverse()));
  return {
    key(name) {
      const level = study.levels.find((one) => String(one) === name);
      if (level === undefined) return false;
      give(level);
      return true;
    },
  };
}

/** Ranks of the pictures: numbers from best to worst, or a rank each; Enter confirms. */
export function rankingPanel(place, { item, answer }) {
  const count = item.columns;
  const ranks = item.ranks ? [...item.ranks] : Array(count).fill(0);
  const confirm = make("button", { type: "button", class: "primary" }, "Confirm ", make("kbd", {}, "Enter"));
  const groups = Array.from({ length: count }, (_, column) => {
    const buttons = Array.from({ length: count }, (_, rank) => {
      const button = make("button", { type: "button", "aria-pressed": "false" }, rank === 0 ? "1 best" : String(rank + 1));
      button.addEventListener("click", () => set(column, rank + 1));
      return button;
    });
    return make("div", { class: "rank", role: "group", "aria-label": `Rank of picture ${column + 1}` }, make("span", {}, `Picture ${column + 1}`), ...buttons);
  });
  const hint = make("p", { class: "hint" });

  function set(column, rank) {
    ranks[column] = rank;
    refresh();
  }

  function refresh() {
    groups.forEach((group, column) => [...group.querySelectorAll("button")].forEach((button, index) => button.setAttribute("aria-pressed", String(ranks[column] === index + 1))));
    const complete = ranks.every(Boolean) && ranks.includes(1);
    confirm.disabled = !complete;
    hint.classList.toggle("by-key", complete || !ranks.every(Boolean));
    hint.textContent = complete ? "Backspace starts anew." : ranks.every(Boolean) ? "One picture at least must be the best." : "Press the pictures' numbers from best to worst.";
  }

  function give() {
    if (!confirm.disabled) answer({ ranks: [...ranks] }, `Ranked ${ranks.map((rank, column) => `picture ${column + 1}: ${rank}`).join(", ")}`);
  }

  confirm.addEventListener("click", give);
  place.replaceChildren(make("div", { class: "ranks" }, ...groups), hint, make("div", { class: "store" }, confirm));
  refresh();
  return {
    begun: () => ranks.some((rank, column) => rank !== (item.ranks?.[column] ?? 0)),
    key(name) {
      const column = Number(name) - 1;
      if (name === "Enter") give();
      else if (name === "Backspace") {
        ranks.fill(0);
        refresh();
      } else if (Number.isInteger(column) && column >= 0 && column < count && name !== " ") {
        if (!ranks[column]) set(column, ranks.filter(Boolean).length + 1);
      } else return false;
      return true;
    },
  };
}

/** Guess the method; the last choice is not to know. */
export function guessPanel(place, { choices, answer }) {
  const give = (index) => answer({ guess: choices[index] }, "Guess stored");
  const buttons = choices.map((choice, index) => {
    const button = make("button", { type: "button", class: "level" }, make("kbd", {}, String(index + 1)), make("span", { class: "word" }, choice));
    button.addEventListener("click", () => give(index));
    return button;
  });
  place.replaceChildren(make("p", { class: "question" }, "Which method drew this?"), make("div", { class: "levels", role: "group", "aria-label": "Method" }, ...buttons));
  return {
    key(name) {
      const index = Number(name) - 1;
      if (!/^[1-9]$/.test(name) || !choices[index]) return false;
      give(index);
      return true;
    },
  };
}
