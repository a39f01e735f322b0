// Shows what was typed into a secret field while its button is pressed in.
import { arrivals } from "./page.js";

arrivals("[data-reveal]", (button) => {
  button.hidden = false;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-reveal]");
  if (!button) return;
  const input = button.closest("[data-secret]").querySelector("input");
  const shown = input.type === "text";
  input.type = shown ? "password" : "text";
  button.textContent = shown ? "Show" : "Hide";
  button.setAttribute("aria-pressed", String(!shown));
});
