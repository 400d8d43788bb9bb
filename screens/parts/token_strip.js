export default function (component) {
  return present(component, (root) => new TokenStrip(root));
}

class TokenStrip {
  constructor(root) {
    this.root = root;
    this.box = root.querySelector(".picture");
    this.rows = element("div");
    this.readout = element("p", { class: "readout", role: "status" });
    this.box.replaceChildren(this.rows, this.readout);
    host(root).picture = () => this.picture();
  }

  update(header) {
    this.header = header;
    this.pinned = null;
    this.rows.replaceChildren(...header.rows.map((row) => this.row(row)));
    this.tell(null);
  }

  row(row) {
    const buttons = row.tokens.map((token, index) => this.token(row, token, index));
    if (buttons.length) buttons[0].tabIndex = 0;
    const list = element("div", { class: "tokens", role: "group", "aria-label": `${row.name}: ${row.tokens.length} tokens` }, ...buttons);
    list.onkeydown = (event) => this.walk(event, buttons);
    if (!buttons.length) list.append(element("span", { class: "quiet" }, "no tokens"));
    return element("div", { class: "row" }, row.name ? element("div", { class: "name" }, row.name) : null, list);
  }

  token(row, token, index) {
    const mark = row.marks[index];
    const button = element("button", { type: "button", class: "token", tabindex: "-1" }, element("span", {}, visible(token)), mark ? element("small", {}, mark) : null);
    if (row.values.length) this.shade(button, row.values[index]);
    if (row.groups.length) {
      button.classList.add("grouped");
      button.style.borderBottomColor = PALETTE[row.groups[index] % PALETTE.length];
      button.style.borderBottomStyle = ["solid", "dashed", "dotted", "double"][row.groups[index] % 4];
    }
    button.setAttribute("aria-label", this.words(row, index));
    button.setAttribute("aria-pressed", "false");
    button.onpointerenter = button.onfocus = () => this.tell(row, index);
    button.onpointerleave = () => this.pinned ? this.tell(...this.pinned) : this.tell(null);
    button.onclick = () => {
      const again = this.pinned && this.pinned[0] === row && this.pinned[1] === index;
      this.pinned = again ? null : [row, index];
      for (const other of this.rows.querySelectorAll("button")) other.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", String(!again));
      if (this.header.sets) this.send("picked", { row: this.header.rows.indexOf(row), index });
    };
    return button;
  }

  shade(button, value) {
    button.style.background = `color-mix(in srgb, ${PALETTE[0]} ${Math.round(72 * Math.min(Math.max(value, 0), 1))}%, transparent)`;
  }

  words(row, index) {
    const parts = [`${index}: “${visible(row.tokens[index])}”`];
    if (row.marks[index]) parts.push(row.marks[index]);
    if (row.values.length) parts.push(`${this.header.value} ${row.values[index].toFixed(3)}`);
    if (row.notes[index]) parts.push(row.notes[index]);
    return parts.join(", ");
  }

  tell(row, index) {
    this.readout.textContent = row ? this.words(row, index) : this.header.sets ? "Point at a token to read about it; click one to choose it." : "Point at a token to read about it; click one to keep it here.";
  }

  walk(event, buttons) {
    const at = buttons.indexOf(this.root.activeElement ?? document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[at].tabIndex = -1;
    buttons[to].tabIndex = 0;
    buttons[to].focus();
  }

  // Tokens wrap as on the screen: each is drawn where it stands.
  picture() {
    const around = this.rows.getBoundingClientRect(), ink = css(this.root, "--st-text-color", "#000");
    const escape = (text) => text.replace(/[<>&"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
    const parts = [...this.rows.querySelectorAll("button, .name")].map((node) => {
      const box = node.getBoundingClientRect(), look = getComputedStyle(node), x = box.left - around.left, y = box.top - around.top;
      if (node.className === "name") return `<text x="${x}" y="${y + 14}" font-weight="600" fill="${ink}">${escape(node.textContent)}</text>`;
      const fill = look.backgroundColor === "rgba(0, 0, 0, 0)" ? "none" : look.backgroundColor;
      const lines = [...node.children].map((child, line) => `<text x="${x + box.width / 2}" y="${y + 17 + 14 * line}" text-anchor="middle" font-size="${line ? 10 : 13}" fill="${look.color}">${escape(child.textContent)}</text>`);
      return `<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="5" fill="${fill}" stroke="${look.borderBottomColor}"/>${lines.join("")}`;
    });
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${around.width}" height="${around.height}" font-family="monospace" font-size="13"><rect width="100%" height="100%" fill="${css(this.root, "--st-background-color", "#fff")}"/>${parts.join("")}</svg>`;
    return { svg, width: around.width, height: around.height };
  }
}
