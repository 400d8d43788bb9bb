export default function (component) {
  return present(component, (root) => new TreeView(root));
}

const WIDE = 108, HIGH = 40, ACROSS = 142, DOWN = 48;
const LINES = { kept: ["#1f77c9", 2, ""], chosen: ["#0f9d77", 3.5, ""], dropped: ["#7a7f87", 1.2, "4 4"], open: ["#7a7f87", 1.2, ""] };

class TreeView {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector(".picture");
    this.paper = element("div", { class: "paper" });
    this.stage = element("div", { class: "stage", role: "group" }, this.paper);
    this.readout = element("p", { class: "readout", role: "status" });
    this.legend = element("ul", { class: "legend" });
    this.box.replaceChildren(this.stage, this.legend, this.readout);
    this.stage.onkeydown = (event) => this.walk(event);
    host(root).picture = () => this.picture();
  }

  update(header) {
    this.header = header;
    this.pinned = -1;
    this.nodes = header.nodes.map(([text, parent, value, state, note, column, line], index) => ({ text, parent, value, state, note, column, line, index }));
    this.size = [Math.max(...this.nodes.map((node) => node.column)) * ACROSS + WIDE + 4, Math.max(...this.nodes.map((node) => node.line)) * DOWN + HIGH + 4];
    this.paper.style.width = `${this.size[0]}px`;
    this.paper.style.height = `${this.size[1]}px`;
    this.stage.style.maxHeight = `${header.height}px`;
    this.stage.setAttribute("aria-label", `${header.says} Arrow keys walk the tree.`);
    this.paper.innerHTML = `<svg width="${this.size[0]}" height="${this.size[1]}" aria-hidden="true">${this.branches()}</svg>`;
    this.buttons = this.nodes.map((node) => this.button(node));
    this.paper.append(...this.buttons);
    if (this.buttons[0]) this.buttons[0].tabIndex = 0;
    this.legend.replaceChildren(...Object.entries(header.states).map(([state, words]) => {
      const mark = element("i");
      mark.style.border = `${LINES[state][1]}px ${state === "dropped" ? "dashed" : "solid"} ${LINES[state][0]}`;
      return element("li", {}, mark, words);
    }));
    this.tell(-1);
    const roots = this.nodes.filter((node) => node.parent < 0);
    // A tall tree opens at its root, not at its topmost leaf.
    if (roots.length === 1) requestAnimationFrame(() => { this.stage.scrollTop = roots[0].line * DOWN + HIGH / 2 - this.stage.clientHeight / 2; });
  }

  branches() {
    return this.nodes.filter((node) => node.parent >= 0).map((node) => {
      const from = this.nodes[node.parent], [colour, width, dash] = LINES[node.state];
      const x1 = from.column * ACROSS + WIDE, y1 = from.line * DOWN + HIGH / 2 + 2, x2 = node.column * ACROSS, y2 = node.line * DOWN + HIGH / 2 + 2, middle = (x1 + x2) / 2;
      return `<path d="M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-dasharray="${dash}"/>`;
    }).join("");
  }

  button(node) {
    const button = element("button", { type: "button", class: `node ${node.state}`, tabindex: "-1", "aria-pressed": "false", "aria-label": this.words(node) },
      element("b", {}, visible(node.text)), node.value ? element("small", {}, node.value) : null);
    Object.assign(button.style, { left: `${node.column * ACROSS}px`, top: `${node.line * DOWN + 2}px`, width: `${WIDE}px`, height: `${HIGH}px` });
    button.onpointerenter = button.onfocus = () => this.tell(node.index);
    button.onpointerleave = () => this.tell(this.pinned);
    button.onclick = () => {
      this.pinned = this.pinned === node.index ? -1 : node.index;
      this.buttons.forEach((other, index) => other.setAttribute("aria-pressed", String(index === this.pinned)));
      this.tell(this.pinned);
      if (this.header.sets) this.send("picked", { index: node.index });
    };
    return button;
  }

  words(node) {
    const path = [];
    for (let at = node; at; at = this.nodes[at.parent]) path.unshift(visible(at.text));
    const state = this.header.states[node.state];
    return [path.join(" "), node.value, state, node.note].filter(Boolean).join(", ");
  }

  tell(index) {
    this.readout.textContent = index >= 0 ? this.words(this.nodes[index]) : "Point at a token to read its path and its score.";
  }

  walk(event) {
    const at = this.buttons.indexOf(this.root.activeElement ?? document.activeElement), node = this.nodes[at];
    if (!node) return;
    const inColumn = this.nodes.filter((other) => other.column === node.column).sort((a, b) => a.line - b.line), place = inColumn.indexOf(node);
    const to = { ArrowLeft: () => this.nodes[node.parent], ArrowRight: () => this.nodes.find((other) => other.parent === at), ArrowUp: () => inColumn[place - 1], ArrowDown: () => inColumn[place + 1] }[event.key];
    const next = to?.();
    if (to) event.preventDefault();
    if (!next) return;
    this.buttons[at].tabIndex = -1;
    this.buttons[next.index].tabIndex = 0;
    this.buttons[next.index].focus();
  }

  picture() {
    const [width, height] = this.size, ink = css(this.root, "--st-text-color", "#000"), ground = css(this.root, "--st-background-color", "#fff");
    const escape = (text) => text.replace(/[<>&"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
    const boxes = this.nodes.map((node) => {
      const x = node.column * ACROSS, y = node.line * DOWN + 2, [colour, wide, dash] = LINES[node.state];
      return `<rect x="${x + 1}" y="${y}" width="${WIDE - 2}" height="${HIGH}" rx="6" fill="${ground}" stroke="${colour}" stroke-width="${wide}" stroke-dasharray="${dash}"/>` +
        `<text x="${x + 8}" y="${y + 17}" fill="${ink}">${escape(visible(node.text))}</text><text x="${x + 8}" y="${y + 32}" font-size="10" fill="${ink}">${escape(node.value)}</text>`;
    });
    return { svg: `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="13"><rect width="100%" height="100%" fill="${ground}"/>${this.branches()}${boxes.join("")}</svg>`, width, height };
  }
}
