// The theme switch: remembers the choice in a cookie, so that the server renders the right one.
const root = document.documentElement;

function show() {
  const theme = root.dataset.bsTheme ?? "";
  for (const choice of document.querySelectorAll("[data-theme-choice]")) {
    choice.setAttribute("aria-pressed", String(choice.dataset.themeChoice === theme));
  }
}

function choose(theme) {
  if (theme) root.dataset.bsTheme = theme;
  else delete root.dataset.bsTheme;
  const age = theme ? 31536000 : 0;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${theme}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
  document.querySelector('meta[name="color-scheme"]').content = theme || "light dark";
  show();
}

for (const group of document.querySelectorAll("[data-themes]")) group.hidden = false;
show();
document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-theme-choice]");
  if (choice) choose(choice.dataset.themeChoice);
});
