// The large head is one canvas with its labels on it; small heads are buttons; the tokens below show what the pinned one reads.
export default function (component) {
  return present(component, (root) => new AttentionView(root));
}

class AttentionView {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector(".picture");
    this.heads = element("div", { class: "heads", role: "group", "aria-label": "Heads: arrow keys move, Enter shows one large" });
    this.title = element("div", { class: "title" });
    this.canvas = element("canvas", { class: "matrix" });
    this.matrix = element("div", { class: "large", role: "group", tabindex: "0" }, this.canvas);
    this.readout = element("p", { class: "readout", role: "status" });
    this.strip = element("div", { class: "tokens", role: "group", "aria-label": "Tokens: choose one to see what it reads" });
    this.list = element("ol");
    const scale = element("div", { class: "scale", "aria-hidden": "true" }, "weight 0", element("i"), "1");
    scale.querySelector("i").style.background = `linear-gradient(90deg, ${CIVIDIS.map((c) => `rgb(${c})`).join(",")})`;
    this.words = element("details", {}, element("summary", {}, "This head as text"), this.list);
    this.words.ontoggle = () => this.write();
    this.stage = element("div", { class: "stage" }, this.heads, element("div", { style: "min-width:0" }, this.title, this.matrix, scale));
    this.box.replaceChildren(this.stage, this.readout, this.strip, this.words);
    host(root).picture = () => this.picture();
    this.canvas.onpointermove = (event) => this.point(this.under(event) ?? this.pinned);
    this.canvas.onpointerleave = () => this.point(this.pinned);
    this.canvas.onclick = (event) => this.pin(this.under(event));
    this.matrix.onkeydown = (event) => this.walk(event);
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  update(header, arrays) {
    const old = this.header;
    this.header = header;
    this.arrays = arrays;
    const [layers, heads, rows, columns] = header.shape;
    const same = old && String(old.shape) === String(header.shape) && String(old.tokens) === String(header.tokens);
    if (!same || header.pool > 1) this.head = header.head;
    if (old && String(old.head) !== String(header.head)) this.head = header.head;
    this.keys = header.columns.length ? header.columns : header.tokens;
    if (!same) this.pinned = this.cell = null;
    this.rows = rows;
    this.columns = columns;
    this.stage.classList.toggle("several", layers * heads > 1);
    this.drawHeads(layers, heads);
    this.drawStrip();
    this.draw();
    this.told = null;
    this.point(this.pinned);
  }

  weight(layer, head, row, column) {
    const { header, arrays } = this;
    if (header.causal && column > row) return 0;
    const [, heads, rows, columns] = header.shape;
    let value;
    const inside = header.causal ? (row * (row + 1)) / 2 + column : row * columns + column;
    if (header.pool > 1) value = arrays.large.values[inside];
    else value = arrays.weights.values[(layer * heads + head) * (header.causal ? (rows * (rows + 1)) / 2 : rows * columns) + inside];
    return (value / 255) ** 2;
  }

  drawHeads(layers, heads) {
    this.heads.style.display = layers * heads > 1 ? "" : "none";
    this.heads.style.gridTemplateColumns = `1.9rem repeat(${heads}, minmax(0, 1fr))`;
    this.heads.style.maxWidth = `${2 + heads * 4.2}rem`;
    const cells = [element("span")];
    for (let head = 0; head < heads; head++) cells.push(element("span", { class: "name top", "aria-hidden": "true" }, `H${head}`));
    for (let layer = 0; layer < layers; layer++) {
      cells.push(element("span", { class: "name", "aria-hidden": "true" }, `L${layer}`));
      for (let head = 0; head < heads; head++) cells.push(this.small(layer, head));
    }
    this.heads.replaceChildren(...cells);
  }

