// The conductor of a review: Streamlit draws a ring of cards, this shows one of them at a time and takes the learner's keys.
//
// Revealing and grading only rewrite one style element, so the next card is there at once. What was graded goes into an
// outbox, and the whole outbox is sent each time; the server acknowledges by `seq`, the number of the next grade it will
// accept. Repeated, collapsed and reordered messages therefore all come out right. A number that the ring does not hold
// shows "Loading" and takes no key.
//
// data: { token, seq, ring: [{ n, card, form, options, right, steps, labels, suggested, lab, note }], verdicts, total, done, pace,
//         confidence, notice, over }

const desks = new WeakMap();
const ORDINALS = ["1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th"];
const CONFIDENCE = { z: 1, x: 2, c: 3 };
const WAIT_FOR_SERVER = 4000;

function newDesk(root) {
  const style = document.createElement("style");
  document.head.append(style);
  return {
    root, style, token: null, data: null, at: 0, side: "front", outbox: [], picks: [], confidence: null, response: null,
    shownAt: performance.now(), pace: [], waiting: 0, resend: 0, send: null,
  };
}

const current = (desk) => desk.data.ring.find((item) => item.n === desk.at) || null;
const picksInOrder = (item) => item.form === "order" || item.form === "match";
const isTyped = (item) => item.form === "number" || item.form === "term";

function freshCard(desk, n) {
  Object.assign(desk, { at: n, side: "front", picks: [], confidence: null, response: null, shownAt: performance.now() });
  const field = desk.root.querySelector(".typed");
  field.value = "";
}

// --- what the server said -----------------------------------------------------------------------------------------------

function receive(desk, data) {
  const renumbered = data.token !== desk.token;
  desk.data = data;
  if (renumbered) {
    desk.outbox = [];
    desk.waiting = 0;
    desk.token = data.token;
    freshCard(desk, data.seq);
  }
  desk.outbox = desk.outbox.filter((entry) => entry.n >= data.seq);
  if (data.seq > desk.at) freshCard(desk, data.seq);
  paint(desk);
}

function post(desk, act = null) {
  if (!desk.send) return;
  desk.send("sent", { token: desk.token, outbox: desk.outbox, act, nonce: Math.random() });
  clearTimeout(desk.resend);
  desk.resend = setTimeout(() => { if (desk.outbox.length) post(desk); }, 1500);
}

// --- what the learner does ------------------------------------------------------------------------------------------------

function reveal(desk, response = null) {
  const item = current(desk);
  if (!item || desk.side !== "front" || desk.waiting) return;
  desk.side = "back";
  desk.response = response;
  if (response?.length && (isTyped(item) || picksInOrder(item))) post(desk, { kind: "check", n: item.n, card: item.card, response });
  paint(desk);
  announce(desk, item.form === "choice" ? (response === item.right ? "Right." : "Not this one. The right option is marked.") : "Answer shown.");
}

function pick(desk, index) {
  const item = current(desk);
  if (!item || desk.side !== "front" || desk.waiting) return;
  if (item.form === "choice" && index < item.options) return reveal(desk, index);
  if (picksInOrder(item) && index < item.steps && !desk.picks.includes(index)) {
    desk.picks.push(index);
    if (desk.picks.length === item.steps) reveal(desk, [...desk.picks]);
    else paint(desk);
  }
}

function grade(desk, value) {
  const item = current(desk);
  if (!item || desk.side !== "back" || desk.waiting) return;
  const ms = Math.round(Math.min(performance.now() - desk.shownAt, 600000));
  desk.outbox.push({ n: item.n, card: item.card, grade: value, ms, confidence: desk.confidence, response: desk.response });
  desk.pace.push(ms);
  freshCard(desk, desk.at + 1);
  paint(desk);
  post(desk);
}

function act(desk, kind, more = {}) {
  const item = current(desk);
  if (desk.waiting || (!item && kind !== "undo")) return;
  desk.waiting = performance.now();
  setTimeout(() => { if (desk.waiting) { desk.waiting = 0; paint(desk); } }, WAIT_FOR_SERVER);
  post(desk, { kind, n: item ? item.n : desk.at, card: item ? item.card : null, ...more });
  paint(desk);
}

function go(address) {
  history.pushState({}, "", address);
  window.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
}

// --- what is seen -----------------------------------------------------------------------------------------------------------

