// What comes from the server: each request carries the token that stood after the # of the address.
const KEPT = "darts-view-token";

/** Take the token out of the address, where it would stay in the history, and keep it for this tab. */
function takeToken() {
  const given = location.hash.slice(1);
  // Skip links have names of elements after the #; a token is longer.
  if (given.length >= 20) {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEPT) ?? "";
}

const token = takeToken();

async function ask(path) {
  let reply;
  try {
    reply = await fetch(path, { headers: { "X-Darts-Token": token } });
  } catch {
    throw new Error("darts-view has ended. Start it again and open the new address.");
  }
  if (reply.ok) return reply;
  if (reply.status === 401) throw new Error("Open the address that darts-view printed: the part after # belongs to it.");
  throw new Error((await reply.json()).detail);
}

export const json = async (path) => (await ask(path)).json();
export const bytes = async (path) => (await ask(path)).arrayBuffer();
/** Places in the legend of each voxel, from 1 on; 0 for none. */
export const labels = async (number) => new Uint16Array(await bytes(`/api/maps/${number}`));
