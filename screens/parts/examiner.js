// The examiner of a quiz: Streamlit draws the next few questions, this shows one of them at a time and takes the answers.
//
// Going on only rewrites one style element, so the next question is there at once. Answers go into an outbox that is also
// kept in the browser's storage until the server has said that it holds them: a reload, a dead server or a second tab lose
// nothing, and since the server takes each answer once, nothing counts twice. In an exam nothing here knows what is right.
//
// data: { token, mode, total, taken: [n], judged: [n], ring: [{ n, form, options, steps, unit, right?, given?, answered }],
//         verdicts: { n: { right, said } }, endsAt, confidence, notice, over, showing }

const desks = new WeakMap();
const before = new Map(); // token -> the desk that last had this sitting: one mounted anew in the same page goes on where that one was
const ORDINALS = ["1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th"];
const CONFIDENCE = { z: 1, x: 2, c: 3 };
const RESEND = 1500;

function newDesk(root) {
  const style = document.createElement("style");
  document.head.append(style);
  return { root, style, token: null, data: null, shown: null, side: "front", outbox: [], passed: new Set(), later: [], picks: [], confidence: null,
    response: null, shownAt: performance.now(), resend: 0, tick: 0, send: null, ended: false };
}

const isOpen = (desk) => desk.data.mode === "practice"; // feedback after each question
const picksInOrder = (item) => item.form === "order" || item.form === "match";
const isTyped = (item) => item.form === "number" || item.form === "term";
const isProse = (item) => item.form === "prose" || item.form === "gap";

function current(desk) {
  const left = desk.data.ring.filter((item) => !desk.passed.has(item.n));
  return left.find((item) => item.n === desk.shown && !desk.later.includes(item.n)) || left.find((item) => !desk.later.includes(item.n)) || left[0] || null;
}

// --- the outbox -----------------------------------------------------------------------------------------------------------

const shelf = (desk) => `attend-quiz-${desk.token}`;

function keep(desk) {
  try {
    if (desk.outbox.length) localStorage.setItem(shelf(desk), JSON.stringify(desk.outbox));
    else localStorage.removeItem(shelf(desk));
  } catch { /* without storage the outbox still lives in this page */ }
}

function kept(desk) {
  try {
    const found = JSON.parse(localStorage.getItem(shelf(desk)) || "[]");
    return Array.isArray(found) ? found : [];
  } catch { return []; }
}

function post(desk, act = null) {
  if (!desk.send) return;
  // of two messages in one turn only the second leaves: once the end is asked for, every message asks for it
  desk.send("sent", { token: desk.token, outbox: desk.outbox, act: desk.ended ? { kind: "finish" } : act, nonce: Math.random() });
  clearTimeout(desk.resend);
  desk.resend = setTimeout(() => { if (desk.outbox.length || desk.ended) post(desk); }, RESEND);
}

// --- what the server said ---------------------------------------------------------------------------------------------------

function receive(desk, data) {
  const fresh = data.token !== desk.token;
  desk.data = data;
  if (fresh) {
    const { passed = new Set(), later = [], ended = false } = before.get(data.token) ?? {};
    Object.assign(desk, { token: data.token, passed, later, shown: null, ended });
    before.set(data.token, desk);
    desk.outbox = kept(desk);
    if (!isOpen(desk)) desk.outbox.forEach((entry) => desk.passed.add(entry.n));
    if (desk.outbox.length || desk.ended) setTimeout(() => post(desk), 0);
  }
  const taken = new Set(data.taken), judged = new Set(data.judged);
  desk.outbox = desk.outbox.filter((entry) => !(entry.kind === "judge" ? judged : taken).has(entry.n));
  keep(desk);
  if (data.over) clearTimeout(desk.resend);
  enter(desk);
  paint(desk);
}

/** Is another question on top than before? Then it begins afresh. */
function enter(desk) {
  const item = current(desk);
  if ((item?.n ?? null) === desk.shown) return;
  const seen = Boolean(item?.answered) && isOpen(desk);
  Object.assign(desk, { shown: item?.n ?? null, side: seen ? "back" : "front", picks: [], confidence: null, response: item?.given ?? null, shownAt: performance.now() });
  const prose = desk.root.querySelector(".prose");
  desk.root.querySelector(".typed").value = "";
  prose.value = seen && isProse(item) ? item.given || "" : "";
  drawPicks(desk, item);
}

