// Newest wins: at most one request on its way; the latest wish is asked for when the answer to the last one is drawn.
const views = new WeakMap();
const PATIENCE = 1500; // ms after which an answer is taken for lost and the latest wish asked for again

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const view = views.get(parentElement) ?? { sent: 0, asked: null, wish: null, timer: 0 };
  views.set(parentElement, view);
  view.set = setTriggerValue;
  const input = parentElement.querySelector("input");
  const output = parentElement.querySelector("output");
  const label = parentElement.querySelector("label");
  const [low, high] = parentElement.querySelectorAll(".ends span");

  label.textContent = data.label;
  if (data.help) label.title = data.help;
  input.setAttribute("aria-description", data.help);
  low.textContent = data.stops[0];
  high.textContent = data.stops.at(-1);
  input.max = data.stops.length - 1;
  const show = () => {
    output.textContent = data.stops[input.value];
    input.style.setProperty("--filled", `${(100 * input.value) / (data.stops.length - 1)}%`);
    input.setAttribute("aria-valuetext", data.stops[input.value]);
  };

  const ask = () => {
    clearTimeout(view.timer);
    if (view.wish === null || view.asked !== null) return;
    view.sent += 1;
    view.asked = view.wish;
    view.wish = null;
    view.set("moved", { index: view.asked, number: view.sent });
    view.timer = setTimeout(() => {
      view.wish ??= view.asked;
      view.asked = null;
      ask();
    }, PATIENCE);
  };
  if (view.asked !== null && data.answered >= view.sent) {
    view.asked = null;
    clearTimeout(view.timer);
  }
  if (data.answered > view.sent) view.sent = data.answered; // mounted anew in an old session
  if (view.wish === null && view.asked === null) input.value = data.index;
  show();
  ask();

  input.oninput = () => {
    view.wish = Number(input.value);
    show();
    ask();
  };
  return () => {
    clearTimeout(view.timer);
    views.delete(parentElement);
  };
}
