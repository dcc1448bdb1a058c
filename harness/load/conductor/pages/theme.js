// Light or dark, as Locust's switch or else the reader's system has it; before anything is drawn.
"use strict";

(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const dress = () => {
    const chosen = localStorage.theme || (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = chosen;
  };
  dress();
  dark.addEventListener("change", dress);
  window.addEventListener("storage", dress); // Locust's page around this one switches.
})();
