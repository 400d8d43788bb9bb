export default function (component) {
  return present(component, (root) => new SweptPicture(root));
}

const SPACE = "http://www.w3.org/2000/svg";
const STROKES = ["", "7 5", "2 4", "7 4 2 4", "12 5", "1 3"];

class SweptPicture {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector(".picture");
    this.output = element("output");
    this.label = element("label", { for: "sweep" });
    this.input = element("input", { class: "sweep", id: "sweep", type: "range", min: "0", step: "1" });
    this.play = element("button", { class: "tool", type: "button" });
    this.stage = element("div");
    this.legend = element("ul", { class: "legend" });
    this.readout = element("p", { class: "readout", role: "status" });
    const line = element("div", { class: "line" }, this.label, this.output);
    const tools = element("div", { class: "tools", style: "flex-wrap:nowrap" }, this.play, this.input);
    this.box.replaceChildren(line, tools, this.stage, this.legend, this.readout);
    this.input.oninput = () => this.show(Number(this.input.value));
    this.input.onchange = () => this.header.sets && this.send("picked", { index: this.at });
    this.play.onclick = () => (this.timer ? this.stop() : this.run());
    host(root).picture = () => this.picture();
    new ResizeObserver(() => this.header && this.show(this.at)).observe(this.box);
    this.stop();
  }

  update(header, arrays) {
    const same = this.header && String(this.header.stops) === String(header.stops) && this.header.start === header.start;
    const kept = same ? this.at : header.start;
    this.header = header;
    this.frames = arrays.frames;
    this.label.textContent = header.name;
    this.input.max = header.stops.length - 1;
    const values = [...this.frames.values].filter(Number.isFinite);
    const low = Math.min(0, ...(values.length < 60000 ? values : [values.reduce((a, b) => Math.min(a, b), 0)]));
    const high = values.reduce((a, b) => Math.max(a, b), low + 1e-9);
    this.range = [low, high + 0.04 * (high - low)];
    const named = header.kind !== "heat" && header.kind !== "arrows" && header.series.length > 1;
    this.legend.replaceChildren(...(named ? header.series.map((name, index) => {
      const mark = element("i");
      mark.style.background = PALETTE[index % PALETTE.length];
      return element("li", {}, mark, name);
    }) : []));
    this.show(Math.min(kept, header.stops.length - 1));
  }

  value(line, point) {
    const [, lines, points] = this.frames.shape;
    return this.frames.values[(this.at * lines + line) * points + point];
  }

  show(at) {
    this.at = at;
    const { header } = this;
    this.input.value = at;
    this.input.style.setProperty("--filled", `${(100 * at) / Math.max(header.stops.length - 1, 1)}%`);
    this.output.textContent = header.stops[at];
    this.input.setAttribute("aria-valuetext", header.stops[at]);
    this.readout.textContent = header.sentences[at] ?? "";
    this.readout.hidden = !header.sentences.length;
    const wide = Math.max(this.box.clientWidth, 240), high = header.height;
    this.svg = part("svg", { viewBox: `0 0 ${wide} ${high}`, height: high, role: "img", "aria-label": header.sentences[at] ?? header.says });
    ({ bars: this.bars, lines: this.lines, arrows: this.arrows, heat: this.heat })[header.kind].call(this, wide, high);
    this.stage.replaceChildren(this.svg);
  }

  frame(wide, high) {
    const words = this.header.x.some((name) => typeof name === "string");
    const edge = { left: 52, right: 10, top: 8, bottom: words ? 62 : 42 }, { header } = this;
    const [low, top] = this.range, inner = { wide: wide - edge.left - edge.right, high: high - edge.top - edge.bottom };
    const y = (value) => edge.top + inner.high * (1 - (value - low) / (top - low));
    for (const tick of nice(low, top)) {
      this.svg.append(part("line", { class: "axis", x1: edge.left, x2: wide - edge.right, y1: y(tick), y2: y(tick) }));
      this.svg.append(part("text", { x: edge.left - 6, y: y(tick) + 4, "text-anchor": "end" }, short(tick)));
    }
    this.svg.append(part("text", { x: edge.left + inner.wide / 2, y: high - 4, "text-anchor": "middle" }, header.x_title));
    this.svg.append(part("text", { x: 12, y: edge.top + inner.high / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${edge.top + inner.high / 2})` }, header.y_title));
    return { edge, inner, y };
  }

  bars(wide, high) {
    const { edge, inner, y } = this.frame(wide, high), { header } = this;
    const slot = inner.wide / header.x.length, lines = header.series.length, each = (slot * 0.78) / lines;
    header.x.forEach((name, point) => {
      for (let line = 0; line < lines; line++) {
        const value = this.value(line, point), from = Math.min(y(value), y(0));
        const bar = part("rect", { x: edge.left + slot * (point + 0.11) + each * line, y: from, width: Math.max(each - 1, 0.5), height: Math.abs(y(value) - y(0)), fill: PALETTE[line % PALETTE.length] });
        bar.append(part("title", {}, `${name}: ${value.toPrecision(3)}`));
        this.svg.append(bar);
      }
    });
    this.labels(edge, slot, high, (point) => edge.left + slot * (point + 0.5));
  }

  lines(wide, high) {
    const { edge, inner, y } = this.frame(wide, high), { header } = this;
    const numbers = header.x.every((value) => typeof value === "number");
    const first = numbers ? header.x[0] : 0, last = numbers ? header.x.at(-1) : header.x.length - 1;
    const x = (point) => edge.left + (inner.wide * ((numbers ? header.x[point] : point) - first)) / (last - first || 1);
    header.series.forEach((name, line) => {
      const path = header.x.map((_, point) => `${point ? "L" : "M"}${x(point).toFixed(1)} ${y(this.value(line, point)).toFixed(1)}`).join("");
      this.svg.append(part("path", { d: path, fill: "none", stroke: PALETTE[line % PALETTE.length], "stroke-width": 2.2, "stroke-dasharray": STROKES[line % STROKES.length] }));
    });
    if (numbers) for (const tick of nice(first, last)) this.svg.append(part("text", { x: edge.left + (inner.wide * (tick - first)) / (last - first || 1), y: high - 24, "text-anchor": "middle" }, short(tick)));
    else this.labels(edge, inner.wide / header.x.length, high, x);
  }

  // Words under the axis: level where they fit, slanted where they do not, and every so many when even that is too tight.
  labels(edge, slot, high, x) {
    const words = this.header.x.map((name) => (typeof name === "number" ? short(name) : visible(name)));
    const slanted = Math.max(...words.map((word) => word.length)) * 6.5 > slot, every = Math.max(Math.ceil(15 / slot), 1);
    words.forEach((word, point) => {
      if (point % every) return;
      const cut = slanted && word.length > 9 ? word.slice(0, 8) + "…" : word;
      const at = [x(point), high - (slanted ? 44 : 24)];
      this.svg.append(part("text", slanted ? { x: at[0], y: at[1], "text-anchor": "end", transform: `rotate(-38 ${at[0]} ${at[1]})` } : { x: at[0], y: at[1], "text-anchor": "middle" }, cut));
    });
  }

  arrows(wide, high) {
    const { header } = this, count = header.series.length;
    let across = 1;
    while (across < count && Math.min(wide / across, high / Math.ceil(count / across)) < Math.min(wide / (across + 1), high / Math.ceil(count / (across + 1)))) across++;
    const size = Math.min(wide / across, high / Math.ceil(count / across)), radius = size / 2 - 16;
    header.series.forEach((name, line) => {
      const cx = ((line % across) + 0.5) * (wide / across), cy = Math.floor(line / across) * size + size / 2 - 6;
      const tip = [cx + radius * this.value(line, 0), cy - radius * this.value(line, 1)], colour = PALETTE[line % PALETTE.length];
      this.svg.append(part("circle", { class: "axis", cx, cy, r: radius }), part("line", { class: "axis", x1: cx - radius, x2: cx + radius, y1: cy, y2: cy }));
      this.svg.append(part("line", { x1: cx, y1: cy, x2: tip[0], y2: tip[1], stroke: colour, "stroke-width": 3 }), part("circle", { cx: tip[0], cy: tip[1], r: 4.5, fill: colour }));
      this.svg.append(part("text", { x: cx, y: cy + radius + 16, "text-anchor": "middle" }, name));
    });
  }

  heat(wide, high) {
    const { header } = this, [, lines, points] = this.frames.shape, left = 60, cell = Math.min((wide - left - 4) / points, (high - 24) / lines);
    for (let line = 0; line < lines; line++) {
      this.svg.append(part("text", { x: left - 6, y: (line + 0.5) * cell + 4, "text-anchor": "end" }, cell > 9 && line % Math.ceil(14 / cell) === 0 ? visible(header.series[line]) : ""));
      for (let point = 0; point < points; point++) {
        const share = (this.value(line, point) - this.range[0]) / (this.range[1] - this.range[0]);
        const box = part("rect", { x: left + point * cell, y: line * cell, width: cell - (cell > 6 ? 1 : 0), height: cell - (cell > 6 ? 1 : 0), fill: `rgb(${cividis(share)})` });
        box.append(part("title", {}, `${header.series[line]} · ${header.x[point]}: ${this.value(line, point).toPrecision(3)}`));
        this.svg.append(box);
      }
    }
    const every = Math.max(Math.ceil(28 / cell), 1);
    header.x.forEach((name, point) => point % every || this.svg.append(part("text", { x: left + (point + 0.5) * cell, y: lines * cell + 14, "text-anchor": "middle" }, String(name))));
  }

  run() {
    if (this.at === this.header.stops.length - 1) this.show(0);
    this.timer = setInterval(() => (this.at + 1 < this.header.stops.length ? this.show(this.at + 1) : this.stop()), Math.max(3000 / this.header.stops.length, 60));
    this.play.textContent = "❚❚";
    this.play.setAttribute("aria-label", "Pause");
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "Play through all positions");
  }

  close() {
    this.stop();
  }

  picture() {
    const copy = this.svg.cloneNode(true), ink = css(this.root, "--st-text-color", "#000"), rule = css(this.root, "--st-border-color", "#999");
    const [, , width, height] = this.svg.getAttribute("viewBox").split(" ").map(Number);
    copy.setAttribute("width", width);
    copy.prepend(part("rect", { width, height, fill: css(this.root, "--st-background-color", "#fff") }));
    copy.prepend(part("style", {}, `text{fill:${ink};font:12px sans-serif}.axis{stroke:${rule};fill:none}`));
    return { svg: new XMLSerializer().serializeToString(copy), width, height };
  }
}

function part(tag, attributes, text) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function nice(low, high) {
  const span = high - low || 1, rough = span / 5, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * unit).find((size) => size >= rough);
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9 * span; at += step) ticks.push(Math.abs(at) < 1e-12 ? 0 : at);
  return ticks;
}

function short(number) {
  return Math.abs(number) >= 1e5 || (number !== 0 && Math.abs(number) < 1e-3) ? number.toExponential(0) : String(Number(number.toPrecision(4)));
}
