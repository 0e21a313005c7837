// Exchange the token of a personal link for a session. It stands after the # and so reaches no log and no proxy.
import { post } from "./answers.js";

const message = document.getElementById("message");

async function enter() {
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  if (!token) {
    message.textContent = "Open the personal link that the coordinator of the study sent you.";
    return;
  }
  try {
    const reply = await post("/api/session", { token });
    if (reply.ok) return location.replace((await reply.json()).go);
    const { detail } = await reply.json();
    message.textContent = typeof detail === "string" ? `${detail[0].toUpperCase()}${detail.slice(1)}.` : "This link is not valid.";
  } catch {
    message.textContent = "The server does not answer. Try the link again in a minute.";
  }
  message.classList.add("bad");
}

addEventListener("hashchange", enter);
enter();