// --- what the learner does ----------------------------------------------------------------------------------------------------

function answer(desk, response) {
  const item = current(desk);
  if (!item || desk.side !== "front" || timeLeft(desk) === 0) return;
  const ms = Math.round(Math.min(performance.now() - desk.shownAt, 3600000));
  desk.outbox.push({ kind: "answer", n: item.n, response, confidence: desk.confidence, ms, at: Date.now() });
  keep(desk);
  desk.response = response;
  if (isOpen(desk)) {
    desk.side = "back";
    announce(desk, item.form === "choice" ? (response === item.right ? "Right." : "Not this one. The right option is marked.") : "The answer is shown.");
  } else {
    desk.passed.add(item.n);
    enter(desk);
    announce(desk, current(desk) ? "Next question." : "That was the last question.");
  }
  paint(desk);
  post(desk);
}

function pick(desk, index) {
  const item = current(desk);
  if (!item || desk.side !== "front") return;
  if (item.form === "choice" && index < item.options) return answer(desk, index);
  if (!picksInOrder(item) || index >= item.steps || desk.picks.includes(index)) return;
  desk.picks.push(index);
  if (desk.picks.length === item.steps) answer(desk, [...desk.picks]);
  else paint(desk);
}

function check(desk) {
  const item = current(desk);
  if (!item) return;
  if (isTyped(item)) answer(desk, desk.root.querySelector(".typed").value);
  else if (isProse(item)) answer(desk, desk.root.querySelector(".prose").value);
  else if (picksInOrder(item)) answer(desk, desk.picks.length ? [...desk.picks] : null);
  else answer(desk, null);
}

function judge(desk, score) {
  const item = current(desk);
  if (!item || desk.side !== "back" || !isProse(item)) return;
  desk.outbox.push({ kind: "judge", n: item.n, score });
  keep(desk);
  next(desk);
}

function next(desk) {
  const item = current(desk);
  if (!item || desk.side !== "back") return;
  if (isProse(item) && !desk.outbox.some((entry) => entry.kind === "judge" && entry.n === item.n) && !desk.data.judged.includes(item.n)) return;
  desk.passed.add(item.n);
  enter(desk);
  paint(desk);
  post(desk, { kind: "pass", n: item.n });
}

function later(desk) {
  const item = current(desk);
  if (!item || desk.side !== "front" || isOpen(desk)) return;
  desk.later = desk.later.filter((n) => n !== item.n).concat(item.n);
  if (desk.data.ring.every((other) => desk.passed.has(other.n) || desk.later.includes(other.n))) desk.later = desk.later.slice(-1);
  desk.shown = null;
  enter(desk);
  paint(desk);
  post(desk, { kind: "later", n: item.n });
}

function finish(desk, asked = true) {
  if (desk.ended) return;
  const left = desk.data.total - done(desk);
  if (asked && left > 0 && !confirm(`${left} ${left === 1 ? "question is" : "questions are"} not answered. Finish all the same?`)) return;
  desk.ended = true;
  post(desk, { kind: "finish" });
}

// --- the clock ------------------------------------------------------------------------------------------------------------------

function timeLeft(desk) {
  return desk.data.endsAt ? Math.max(desk.data.endsAt - Date.now(), 0) : null;
}