function rules(desk, item) {
  if (!item) return "";
  const slot = `.st-key-slot-${item.n}.st-key-slot-${item.n}`;
  const options = `.st-key-options-${item.n} li`;
  const lines = [`${slot} { display: flex !important; }`];
  if (desk.side === "front") {
    lines.push(`.st-key-back-${item.n} { display: none !important; }`);
    desk.picks.forEach((index, place) => lines.push(`${options}:nth-child(${index + 1})::after { content: "  ${ORDINALS[place] || place + 1}"; font-weight: 700; color: var(--st-primary-color); }`));
  } else if (item.form === "choice") {
    lines.push(`${options}:nth-child(${item.right + 1}) { outline: 2px solid #0b8a7d; border-radius: .4rem; }`, `${options}:nth-child(${item.right + 1})::after { content: "  ✓"; color: #0b8a7d; font-weight: 700; }`);
    if (desk.response !== null && desk.response !== item.right) lines.push(`${options}:nth-child(${desk.response + 1}) { outline: 2px dashed #c8501e; border-radius: .4rem; }`, `${options}:nth-child(${desk.response + 1})::after { content: "  ✗ your answer"; color: #c8501e; font-weight: 700; }`);
  }
  return lines.join("\n");
}

function mark(desk, item) {
  // the visible card's element says which card it is and which side is up: a hook for tests and for scripts
  const target = item ? document.querySelector(`.st-key-slot-${item.n}`) : null;
  document.querySelectorAll("[data-card]").forEach((node) => {
    if (node !== target) { node.removeAttribute("data-card"); node.removeAttribute("data-side"); }
  });
  desk.root.toggleAttribute("data-over", Boolean(desk.data.over && !item));
  const root = desk.root;
  if (!item && desk.data.over) root.setAttribute("data-side", "done"); else root.removeAttribute("data-side");
  if (!item) return;
  if (!target) return void requestAnimationFrame(() => current(desk) === item && mark(desk, item));
  target.setAttribute("data-card", item.card);
  target.setAttribute("data-side", desk.side);
}

function suggestion(desk, item) {
  if (item.form === "choice" && desk.response !== null) return desk.response === item.right ? 3 : 1;
  const verdict = desk.data.verdicts?.[item.n];
  return verdict ? (verdict.right ? 3 : 1) : 3;
}

function paint(desk) {
  const { root, data } = desk;
  const item = current(desk);
  const find = (selector) => root.querySelector(selector);
  const front = desk.side === "front";
  desk.style.textContent = rules(desk, item);
  mark(desk, item);

  const typed = item && isTyped(item);
  find(".loading").hidden = Boolean(item) || data.over;
  find(".ask").hidden = !item || !front;
  find(".judge").hidden = !item || front;
  find(".tools").hidden = !item;
  find(".entry").hidden = !typed;
  find(".typed").readOnly = !front;
  find(".confidence").hidden = !(item && front && data.confidence);
  root.querySelectorAll(".confidence button").forEach((button) => button.setAttribute("aria-pressed", String(Number(button.value) === desk.confidence)));
  find(".reveal").textContent = item?.form === "choice" ? "Show the answer without choosing" : typed ? "Check" : picksInOrder(item || {}) ? "Show the right order" : "Show answer";
  root.toggleAttribute("data-waiting", Boolean(desk.waiting));
  if (item) {
    const best = suggestion(desk, item);
    root.querySelectorAll(".judge button").forEach((button, index) => {
      button.querySelector("small").textContent = item.labels[index];
      button.toggleAttribute("data-suggested", !front && index + 1 === best);
    });
    find(".tool-lab").hidden = !item.lab;
    find(".tool-flag").setAttribute("aria-pressed", String(Boolean(item.flag)));
  }
  const verdict = item && !front ? data.verdicts?.[item.n] : null;
  find(".verdict").textContent = verdict ? verdict.said : "";
  find(".verdict").dataset.right = verdict ? String(verdict.right) : "";
  drawProgress(desk);
  find(".notice").textContent = data.notice || "";
  moveFocus(desk, item, typed, front);
}

function drawProgress(desk) {
  const { data } = desk;
  const done = data.done + (desk.at - data.seq);
  const left = Math.max(data.total - done, 0);
  const recent = desk.pace.slice(-20);
  const pace = recent.length >= 5 ? recent.reduce((sum, ms) => sum + ms, 0) / recent.length : data.pace;
  const minutes = Math.max(Math.round((left * pace) / 60000), left ? 1 : 0);
  desk.root.querySelector(".progress").textContent = data.over && !current(desk) ? "" : `${done} done · ${left} left · about ${minutes} min`;
  desk.root.querySelector(".bar i").style.width = `${(100 * done) / Math.max(done + left, 1)}%`;
}

