// On a narrow screen the bar of tabs scrolls: the tab that one is on stands in its middle.
import { arrivals } from "./page.js";

const CURRENT = ".tabs [aria-current]";

function show(tab) {
  const bar = tab.closest(".tabs");
  const { left, width } = tab.getBoundingClientRect();
  bar.scrollLeft += left + width / 2 - (bar.getBoundingClientRect().left + bar.clientWidth / 2);
}

arrivals(CURRENT, show);
addEventListener("resize", () => document.querySelectorAll(CURRENT).forEach(show));
