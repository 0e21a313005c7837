// A rating with further questions: each takes the number keys in turn, Enter confirms them all.
import { levelButton, make } from "./screens.js";

/** Buttons of a question, in the order of their number keys: [value, label]. */
function choicesOf(question) {
  if (question.kind === "rating") return question.levels.map((level, index) => [level, `${level} ${question.words[index]}`]);
  if (question.kind === "yes/no") return [["yes", "Yes"], ["no", "No"]];
  return question.choices.map((choice) => [choice, choice]);
}

// What was half given when an unanswered item left the screen, by its id.
const drafts = new Map();

const sorted = (answers) => Object.entries(answers).sort();

export function questionsPanel(place, { item, study, answer }) {
  const kept = (item.answer === null && drafts.get(item.id)) || item;
  const more = structuredClone(kept.more);
  let rating = kept.rating;
  let active = 0; // the question that the number keys answer; 0 is the rating
  const confirm = make("button", { type: "button", class: "primary" }, "Confirm ", make("kbd", {}, "Enter"));
  const hint = make("p", { class: "hint by-key" });

  const levels = study.levels.map((level, index) => levelButton(level, index, study, rating === level));
  levels.forEach((button, index) => button.addEventListener("click", () => rate(study.levels[index])));
  const first = make("div", { class: "levels", role: "group", "aria-label": "Rating" }, ...[...levels].reverse());
  const groups = [first, ...study.questions.map((question, number) => group(question, number + 1))];

  function group(question, number) {
    const name = `question-${question.name}`;
    const label = make("p", { class: "question", id: name }, question.text, question.required ? "" : make("span", { class: "optional" }, " (if you like)"));
    if (question.kind === "text") {
      const field = make("textarea", { rows: 2, maxlength: 500, "aria-labelledby": name });
      field.value = more[question.name] ?? "";
      field.addEventListener("input", () => set(question, field.value.trim() || undefined));
      return make("div", { class: "further" }, label, field);
    }
    const buttons = choicesOf(question).map(([value, text], index) => {
      const button = make("button", { type: "button", "aria-pressed": "false" }, make("kbd", {}, String(index + 1)), " ", text.replace(/^\d /, ""));
      button.addEventListener("click", () => choose(question, number, value));
      return button;
    });
    if (question.kind === "rating") buttons.forEach((button, index) => (button.firstChild.textContent = String(question.levels[index])));
    return make("div", { class: "further", role: "group", "aria-labelledby": name }, label, make("div", { class: "row" }, ...buttons));
  }

  function rate(level) {
    rating = level;
    goOn(0);
  }

  function choose(question, number, value) {
    if (question.several) {
      const taken = new Set(more[question.name] ?? []);
      if (!taken.delete(value)) taken.add(value);
      set(question, taken.size ? question.choices.filter((choice) => taken.has(choice)) : undefined);
      active = number;
      return refresh();
    }
    set(question, !question.required && more[question.name] === value ? undefined : value);
    goOn(number);
  }

  function set(question, value) {
    if (value === undefined) delete more[question.name];
    else more[question.name] = value;
    refresh();
  }

  /** The next question that lacks an answer takes the number keys. */
  function goOn(number) {
    const open = study.questions.findIndex((question, index) => index >= number && question.kind !== "text" && more[question.name] === undefined);
    active = open < 0 ? number : open + 1;
    refresh();
  }

  const begun = () => rating !== item.rating || JSON.stringify(sorted(more)) !== JSON.stringify(sorted(item.more));

  /** How many answers are lacking. */
  const lacking = () => (rating === null) + study.questions.filter((question) => question.required && more[question.name] === undefined).length;

  function refresh() {
    levels.forEach((button, index) => button.setAttribute("aria-pressed", String(study.levels[index] === rating)));
    study.questions.forEach((question, index) => {
      if (question.kind === "text") return;
      const given = more[question.name];
      const buttons = [...groups[index + 1].querySelectorAll("button")];
      choicesOf(question).forEach(([value], at) => buttons[at].setAttribute("aria-pressed", String(Array.isArray(given) ? given.includes(value) : given === value)));
    });
    groups.forEach((one, index) => one.classList.toggle("active", index === active));
    if (item.answer === null && begun()) drafts.set(item.id, { rating, more: structuredClone(more) });
    confirm.disabled = lacking() > 0;
    confirm.firstChild.textContent = lacking() ? `Confirm (${lacking()} left) ` : "Confirm ";
    hint.textContent = lacking() === 0 ? "" : "The number keys answer the question with the bar; Q goes to the next.";
  }

  function give() {
    if (confirm.disabled) return;
    drafts.delete(item.id);
    answer({ rating, more }, `Rated ${rating}, ${study.words[study.levels.indexOf(rating)]}`);
  }

  confirm.addEventListener("click", give);
  place.replaceChildren(make("p", { class: "question" }, "How well does the outline fit?"), ...groups, hint, make("div", { class: "store" }, confirm));
  refresh();
  return {
    begun,
    key(name) {
      if (name === "Enter") give();
      else if (name === "q") {
        active = (active + 1) % groups.length;
        refresh();
        if (study.questions[active - 1]?.kind === "text") groups[active].querySelector("textarea").focus();
      } else if (active === 0) {
        const level = study.levels.find((one) => String(one) === name);
        if (level === undefined) return false;
        rate(level);
      } else {
        const question = study.questions[active - 1];
        if (question.kind === "text" || !/^[0-9]$/.test(name)) return false;
        const choices = choicesOf(question);
        const found = question.kind === "rating" ? choices.find(([value]) => String(value) === name) : choices[Number(name) - 1];
        if (!found) return false;
        choose(question, active, found[0]);
      }
      return true;
    },
  };
}
