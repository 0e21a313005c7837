// Single keys, where no field is being written in and no dialog is open; they can be turned off.
const byId = (id) => document.getElementById(id);

/** `keys` maps names of keys to actions. */
export function listenToKeys(keys) {
  const help = byId("help");
  byId("open-help").addEventListener("click", () => help.showModal());
  byId("close-help").addEventListener("click", () => help.close());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || !byId("keys-on").checked) return;
    const field = event.target.closest("input, select, textarea, summary");
    if (field) return;
    // Space and Enter press the button that has the focus; arrows scroll what can be scrolled.
    if (event.target.closest("button") && [" ", "Enter"].includes(event.key)) return;
    if (event.target.closest("#legend-scroll") && event.key.startsWith("Arrow")) return;
    const name = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    const action = keys[name] ?? (event.shiftKey ? null : keys[name.toLowerCase()]);
    if (!action) return;
    event.preventDefault();
    action();
  });
}
