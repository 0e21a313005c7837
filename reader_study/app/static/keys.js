// The keys of an item: those of its answer, of the page, of the images. None of them while a text is written or a dialog open.

const byId = (id) => document.getElementById(id);

/** A key as it is called here: a letter without its case (but `O`), an arrow with `Shift+` where that is held. */
function nameOf(event) {
  if (event.shiftKey && event.key.startsWith("Arrow")) return `Shift+${event.key}`;
  return event.key.length === 1 && event.key !== "O" ? event.key.toLowerCase() : event.key;
}

/**
 * Listen. `answerKey` and `displayKey` take a key and say whether it was theirs; `pageKeys` and `helpKeys` are functions by
 * key, the latter also on screens of text; `toImage` gives the keys back to the image.
 */
export function listenForKeys({ answerKey, pageKeys, helpKeys, displayKey, toImage }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open || byId("guide").open) return;
    const { target } = event;
    if (target.matches("textarea")) {
      if (event.key === "Escape") toImage();
      return;
    }
    if (!byId("keys-on").checked) return;
    if (helpKeys[nameOf(event)]) {
      if (!event.repeat) helpKeys[nameOf(event)]();
      event.preventDefault();
      return;
    }
    if (byId("screen-item").hidden) return;
    // Space and Enter belong to a button in focus, arrows to a slider.
    if (target.matches("button, a, input, select") && [" ", "Enter"].includes(event.key)) return;
    if (target.matches("input") && /^(Arrow|Page|Home|End)/.test(event.key)) return;
    const key = nameOf(event);
    let used = true;
    if (!event.repeat && answerKey(key)) used = true;
    else if (pageKeys[key]) event.repeat || pageKeys[key]();
    else used = displayKey(key);
    if (used) event.preventDefault();
  });

  // After a click the keys go to the image again; after the keyboard, focus stays where it is.
  byId("screen-item").addEventListener("click", (event) => {
    if (event.detail > 0 && event.target.closest("button")) toImage();
  });
}
