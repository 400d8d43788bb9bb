// Links between our own screens open in place, without a new page and without losing the session. A link with a modifier
// key, or one that leads elsewhere, stays an ordinary link.
if (!window.attendLinks) {
  window.attendLinks = true;
  const ours = /^\/(read|review|quiz|labs|ask|progress|library|settings)?([?#]|$)/;

  const scrollTo = (selector) => {
    // the section is drawn a moment after the address changes: look for it for up to three seconds
    let tries = 60;
    const look = () => {
      const found = document.querySelector(selector);
      if (found) found.scrollIntoView({ block: "start" });
      else if (tries--) setTimeout(look, 50);
    };
    look();
  };
  const sectionOf = (address) => new URL(address, location.href).searchParams.get("section");
  const land = () => {
    const section = sectionOf(location.href);
    const cited = new URL(location.href).searchParams.has("mark");
    if (cited) scrollTo(".st-key-cited");
    else if (section) scrollTo(`.st-key-section-${CSS.escape(section)}`);
  };

  document.addEventListener("click", (event) => {
    const link = event.composedPath().find((node) => node.tagName === "A");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const address = link.getAttribute("href") || "";
    if (!ours.test(address)) return;
    event.preventDefault();
    event.stopPropagation();
    if (new URL(address, location.href).href !== location.href) {
      history.pushState({}, "", address);
      window.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
    }
    if (sectionOf(address)) land();
    else document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0);
  }, true);

  // "/" anywhere leads to Ask, unless somebody is typing
  document.addEventListener("keydown", (event) => {
    const at = event.composedPath()[0];
    const typing = at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName);
    if (event.key !== "/" || typing || event.metaKey || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    if (!location.pathname.endsWith("/ask")) {
      history.pushState({}, "", "/ask");
      window.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
    }
    let tries = 60;
    const focus = () => {
      const field = document.querySelector(".st-key-question input, .st-key-question textarea");
      if (field) field.focus();
      else if (tries--) setTimeout(focus, 50);
    };
    focus();
  });

  land();
}
