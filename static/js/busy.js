// A form is sent once: its button turns busy, a second press does nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.dataset.busy === "off" || form.method === "dialog") return;
  if (form.dataset.sent !== undefined) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "";
  event.submitter?.setAttribute("aria-busy", "true");
});

function rest(root) {
  for (const form of root.querySelectorAll("[data-sent]")) delete form.dataset.sent;
  for (const button of root.querySelectorAll('button[aria-busy="true"]')) {
    button.removeAttribute("aria-busy");
  }
}

// The page may come back from the browser's memory, or htmx may have sent the form.
addEventListener("pageshow", (event) => event.persisted && rest(document));
document.addEventListener("htmx:finally:request", () => rest(document));
