// Shared by the modules: what to do with elements as they arrive, and a word to the reader.

/** Calls `meet` for each match now on the page and each that htmx brings later. */
export function arrivals(selector, meet) {
  const look = (root) => {
    if (root.matches?.(selector)) meet(root);
    root.querySelectorAll?.(selector).forEach(meet);
  };
  look(document);
  new MutationObserver((changes) => {
    for (const change of changes) change.addedNodes.forEach(look);
  }).observe(document.body, { childList: true, subtree: true });
}

/** Shows a sentence in the corner and to screen readers, for six seconds. */
export function say(words) {
  const line = document.createElement("p");
  line.textContent = words;
  const place = document.querySelector("[data-toasts]");
  place.replaceChildren(line);
  setTimeout(() => line.remove(), 6000);
}
