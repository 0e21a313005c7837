// Mouse, touch and wheel on a viewer: scroll, zoom, move, window and level. Keys and buttons do the same elsewhere.

/**
 * Listen on a viewer. `act` takes { scroll(steps, axis), zoomAt(factor, under), move(from, to), aim(under), window(dx, dy) }.
 * Left: drag moves (or aims, in three planes). Right or with Shift: window and level. Two fingers: zoom and move. One: scroll;
 * a tap aims where the page takes an aim.
 */
export function listen(viewer, act) {
  const TAP = 8; // pixels that a finger may slip within a tap
  const canvas = viewer.region;
  const pointers = new Map();
  let wheel = 0;
  let drag = null;

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const under = viewer.under(event.clientX, event.clientY);
    if (event.ctrlKey) return act.zoomAt(Math.exp(-event.deltaY / 300), under);
    // A notch of a wheel is about 100, a touch pad sends many small steps.
    wheel += event.deltaMode === 0 ? event.deltaY / 60 : event.deltaY;
    const steps = Math.trunc(wheel);
    if (steps) {
      wheel -= steps;
      act.scroll(-Math.sign(steps) * Math.min(3, Math.abs(steps)), under?.tile.across);
    }
  }, { passive: false });

  canvas.addEventListener("contextmenu", (event) => event.preventDefault());

  canvas.addEventListener("pointerdown", (event) => {
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    const under = viewer.under(event.clientX, event.clientY);
    drag = { kind: kindOf(event), under, last: [event.clientX, event.clientY], scrolled: 0, path: pointers.size === 1 ? 0 : Infinity };
    if (drag.kind === "left" && under) act.aim(under);
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId) || !drag) return;
    const before = new Map(pointers);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    const [dx, dy] = [event.clientX - drag.last[0], event.clientY - drag.last[1]];
    if (pointers.size === 2) return pinch([...before.values()], [...pointers.values()]);
    drag.last = [event.clientX, event.clientY];
    drag.path += Math.hypot(dx, dy);
    if (drag.kind === "window") return act.window(dx, dy);
    if (drag.kind === "touch") {
      drag.scrolled += dy / 12;
      const steps = Math.trunc(drag.scrolled);
      drag.scrolled -= steps;
      if (steps) act.scroll(-steps, drag.under?.tile.across);
      return;
    }
    const from = viewer.under(event.clientX - dx, event.clientY - dy);
    const to = viewer.under(event.clientX, event.clientY);
    if (from && to && from.tile.across === to.tile.across) act.move(from, to);
  });

  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (end === "pointerup" && drag?.kind === "touch" && drag.path < TAP && drag.under) act.aim(drag.under);
      pointers.delete(event.pointerId);
      drag = null;
    });
  }

  function kindOf(event) {
    if (event.pointerType === "touch") return "touch";
    return event.button === 2 || event.shiftKey ? "window" : "left";
  }

  function pinch(before, after) {
    const apart = ([[x0, y0], [x1, y1]]) => Math.hypot(x1 - x0, y1 - y0);
    const middle = ([[x0, y0], [x1, y1]]) => [(x0 + x1) / 2, (y0 + y1) / 2];
    const under = viewer.under(...middle(after));
    if (apart(before) > 0) act.zoomAt(apart(after) / apart(before), under);
    const from = viewer.under(...middle(before));
    if (from && under) act.move(from, under);
  }
}