function moveFocus(desk, item, typed, front) {
  // focus never falls to the page's body: a vanished button hands it on
  const step = `${desk.token}/${desk.at}/${desk.side}`;
  if (!item || step === desk.focused) return;
  desk.focused = step;
  const target = typed && front ? desk.root.querySelector(".typed") : front ? desk.root.querySelector(".reveal") : desk.root.querySelector(".judge [data-suggested]");
  target?.focus({ preventScroll: true });
}

function announce(desk, words) {
  desk.root.querySelector("[role=status]").textContent = words;
}

// --- keys --------------------------------------------------------------------------------------------------------------------

function onKey(desk, event) {
  if (!desk.root.isConnected || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.composedPath()[0];
  const own = at === desk.root.querySelector(".typed");
  const typing = at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName);
  if (document.querySelector("[role=dialog]")) return;
  if (own && desk.side === "front") {
    // no answer begins with a blank: on an empty field it turns the card over, as everywhere else
    if (event.key !== "Enter" && !(event.key === " " && !at.value)) return;
    take(event);
    return void reveal(desk, at.value);
  }
  if (typing && !own) return;
  const foreign = at.tagName === "A" || (at.tagName === "BUTTON" && at.getRootNode() !== desk.root.getRootNode()) || at.tagName === "SUMMARY";
  const item = current(desk);
  const key = event.key;
  if ((key === " " || key === "Enter") && foreign) return; // a link or another button that has the focus keeps its own key
  if (key === " " || key === "Enter") {
    take(event);
    if (!item) return;
    if (desk.side === "front") reveal(desk, item.form === "choice" ? null : typedResponse(desk, item));
    else grade(desk, focusedGrade(desk, at) || suggestion(desk, item));
  } else if (/^[1-9]$/.test(key)) {
    take(event);
    if (desk.side === "front") pick(desk, Number(key) - 1);
    else if (Number(key) <= 4) grade(desk, Number(key));
  } else if (key === "Backspace" && desk.picks.length && desk.side === "front") {
    take(event);
    desk.picks.pop();
    paint(desk);
  } else if (desk.data.confidence && CONFIDENCE[key] && desk.side === "front") {
    take(event);
    desk.confidence = CONFIDENCE[key];
    paint(desk);
  } else if (ACTS[key]) {
    take(event);
    ACTS[key](desk, item);
  }
}

const typedResponse = (desk, item) => (isTyped(item) ? desk.root.querySelector(".typed").value : picksInOrder(item) ? [...desk.picks] : null);
const focusedGrade = (desk, at) => Number(at.closest?.(".judge button")?.value) || 0;

const ACTS = {
  u: (desk) => act(desk, "undo"),
  b: (desk) => act(desk, "bury"),
  s: (desk) => act(desk, "suspend"),
  f: (desk) => act(desk, "flag"),
  e: (desk) => act(desk, "edit"),
  r: (desk) => act(desk, "report"),
  l: (desk, item) => item?.lab && go(item.lab),
  n: (desk, item) => item?.note && go(item.note),
  "?": (desk) => { const keys = desk.root.querySelector(".keys"); keys.hidden = !keys.hidden; },
};

function take(event) {
  event.preventDefault();
  event.stopPropagation();
}

// --- mounting ------------------------------------------------------------------------------------------------------------------

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  let desk = desks.get(parentElement);
  if (!desk) {
    desk = newDesk(parentElement.querySelector(".desk"));
    desks.set(parentElement, desk);
    const { root } = desk;
    root.querySelector(".reveal").onclick = () => { const item = current(desk); if (item) reveal(desk, item.form === "choice" ? null : typedResponse(desk, item)); };
    root.querySelectorAll(".judge button").forEach((button) => { button.onclick = () => grade(desk, Number(button.value)); });
    root.querySelectorAll(".confidence button").forEach((button) => { button.onclick = () => { desk.confidence = Number(button.value); paint(desk); }; });
    root.querySelectorAll(".tools button").forEach((button) => { button.onclick = () => ACTS[button.value](desk, current(desk)); });
    desk.onKey = (event) => onKey(desk, event);
    desk.onClick = (event) => {
      const line = event.target.closest?.("[class*=st-key-options-] li");
      const item = current(desk);
      if (line && item && line.closest(`.st-key-options-${item.n}`) && !event.target.closest("a")) pick(desk, [...line.parentElement.children].indexOf(line));
    };
    document.addEventListener("keydown", desk.onKey, true);
    document.addEventListener("click", desk.onClick);
  }
  desk.send = setTriggerValue;
  receive(desk, data);
  return () => {
    document.removeEventListener("keydown", desk.onKey, true);
    document.removeEventListener("click", desk.onClick);
    clearTimeout(desk.resend);
    desk.style.remove();
    desks.delete(parentElement);
  };
}
