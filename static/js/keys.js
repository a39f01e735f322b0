// The keyboard: "/" to the search, "j" and "k" through the rows, "?" for help. Enter is the link's own.
const help = document.querySelector("[data-help]");
const rows = () =>
  [...document.querySelectorAll("[data-row-link]")].filter((link) => link.checkVisibility());

function move(step) {
  const links = rows();
  const here = links.indexOf(document.activeElement);
  const next = here < 0 ? (step > 0 ? 0 : links.length - 1) : here + step;
  links[next]?.focus();
}

const keys = {
  "/": () => {
    const search = document.querySelector('input[type="search"]');
    search?.focus();
    search?.select();
  },
  j: () => move(1),
  k: () => move(-1),
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