function tick(desk) {
  clearTimeout(desk.tick);
  const left = timeLeft(desk), clock = desk.root.querySelector(".clock");
  clock.hidden = left === null || desk.data.over;
  if (clock.hidden) return;
  const seconds = Math.ceil(left / 1000);
  clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left`;
  clock.toggleAttribute("data-short", seconds <= 60);
  if (seconds === 60 || seconds === 300) announce(desk, `${seconds / 60} ${seconds === 60 ? "minute" : "minutes"} left.`);
  if (left === 0) return finish(desk, false);
  desk.tick = setTimeout(() => tick(desk), 1000);
}

// --- what is seen ---------------------------------------------------------------------------------------------------------------

const done = (desk) => new Set([...desk.data.taken, ...desk.outbox.filter((entry) => entry.kind === "answer").map((entry) => entry.n)]).size;

function rules(desk, item) {
  if (!item) return "";
  const slot = `.st-key-slot-${item.n}.st-key-slot-${item.n}`, options = `.st-key-options-${item.n} li`;
  const lines = [`${slot} { display: flex !important; }`];
  if (desk.side === "front") {
    lines.push(`.st-key-back-${item.n} { display: none !important; }`);
    desk.picks.forEach((index, place) => lines.push(`${options}:nth-child(${index + 1})::after { content: "  ${ORDINALS[place] || place + 1}"; font-weight: 700; }`));
  } else if (item.form === "choice") {
    lines.push(`${options}:nth-child(${item.right + 1}) { outline: 2px solid #0b8a7d; }`, `${options}:nth-child(${item.right + 1})::after { content: "  ✓"; font-weight: 700; }`);
    if (Number.isInteger(desk.response) && desk.response !== item.right) {
      lines.push(`${options}:nth-child(${desk.response + 1}) { outline: 2px dashed #c8501e; }`, `${options}:nth-child(${desk.response + 1})::after { content: "  ✗ your answer"; font-weight: 700; }`);
      lines.push(`.st-key-reasons-${item.n} li:nth-child(${desk.response + 1}) { border-left: 3px solid #c8501e; padding-left: .6rem; }`);
    }
  }
  return lines.join("\n");
}

function hook(desk, item) {
  // the question on top says which it is and which side is up: for tests and scripts
  const target = item ? document.querySelector(`.st-key-slot-${item.n}`) : null;
  document.querySelectorAll("[data-question]").forEach((node) => {
    if (node !== target) { node.removeAttribute("data-question"); node.removeAttribute("data-side"); node.removeAttribute("data-form"); }
  });
  if (!item) return;
  if (!target) return void requestAnimationFrame(() => current(desk) === item && hook(desk, item));
  target.setAttribute("data-question", item.n);
  target.setAttribute("data-side", desk.side);
  target.setAttribute("data-form", item.form);
}

function drawPicks(desk, item) {
  const group = desk.root.querySelector(".picks");
  const count = item ? (item.form === "choice" ? item.options : picksInOrder(item) ? item.steps : 0) : 0;
  group.replaceChildren(...Array.from({ length: count }, (_, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = String(index + 1);
    button.onclick = () => pick(desk, index);
    return button;
  }));
  const name = () => [...document.querySelectorAll(`.st-key-options-${item.n} li`)].forEach((line, index) => {
    group.children[index]?.setAttribute("aria-label", `${index + 1}: ${line.innerText.trim() || line.querySelector("img")?.alt || ""}`);
  });
  if (count) requestAnimationFrame(name);
}

function paint(desk) {
  const { root, data } = desk, item = current(desk), find = (selector) => root.querySelector(selector);
  const front = desk.side === "front", up = Boolean(item) && !data.over;
  desk.style.textContent = data.over ? "" : rules(desk, item);
  hook(desk, data.over ? null : item);
  find(".loading").hidden = Boolean(item) || data.over;
  find(".loading").textContent = done(desk) >= data.total ? "All answered." : "Loading …";
  find(".ask").hidden = !up || !front;
  find(".check").textContent = item && isProse(item) && isOpen(desk) ? "Show the answer" : item?.form === "choice" ? "I do not know" : isOpen(desk) ? "Check" : "Give this answer";
  find(".check").toggleAttribute("data-quiet", item?.form === "choice");
  find(".skip").hidden = isOpen(desk);
  find(".confidence").hidden = !up || !front || !data.confidence;
  find(".picks").hidden = !up || !front;
  find(".entry").hidden = !up || !isTyped(item);
  find(".asked").textContent = item?.unit ? `Your answer, in ${item.unit}` : "Your answer";
  find(".essay").hidden = !up || !isProse(item);
  find(".typed").readOnly = find(".prose").readOnly = !front;
  const toJudge = up && !front && isProse(item) && !data.judged.includes(item.n);
  find(".judge").hidden = !toJudge;
  find(".go").hidden = !up || front || toJudge;
  find(".next").textContent = done(desk) >= data.total && data.ring.filter((other) => !desk.passed.has(other.n)).length <= 1 ? "See how it went" : "Next question";
  find(".end").hidden = data.over;
  root.querySelectorAll(".confidence button").forEach((button) => button.setAttribute("aria-pressed", String(Number(button.value) === desk.confidence)));
  [...find(".picks").children].forEach((button, index) => button.setAttribute("aria-pressed", String(desk.picks.includes(index))));
  const verdict = up && !front ? told(desk, item) : null;
  find(".verdict").textContent = verdict ? verdict.said : "";
  find(".verdict").dataset.right = verdict && verdict.right !== null ? String(verdict.right) : "";
  find(".progress").textContent = data.over ? "" : `Question ${Math.min(done(desk) + (front ? 1 : 0), data.total)} of ${data.total}`;
  find(".bar i").style.width = `${(100 * done(desk)) / Math.max(data.total, 1)}%`;
  find(".notice").textContent = data.notice || "";
  tick(desk);
  focus(desk, item, front, toJudge);
  if (!item && !data.over && done(desk) >= data.total) finish(desk, false);
}