  small(layer, head) {
    const { header } = this;
    const at = `${layer}.${head}`, role = header.names[at], silent = header.silenced.includes(at);
    const canvas = element("canvas");
    this.paintSmall(canvas, layer, head);
    const label = `Layer ${layer}, head ${head}${role ? `, ${role}` : ""}${silent ? ", silenced" : ""}`;
    const button = element("button", { type: "button", "aria-label": label, title: label, class: `${role ? "role " : ""}${silent ? "silent" : ""}` }, canvas);
    button.dataset.at = at;
    button.setAttribute("aria-pressed", String(this.head[0] === layer && this.head[1] === head));
    button.tabIndex = this.head[0] === layer && this.head[1] === head ? 0 : -1;
    button.onclick = () => this.choose(layer, head);
    button.onkeydown = (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = this.heads.querySelector(`[data-at="${layer + step[0]}.${head + step[1]}"]`);
      if (next) { button.tabIndex = -1; next.tabIndex = 0; next.focus(); }
    };
    return button;
  }

  paintSmall(canvas, layer, head) {
    const { header, arrays } = this;
    const [, heads] = header.shape;
    const high = header.pool > 1 ? arrays.weights.shape[2] : this.rows, wide = header.pool > 1 ? arrays.weights.shape[3] : this.columns;
    canvas.width = wide;
    canvas.height = high;
    const context = canvas.getContext("2d"), image = context.createImageData(wide, high);
    for (let row = 0; row < high; row++) {
      for (let column = 0; column < wide; column++) {
        const value = header.pool > 1 ? (arrays.weights.values[((layer * heads + head) * high + row) * wide + column] / 255) ** 2 : this.weight(layer, head, row, column);
        image.data.set([...cividis(Math.sqrt(value)), 255], 4 * (row * wide + column));
      }
    }
    context.putImageData(image, 0, 0);
  }

