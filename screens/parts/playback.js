export default function (component) {
  return present(component, (root) => new PlaybackPicture(root));
}

const HATCH = ["", "repeating-linear-gradient(45deg, #0000 0 5px, #0002 5px 7px)", "repeating-linear-gradient(-45deg, #0000 0 5px, #0002 5px 7px)"];

class PlaybackPicture {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector(".picture");
    const tool = (sign, words, act) => {
      const button = element("button", { class: "tool", type: "button", "aria-label": words, title: words }, sign);
      button.onclick = act;
      return button;
    };
    this.first = tool("|◀", "First step", () => this.go(0));
    this.back = tool("◀", "Step back", () => this.go(this.at - 1));
    this.play = tool("▶", "Play", () => (this.timer ? this.stop() : this.run()));
    this.ahead = tool("▶|", "Step on", () => this.go(this.at + 1));
    this.count = element("span", { class: "count" });
    this.scrub = element("input", { class: "sweep", type: "range", min: "0", step: "1", "aria-label": "Step" });
    this.scrub.oninput = () => this.go(Number(this.scrub.value));
    this.readout = element("p", { class: "readout", role: "status" });
    this.stage = element("div", { class: "stage", tabindex: "0", role: "region" });
    this.stage.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) { event.preventDefault(); this.go(this.at + step); }
    };
    this.legend = element("ul", { class: "legend" });
    const tools = element("div", { class: "tools" }, this.first, this.back, this.play, this.ahead, this.count);
    this.box.replaceChildren(tools, this.scrub, this.readout, this.stage, this.legend);
    host(root).picture = () => this.picture();
  }

  update(header, arrays) {
    const kept = this.header && this.header.sentences.length === header.sentences.length ? this.at : header.start;
    this.header = header;
    this.arrays = arrays;
    this.scrub.max = header.sentences.length - 1;
    this.stage.style.maxHeight = `${header.height}px`;
    this.stage.setAttribute("aria-label", `Steps. ${header.says} Left and right arrows step.`);
    this.legend.replaceChildren(...Object.entries(header.tones).map(([tone, name]) => {
      const mark = element("i");
      mark.style.background = this.ground(1, Number(tone));
      return element("li", {}, mark, name);
    }));
    this.go(Math.min(kept, header.sentences.length - 1), true);
  }

  ground(level, tone) {
    if (!tone) return level ? `rgb(${cividis(level)})` : "transparent";
    const base = `color-mix(in srgb, ${PALETTE[(tone - 1) % PALETTE.length]} ${Math.round(22 + 58 * level)}%, transparent)`;
    const hatch = HATCH[(tone - 1) % HATCH.length];
    return hatch ? `${hatch}, ${base}` : base;
  }

  go(at, quiet = false) {
    const last = this.header.sentences.length - 1;
    if (!quiet && this.timer && at > last) return this.stop();
    this.at = Math.min(Math.max(at, 0), last);
    this.scrub.value = this.at;
    this.scrub.style.setProperty("--filled", `${(100 * this.at) / Math.max(last, 1)}%`);
    this.scrub.setAttribute("aria-valuetext", `step ${this.at} of ${last}`);
    this.count.textContent = `step ${this.at} of ${last}`;
    this.back.disabled = this.first.disabled = this.at === 0;
    this.ahead.disabled = this.at === last;
    this.readout.textContent = this.header.sentences[this.at];
    this.stage.replaceChildren(this.grid());
  }

  grid() {
    const { texts, looks } = this.arrays, [, rows, columns] = texts.shape, { header } = this;
    const table = element("table", { role: "presentation" });
    if (header.columns.length) table.append(element("thead", {}, element("tr", {}, header.rows.length ? element("td", { class: "hole" }) : null, ...header.columns.map((name) => element("th", {}, name)))));
    for (let row = 0; row < rows; row++) {
      const line = element("tr", {}, header.rows.length ? element("th", { scope: "row" }, header.rows[row] ?? "") : null);
      for (let column = 0; column < columns; column++) {
        const place = (this.at * rows + row) * columns + column, word = texts.values[place];
        const cell = element("td", { class: word < 0 ? "hole" : looks.values[3 * place + 2] ? "mark" : "" }, word < 0 ? "" : header.words[word]);
        const level = looks.values[3 * place] / 255, tone = looks.values[3 * place + 1];
        if (word >= 0) {
          cell.style.background = this.ground(level, tone);
          if (!tone && level) cell.style.color = level > 0.55 ? "#000" : "#fff";
        }
        line.append(cell);
      }
      table.append(line);
    }
    return table;
  }

  run() {
    if (this.at === this.header.sentences.length - 1) this.go(0);
    this.timer = setInterval(() => this.go(this.at + 1), 700);
    this.play.textContent = "❚❚";
    this.play.setAttribute("aria-label", "Pause");
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "Play");
  }

  close() {
    this.stop();
  }

  picture() {
    const around = this.stage.querySelector("table").getBoundingClientRect(), ink = css(this.root, "--st-text-color", "#000");
    const escape = (text) => text.replace(/[<>&"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
    const parts = [...this.stage.querySelectorAll("td, th")].map((node) => {
      const box = node.getBoundingClientRect(), look = getComputedStyle(node), x = box.left - around.left, y = box.top - around.top;
      const frame = node.tagName === "TD" && !node.classList.contains("hole");
      const rect = frame ? `<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="4" fill="${look.backgroundColor}" stroke="${look.borderTopColor}"/>` : "";
      return `${rect}<text x="${x + box.width / 2}" y="${y + box.height / 2 + 4}" text-anchor="middle" fill="${frame ? look.color : ink}">${escape(node.textContent)}</text>`;
    });
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${around.width}" height="${around.height}" font-family="monospace" font-size="13"><rect width="100%" height="100%" fill="${css(this.root, "--st-background-color", "#fff")}"/>${parts.join("")}</svg>`;
    return { svg, width: around.width, height: around.height };
  }
}