/** A choice is judged here at once; whatever is typed or put in order waits for the server's word. */
function told(desk, item) {
  if (desk.data.verdicts[item.n]) return desk.data.verdicts[item.n];
  if (item.form === "choice") return { right: desk.response === item.right, said: desk.response === item.right ? "Right." : "Not this one." };
  return null;
}

function focus(desk, item, front, toJudge) {
  const step = `${desk.token}/${item?.n}/${desk.side}`;
  if (!item || step === desk.focused) return;
  desk.focused = step;
  const root = desk.root;
  const target = front ? (isTyped(item) ? ".typed" : isProse(item) ? ".prose" : ".picks button") : toJudge ? ".judge button" : ".next";
  root.querySelector(target)?.focus({ preventScroll: true });
}

function announce(desk, words) {
  desk.root.querySelector("[role=status]").textContent = words;
}

// --- keys -----------------------------------------------------------------------------------------------------------------------

function onKey(desk, event) {
  if (!desk.root.isConnected || event.repeat || desk.data.over || event.altKey || document.querySelector("[role=dialog]")) return;
  const at = event.composedPath()[0], item = current(desk), front = desk.side === "front", key = event.key;
  const field = desk.root.querySelector(".typed"), essay = desk.root.querySelector(".prose");
  if (front && ((at === field && key === "Enter") || (at === essay && key === "Enter" && (event.ctrlKey || event.metaKey)))) return void (take(event), check(desk));
  if (event.ctrlKey || event.metaKey || (at === field && front) || (at === essay && front)) return;
  if (at !== field && at !== essay && (at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName))) return;
  const ownButton = at.tagName === "BUTTON" && at.getRootNode() === desk.root.getRootNode();
  if (!item || (["Enter", " "].includes(key) && (at.tagName === "A" || at.tagName === "SUMMARY" || at.tagName === "BUTTON") && !(ownButton && !front && at.className === "next"))) return;
  if (/^[1-9]$/.test(key)) {
    take(event);
    if (front) pick(desk, Number(key) - 1);
    else if (isProse(item) && Number(key) <= 3) judge(desk, (Number(key) - 1) / 2);
  } else if (key === "Enter" || key === " ") {
    if (!front) { take(event); next(desk); }
  } else if (front && CONFIDENCE[key] && desk.data.confidence) {
    take(event);
    desk.confidence = CONFIDENCE[key];
    paint(desk);
  } else if (front && key === "Backspace" && desk.picks.length) {
    take(event);
    desk.picks.pop();
    paint(desk);
  } else if (front && key === "s") {
    take(event);
    later(desk);
  }
}

function take(event) {
  event.preventDefault();
  event.stopPropagation();
}

// --- mounting -------------------------------------------------------------------------------------------------------------------

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  let desk = desks.get(parentElement);
  if (!desk) {
    desk = newDesk(parentElement.querySelector(".desk"));
    desks.set(parentElement, desk);
    const { root } = desk;
    root.querySelector(".check").onclick = () => check(desk);
    root.querySelector(".skip").onclick = () => later(desk);
    root.querySelector(".next").onclick = () => next(desk);
    root.querySelector(".finish").onclick = () => finish(desk);
    root.querySelectorAll(".judge button").forEach((button) => { button.onclick = () => judge(desk, Number(button.value)); });
    root.querySelectorAll(".confidence button").forEach((button) => { button.onclick = () => { desk.confidence = Number(button.value); paint(desk); }; });
    desk.onKey = (event) => onKey(desk, event);
    desk.onClick = (event) => {
      const line = event.target.closest?.("[class*=st-key-options-] li"), item = current(desk);
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
    clearTimeout(desk.tick);
    desk.style.remove();
    desks.delete(parentElement);
  };
}
