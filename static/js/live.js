// What htmx cannot know: a session that ended, and an answer that never came.
import { say } from "./page.js";

// A poll that fails once is tried again by itself and needs no words.
const asked = (ctx) => !/\b(every|load|revealed)\b/.test(ctx.sourceElement?.getAttribute("hx-trigger") ?? "");

document.addEventListener("htmx:before:response", (event) => {
  const { raw } = event.detail.ctx.response;
  if (raw.redirected && new URL(raw.url).pathname.startsWith("/accounts/")) {
    event.preventDefault();
    location.reload(); // the server sends the reader to sign in and back here
  }
});

document.addEventListener("htmx:response:error", (event) => {
  const { ctx } = event.detail;
  if (ctx.response.status === 422 || !asked(ctx)) return;
  const reference = ctx.response.headers.get("X-Request-Id");
  say(`That did not work. Load the page again and retry${reference ? ` (reference ${reference})` : ""}.`);
});

document.addEventListener("htmx:error", (event) => {
  if (asked(event.detail.ctx)) say("The portal did not answer. Check your network and try again.");
});
