// Puts a tab of ours among Locust's own. It runs after Locust's settings and before its interface,
// which reads them: a tab there has a title, a key for the address, and the element it draws.
"use strict";

(() => {
  const settings = window.templateArgs;
  if (!settings) return;
  const home = new URL("./", document.currentScript.src).href;

  class Tab extends HTMLElement {
    connectedCallback() {
      const frame = document.createElement("iframe");
      frame.src = home;
      frame.title = "tollbench: the run so far";
      frame.style.cssText = "display: block; width: 100%; min-height: 70vh; border: 0";
      this.replaceChildren(frame);
    }
  }

  customElements.define("tollbench-tab", Tab);
  const tab = { title: "tollbench", key: "tollbench", component: "tollbench-tab" };
  settings.extended_tabs = [...(settings.extended_tabs || []), tab];

  // The form shows why a test was not started, and would run the lines of it together. Ours is the
  // last tab: what is wrong stands behind its title, whichever tab is looked at.
  const style = document.createElement("style");
  style.textContent = `
    .MuiAlert-message { white-space: pre-line; }
    [role=tab]:last-of-type > :first-child::after {
      content: var(--tollbench, "");
      white-space: pre;
    }
  `;
  document.head.append(style);

  const look = async () => {
    try {
      const { alarm } = await (await fetch(`${home}alarm.json`, { cache: "no-store" })).json();
      const told = alarm ? JSON.stringify(` \u2715 ${alarm}`) : "";
      document.documentElement.style.setProperty("--tollbench", told);
    } catch {
      // Locust is gone, or shows its login: what is known stays.
    }
    setTimeout(look, 2000);
  };
  look();
})();
