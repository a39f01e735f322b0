// Menus made of <details>: one open at a time, closed by Escape or a click elsewhere.
const open = () => document.querySelectorAll("details[data-menu][open]");

document.addEventListener("click", (event) => {
  for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = [...open()].pop();
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
  event.preventDefault();
});

document.addEventListener("focusout", (event) => {
  for (const menu of open()) {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  }
});
