// One plotly drawing that is changed rather than rebuilt, in the colours of the page's theme.
const views = new WeakMap();
let library; // one for the whole page: a promise of plotly

function loaded(name) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  // fetched as text, since static files other than pictures and fonts are not served as scripts
  library ??= fetch(new URL(`app/static/${name}`, document.baseURI))
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(`plotly.js: ${answer.status}`))))
    .then((text) => {
      const script = document.createElement("script");
      script.textContent = text;
      document.head.append(script);
      script.textContent = "";
      return window.Plotly;
    });
  library.catch(() => (library = undefined));
  return library;
}

export default function (component) {
  const { data, parentElement } = component;
  const box = parentElement.querySelector(".plot");
  let view = views.get(parentElement);
  if (!view) {
    view = { box, drawn: "", width: 0 };
    view.watch = new ResizeObserver(() => box.clientWidth && box.clientWidth !== view.width && ask(view));
    view.watch.observe(box);
    views.set(parentElement, view);
  }
  const show = (spec, says, height) => {
    if (view.spec === spec && view.says === says) return ask(view); // the theme or the width may have changed
    view.spec = spec;
    view.says = says;
    view.height = height;
    box.style.height = `${height}px`;
    box.setAttribute("role", "figure");
    box.setAttribute("aria-label", `${data.title}. ${says}`);
    ask(view);
  };
  view.library = data.library;
  const { place, name } = standing(parentElement);
  if (place) live.join(place, name, (bytes, says) => show(new TextDecoder().decode(bytes), says, data.height));
  live.offer(place, name, () => show(data.spec, data.says, data.height));
  return () => {
    if (place) live.leave(place, name);
    view.watch.disconnect();
    waiting.delete(view);
    views.delete(parentElement);
    window.Plotly?.purge(box);
  };
}

// One drawing at a time with a breath now and then, those in sight first: a moved slider shows its effect where one looks,
// and what a newer value has overtaken is never drawn.
const waiting = new Set();
const AT_ONCE = 60; // ms of drawing between two breaths
let working = false;

function ask(view) {
  waiting.add(view);
  if (!working) work();
}

async function work() {
  working = true;
  await frame(); // the sentence is painted first
  let since = performance.now();
  while (waiting.size) {
    const view = [...waiting].find(inSight) ?? waiting.values().next().value;
    waiting.delete(view);
    await draw(view);
    const more = [...waiting].some(inSight);
    if (more && performance.now() - since < AT_ONCE) continue; // each breath lets the page be painted, which costs as much as a figure
    await (more ? breath() : idle());
    since = performance.now();
  }
  working = false;
}

function inSight({ box }) {
  const { top, bottom } = box.getBoundingClientRect();
  return bottom > 0 && top < window.innerHeight;
}

const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
const breath = () => new Promise((resolve) => setTimeout(resolve));
const idle = () => new Promise((resolve) => (window.requestIdleCallback ? requestIdleCallback(resolve, { timeout: 500 }) : setTimeout(resolve, 50)));

async function draw(view) {
  const { box } = view;
  try {
    const Plotly = await loaded(view.library);
    const { spec, height } = view;
    const width = box.clientWidth;
    const look = theme(box);
    const wanted = [width, height, look.stamp, spec].join(" ");
    if (!width || wanted === view.drawn) return;
    Object.assign(view, { width, drawn: wanted });
    const { data, layout } = JSON.parse(spec);
    await Plotly.react(box, data, { ...layout, legend: fitted(data, layout.legend, width), width, height, template: { layout: look.layout } }, { displayModeBar: false, responsive: false });
  } catch (problem) {
    box.textContent = `This picture could not be drawn: ${problem.message}`;
  }
}

// As many names side by side as there is room for: a longer one would be cut off at the picture's edge.
function fitted(data, legend, width) {
  if (legend?.entrywidthmode !== "fraction") return legend;
  const longest = Math.max(...data.map(({ name }) => (name ?? "").length));
  const columns = Math.floor((width - 50) / (46 + 5.8 * longest)); // the axis and its title; the line's sample and a letter at 11 px
  return { ...legend, entrywidth: 0.97 / Math.min(Math.max(columns, 1), 3) };
}

// The same look as the charts that Streamlit draws elsewhere in the app.
function theme(box) {
  const style = getComputedStyle(box);
  const read = (name) => style.getPropertyValue(name).trim();
  const text = read("--st-text-color");
  const line = read("--st-border-color");
  const family = read("--st-font");
  const font = { color: text, family, size: 12 };
  const axis = { gridcolor: line, zerolinecolor: line, tickcolor: line, tickfont: font, title: { font: { ...font, size: 14 }, standoff: 16 } };
  return {
    stamp: [text, line, family].join(" "),
    layout: {
      font,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { pad: 8 },
      legend: { font, borderwidth: 0 },
      xaxis: { ...axis, showgrid: false, zeroline: false },
      yaxis: axis,
      hoverlabel: { bgcolor: read("--st-secondary-background-color"), bordercolor: line, font },
      coloraxis: { colorbar: { tickfont: font } },
    },
  };
}
