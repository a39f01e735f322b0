// The button of a danger zone wakes when the name is typed; the server asks again.
import { arrivals } from "./page.js";

arrivals("form[data-confirm-name]", (form) => {
  const input = form.querySelector('input[name="confirm_name"]');
  const button = form.querySelector("button");
  const judge = () => {
    button.disabled = input.value.trim() !== form.dataset.confirmName.trim();
  };
  input.addEventListener("input", judge);
  judge();
});
