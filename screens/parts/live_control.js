// A slider, buttons side by side, a list, a switch or a number: each holds a place in `stops`, or for a number the number itself.
// Two ways to the picture. Where the lab answers at once (`data.live`), the control asks for the pictures itself (live.js) and
// tells Streamlit when the hand rests. Else it tells Streamlit at every step, newest wins: at most one request on its way,
// the latest wish is asked for when the answer to the last one is drawn.
const views = new WeakMap();
const PATIENCE = 1500; // ms after which an answer is taken for lost and the latest wish asked for again
const REST = 300; // ms without a move after which the hand is taken to rest

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let view = views.get(parentElement);
  const shape = JSON.stringify([data.kind, data.label, data.help, data.stops]);
  if (view?.shape !== shape) {
    const face = FACES[data.kind](parentElement.querySelector(".control"), data);
    view = { sent: 0, asked: null, wish: null, timer: 0, rest: 0, ...view, shape, face };
    views.set(parentElement, view);
  }
  view.set = setTriggerValue;

  const tell = () => {
    clearTimeout(view.timer);
    clearTimeout(view.rest);
    if (view.wish === null || view.asked !== null) return;
    view.sent += 1;
    view.asked = view.wish;
    view.wish = null;
    view.set("moved", { index: view.asked, number: view.sent });
    view.timer = setTimeout(() => {
      view.wish ??= view.asked;
      view.asked = null;
      tell();
    }, PATIENCE);
  };
  if (view.asked !== null && data.answered >= view.sent) {
    view.asked = null;
    clearTimeout(view.timer);
    if (data.live && view.wish === null) live.settle(data.live.place, data.live.name);
  }
  if (data.answered > view.sent) view.sent = data.answered; // mounted anew in an old session
  if (view.wish === null && view.asked === null) view.face.put(data.index);
  if (!data.live) tell();

  view.face.onmove = (place) => {
    view.wish = place;
    if (!data.live) return tell();
    const { place: desk, name, address, values } = data.live;
    live.wish(desk, address, name, values ? values[place] : String(place), tell);
    clearTimeout(view.rest);
    view.rest = setTimeout(tell, REST);
  };
  parentElement.querySelector(".control").onfocusout = data.live ? tell : null;
  return () => {
    clearTimeout(view.timer);
    clearTimeout(view.rest);
    views.delete(parentElement);
  };
}

// Each face draws itself once and gives `put`, which shows a place; it calls `onmove` when the person moved.
const FACES = {
  slider(box, { label, help, stops }) {
    const input = make("input", { id: "it", type: "range", min: 0, max: stops.length - 1, step: 1, "aria-description": help });
    const output = make("output", { for: "it" });
    const ends = make("div", { class: "line ends", "aria-hidden": "true" }, make("span", {}, stops[0]), make("span", {}, stops.at(-1)));
    box.replaceChildren(make("div", { class: "line" }, make("label", { for: "it" }, label), ...asked(help), output), ...told(help), input, ends);
    const face = {
      put(place) {
        input.value = place;
        output.textContent = stops[place];
        input.style.setProperty("--filled", `${(100 * place) / (stops.length - 1)}%`);
        input.setAttribute("aria-valuetext", stops[place]);
      },
    };
    input.oninput = () => {
      face.put(Number(input.value));
      face.onmove(Number(input.value));
    };
    return face;
  },

  buttons(box, { label, help, stops }) {
    const inputs = stops.map((_, place) => make("input", { type: "radio", name: "it", value: place }));
    const row = make("div", { class: "row" }, ...stops.map((name, place) => make("label", {}, inputs[place], make("span", {}, name))));
    const fields = make("fieldset", { "aria-label": label, "aria-description": help }, row); // a legend could not hold the question mark
    box.replaceChildren(make("div", { class: "line name" }, make("span", { "aria-hidden": "true" }, label), ...asked(help)), ...told(help), fields);
    const face = { put: (place) => (inputs[place].checked = true) };
    inputs.forEach((input, place) => (input.oninput = () => face.onmove(place)));
    return face;
  },

  list(box, { label, help, stops }) {
    const select = make("select", { id: "it", "aria-description": help }, ...stops.map((name, place) => make("option", { value: place }, name)));
    box.replaceChildren(make("div", { class: "line name" }, make("label", { for: "it" }, label), ...asked(help)), ...told(help), select);
    const face = { put: (place) => (select.value = place) };
    select.oninput = () => face.onmove(Number(select.value));
    return face;
  },

  switch(box, { label, help }) {
    const input = make("input", { type: "checkbox", role: "switch", "aria-description": help });
    box.replaceChildren(make("div", { class: "line" }, make("label", { class: "switch" }, input, make("span", {}, label)), ...asked(help)), ...told(help));
    const face = { put: (place) => (input.checked = place === 1) };
    input.oninput = () => face.onmove(input.checked ? 1 : 0);
    return face;
  },

  number(box, { label, help, most }) {
    const input = make("input", { id: "it", type: "number", min: 0, max: most, step: 1, inputmode: "numeric", "aria-description": help });
    box.replaceChildren(make("div", { class: "line name" }, make("label", { for: "it" }, label), ...asked(help)), ...told(help), input);
    const face = {
      put(value) {
        if (Number(input.value) !== value || input.value === "") input.value = value;
      },
    };
    input.oninput = () => {
      const value = Math.trunc(Number(input.value));
      if (input.value !== "" && value >= 0 && value <= most) face.onmove(value);
    };
    return face;
  },
};

// What the control does: a question mark that opens a line, for fingers have no hover.
function asked(help) {
  if (!help) return [];
  const mark = make("button", { class: "why", type: "button", "aria-label": "What does this do?", "aria-expanded": "false", title: help }, "?");
  mark.onclick = () => {
    const words = mark.closest(".control").querySelector(".told");
    words.hidden = !words.hidden;
    mark.setAttribute("aria-expanded", String(!words.hidden));
  };
  return [mark];
}

function told(help) {
  return help ? [make("p", { class: "told", hidden: "hidden" }, help)] : [];
}

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== "") node.setAttribute(name, value);
  node.append(...children);
  return node;
}