  choose(layer, head) {
    this.head = [layer, head];
    for (const button of this.heads.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.at === `${layer}.${head}`));
    if (this.header.sets) this.send("chosen", [layer, head]); // other pictures follow
    else if (this.header.pool > 1) this.keep("head", [layer, head]); // only this head's full matrix is not here yet
    if (this.header.pool === 1) { this.draw(); this.point(this.pinned); this.write(); }
  }

  drawStrip() {
    const buttons = this.header.tokens.map((token, index) => {
      const button = element("button", { type: "button", class: "token", "aria-label": `${index}: ${token}` }, visible(token));
      button.onclick = () => this.pin(this.pinned && this.pinned[0] === index && this.pinned[1] === null ? null : [index, null]);
      button.onpointerenter = () => this.point([index, null]);
      button.onpointerleave = () => this.point(this.pinned);
      return button;
    });
    this.strip.replaceChildren(...buttons);
  }

  pin(cell) {
    this.pinned = cell;
    this.point(cell);
    if (cell && this.header.sets_token) this.send("pinned", cell[0]);
  }

  // What is pointed at: [query, key], [query, null] for a whole row, or nothing.
  point(cell) {
    if (cell && this.cell && String(cell) === String(this.cell) && this.head === this.told) return;
    this.told = this.head;
    this.cell = cell;
    this.draw();
    this.shade(cell);
    this.readout.textContent = this.reading(cell);
  }

  shade(cell) {
    const own = !this.header.columns.length;
    [...this.strip.children].forEach((button, index) => {
      const value = cell && own ? this.weight(...this.head, cell[0], index) : 0;
      const [r, g, b] = cividis(Math.sqrt(value));
      button.style.background = value > 0.004 ? `rgb(${r},${g},${b})` : "transparent";
      button.style.color = value > 0.004 ? (0.299 * r + 0.587 * g + 0.114 * b > 120 ? "#000" : "#fff") : "";
      button.setAttribute("aria-pressed", String(Boolean(cell) && cell[0] === index));
    });
  }

  reading(cell) {
    const [layer, head] = this.head, { header } = this;
    const name = header.names[`${layer}.${head}`];
    this.title.textContent = `Layer ${layer}, head ${head}${name ? `: ${name}` : ""}`;
    this.matrix.setAttribute("aria-label", `Attention of layer ${layer}, head ${head}. Arrow keys go from cell to cell, Enter pins, Escape lets go. ${header.says}`);
    if (!cell) return "Point at a cell or choose a token: rows are the tokens that read, columns those that are read.";
    const [row, column] = cell;
    const from = `“${visible(header.tokens[row])}” (${row})`;
    if (column === null) {
      const best = this.strongest(row, 3).map(([at, value]) => `“${visible(this.keys[at])}” (${at}) ${value.toFixed(2)}`);
      return `${from} reads most from ${best.join(", ")}.`;
    }
    if (header.causal && column > row) return `${from} cannot read “${visible(this.keys[column])}” (${column}): it comes later.`;
    return `${from} reads ${this.weight(layer, head, row, column).toFixed(2)} from “${visible(this.keys[column])}” (${column}).${this.product(row, column)}`;
  }

  // The numbers behind a cell, where the head's vectors are here: q·k entry by entry, scaled.
  product(row, column) {
    const at = `${this.head[0]}.${this.head[1]}`, q = this.arrays[`q${at}`], k = this.arrays[`k${at}`];
    if (!q || !k) return "";
    const size = q.shape[1];
    const terms = Array.from({ length: size }, (_, entry) => q.values[row * size + entry] * k.values[column * size + entry]);
    const sum = terms.reduce((all, term) => all + term, 0);
    const largest = terms.map((term, entry) => [entry, term]).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 3);
    const parts = largest.map(([entry, term]) => `entry ${entry}: ${term.toFixed(2)}`).join(", ");
    return ` q·k = ${sum.toFixed(2)} over ${size} entries (most from ${parts}); divided by √${size} = ${(sum / Math.sqrt(size)).toFixed(2)}, then the softmax of the row.`;
  }

  strongest(row, count) {
    return Array.from({ length: this.columns }, (_, at) => [at, this.weight(...this.head, row, at)])
      .sort((a, b) => b[1] - a[1]).slice(0, count).filter(([, value]) => value > 0.004);
  }

  write() {
    if (!this.words.open) return;
    const items = this.header.tokens.map((token, row) => {
      const best = this.strongest(row, 3).map(([at, value]) => `${visible(this.keys[at])} ${value.toFixed(2)}`).join(", ");
      return element("li", { value: row }, `${visible(token)} reads ${best || "nothing in particular"}`);
    });
    this.list.replaceChildren(...items);
  }

  walk(event) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Escape") return this.pin(null);
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); return this.pin(this.cell); }
    if (event.key === "Home" || event.key === "End") { event.preventDefault(); return this.point([this.cell?.[0] ?? 0, event.key === "Home" ? 0 : this.columns - 1]); }
    if (!step) return;
    event.preventDefault();
    const [row, column] = this.cell ? [this.cell[0], this.cell[1] ?? 0] : [-step[0], -step[1]];
    const within = (value, size) => Math.min(Math.max(value, 0), size - 1);
    this.point([within(row + step[0], this.rows), within(column + step[1], this.columns)]);
  }

  measure() {
    const room = Math.max(this.matrix.parentElement.clientWidth, 200);
    const names = Math.max(...this.header.tokens.map((token) => visible(token).length), 1);
    const tops = Math.max(...this.keys.map((token) => visible(token).length), 1);
    let left = Math.min(names * 7.2 + 10, 0.3 * room), top = Math.min(tops * 7.2 + 10, 120);
    let cell = Math.min((room - left - 2) / this.columns, (this.header.height - top) / this.rows, 34);
    if (cell < 10) { left = 2; top = 2; cell = Math.max(Math.min((room - 4) / this.columns, this.header.height / this.rows), 1); }
    return { left, top, cell };
  }

  draw() {
    if (!this.header || !this.box.clientWidth) return;
    // The matrix is painted once and kept; hovering only lays the frame over it. Otherwise 512 tokens would be 262,144 cells a move.
    const theme = css(this.root, "--st-background-color", ""), made = [this.header.stamp, this.head, this.box.clientWidth, theme].join();
    if (made !== this.made) {
      this.made = made;
      this.paint();
    }
    const pen = this.canvas.getContext("2d"), ratio = window.devicePixelRatio || 1, { left, top, cell } = this.place;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(this.kept, 0, 0);
    pen.scale(ratio, ratio);
    this.paintPointer(pen, left, top, cell);
  }

  paint() {
    const { left, top, cell } = (this.place = this.measure());
    const wide = Math.ceil(left + cell * this.columns + 1), high = Math.ceil(top + cell * this.rows + 1), ratio = window.devicePixelRatio || 1;
    this.canvas.width = wide * ratio;
    this.canvas.height = high * ratio;
    this.canvas.style.width = `${wide}px`;
    this.canvas.style.height = `${high}px`;
    this.kept = element("canvas");
    this.kept.width = this.canvas.width;
    this.kept.height = this.canvas.height;
    const pen = this.kept.getContext("2d");
    pen.scale(ratio, ratio);
    if (cell < 4) this.paintFine(pen, left, top, cell);
    else this.paintCells(pen, left, top, cell);
    if (top > 2) this.paintLabels(pen, left, top, cell);
  }

  // Many tokens: one pixel a cell, then stretched, so that no grid of rounding shows.
  paintFine(pen, left, top, cell) {
    const fine = element("canvas");
    fine.width = this.columns;
    fine.height = this.rows;
    const inside = fine.getContext("2d"), image = inside.createImageData(this.columns, this.rows);
    for (let row = 0; row < this.rows; row++)
      for (let column = 0; column < this.columns; column++)
        image.data.set([...cividis(Math.sqrt(this.weight(...this.head, row, column))), this.header.causal && column > row ? 0 : 255], 4 * (row * this.columns + column));
    inside.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(fine, left, top, cell * this.columns, cell * this.rows);
  }

  paintCells(pen, left, top, cell) {
    const gap = cell > 7 ? 1 : 0, empty = css(this.root, "--st-secondary-background-color", "#eee");
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        const later = this.header.causal && column > row;
        if (later && !gap) continue;
        pen.fillStyle = later ? empty : `rgb(${cividis(Math.sqrt(this.weight(...this.head, row, column)))})`;
        pen.fillRect(left + column * cell, top + row * cell, Math.max(cell - gap, 0.6), Math.max(cell - gap, 0.6));
      }
    }
  }

  paintLabels(pen, left, top, cell) {
    pen.font = `${Math.min(Math.max(cell * 0.62, 9), 13)}px ${css(this.root, "--st-code-font", "monospace")}`;
    pen.fillStyle = css(this.root, "--st-text-color", "#000");
    pen.textBaseline = "middle";
    this.header.tokens.forEach((token, row) => {
      pen.textAlign = "right";
      pen.fillText(visible(token), left - 5, top + (row + 0.5) * cell, left - 6);
    });
    this.keys.forEach((token, column) => {
      pen.save();
      pen.translate(left + (column + 0.5) * cell, top - 5);
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "left";
      pen.fillText(visible(token), 0, 0, top - 6);
      pen.restore();
    });
  }

  paintPointer(pen, left, top, cell) {
    if (!this.cell) return;
    const [row, column] = this.cell;
    pen.strokeStyle = "#d4620f";
    pen.lineWidth = 2;
    pen.strokeRect(left, top + row * cell, cell * this.columns, cell);
    if (column !== null) {
      pen.strokeRect(left + column * cell, top, cell, cell * this.rows);
      pen.lineWidth = 3;
      pen.strokeRect(left + column * cell, top + row * cell, cell, cell);
    }
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect(), { left, top, cell } = this.place;
    const column = Math.floor((event.clientX - box.left - left) / cell), row = Math.floor((event.clientY - box.top - top) / cell);
    if (row < 0 || row >= this.rows) return null;
    return column < 0 ? [row, null] : column < this.columns ? [row, column] : null;
  }

  picture() {
    const width = parseFloat(this.canvas.style.width), height = parseFloat(this.canvas.style.height);
    const ground = css(this.root, "--st-background-color", "#fff");
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="${ground}"/><image width="${width}" height="${height}" href="${this.canvas.toDataURL()}"/></svg>`;
    return { svg, width, height };
  }
}
