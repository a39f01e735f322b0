// Copy buttons: shown when there is a clipboard; the tick says that it is done.
import { arrivals, say } from "./page.js";

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    say("Your browser did not allow the copy. Select the text and copy it yourself.");
    return;
  }
  button.dataset.done = "";
  say("Copied.");
  setTimeout(() => delete button.dataset.done, 2000);
}

if (navigator.clipboard) {
  arrivals("[data-copy]", (button) => {
    button.hidden = false;
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
}
