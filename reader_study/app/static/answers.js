// What goes to the server, and comes back: nothing is given up before the server has confirmed it.

export const newKey = () => crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

// The study may be served below a path; this file lies in its folder "static".
const ROOT = new URL("../", import.meta.url).pathname;
/** Address of `/read` and the like, wherever the study is served. */
export const at = (path) => ROOT + path.slice(1);

export function post(path, body, options = {}) {
  return fetch(at(path), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    credentials: "same-origin",
    ...options,
  });
}

/** Raised where the session has ended. */
export class SignedOut extends Error {}

export async function get(path) {
  return read(await persistently(() => fetch(at(path), { credentials: "same-origin" })));
}

async function read(reply) {
  if (reply.status === 401) throw new SignedOut();
  if (!reply.ok) throw new Error((await reply.json()).detail);
  return reply.json();
}

let trouble = () => {};
/** Tell where to say that the connection is lost (`true`) or back (`false`). */
export function onTrouble(listener) {
  trouble = listener;
}

/** Ask until the server answers: a lost connection or a restarting server only delays. */
async function persistently(ask) {
  for (let wait = 500; ; wait = Math.min(5000, wait * 1.6)) {
    try {
      const reply = await ask();
      if (reply.status < 500) {
        trouble(false);
        return reply;
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    trouble(true);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

let sending = 0;
/** Whether something waits for the server to confirm it: closing the page now could lose it. */
export const unsent = () => sending > 0;

/** Send under one key until it is confirmed; { state, conflict, detail } (a conflict: another window was first, or the study is closed). */
export async function send(path, body) {
  const keyed = { ...body, key: newKey() };
  sending += 1;
  try {
    const reply = await persistently(() => post(path, keyed));
    if (reply.status === 409 || reply.status === 404) return { state: await get("/api/state"), conflict: true, detail: (await reply.json()).detail };
    return { state: await read(reply), conflict: false };
  } finally {
    sending -= 1;
  }
}

/** Image bytes, as the browser has uncompressed them. */
export async function image(path) {
  const reply = await persistently(() => fetch(at(path), { credentials: "same-origin" }));
  if (reply.status === 401) throw new SignedOut();
  if (!reply.ok) throw new Error("image not open");
  return reply.arrayBuffer();
}
