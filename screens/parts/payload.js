// Shared by all pictures that live in the browser: reading a payload (payload.py), one state per mounted component, colours.
const mounted = new WeakMap();

function unpack(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const kinds = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, float16: Uint16Array, int32: Int32Array, float32: Float32Array };
  const arrays = {};
  for (const [name, [dtype, shape, offset]] of Object.entries(header.arrays)) {
    const Kind = kinds[dtype];
    const count = shape.reduce((all, size) => all * size, 1);
    const from = 4 + length + offset;
    // a copy, because the view's own offset need not be aligned
    let values = new Kind(bytes.slice(from, from + count * Kind.BYTES_PER_ELEMENT).buffer);
    if (dtype === "float16") values = Float32Array.from(values, half);
    arrays[name] = { shape, values };
  }
  return { header, arrays };
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// One long-lived view per mounted component; `update` runs again only when the data or the theme really changed.
function present(component, create) {
  const { data, parentElement } = component;
  let view = mounted.get(parentElement);
  if (!view) {
    view = create(parentElement);
    mounted.set(parentElement, view);
  }
  view.send = (name, value) => component.setTriggerValue(name, value);
  view.keep = (name, value) => component.setStateValue(name, value);
  const show = (bytes) => {
    const read = unpack(bytes);
    const theme = getComputedStyle(host(parentElement)).getPropertyValue("--st-background-color");
    if (view.stamp === read.header.stamp && view.theme === theme) return;
    view.stamp = read.header.stamp;
    view.theme = theme;
    host(parentElement).style.colorScheme = isDark(parentElement) ? "dark" : "light"; // native sliders and scrollbars follow
    view.update(read.header, read.arrays);
  };
  const { place, name } = standing(parentElement);
  if (place) live.join(place, name, show);
  live.offer(place, name, () => show(data));
  return () => {
    if (place) live.leave(place, name);
    view.close?.();
    mounted.delete(parentElement);
  };
}

function host(parentElement) {
  return parentElement.host ?? parentElement;
}

function css(parentElement, name, fallback) {
  const value = getComputedStyle(host(parentElement)).getPropertyValue(name).trim();
  return value && value !== "unset" ? value : fallback;
}

function isDark(parentElement) {
  const colour = css(parentElement, "--st-background-color", "#ffffff");
  const [r, g, b] = rgb(colour);
  return 0.299 * r + 0.587 * g + 0.114 * b < 128;
}

function rgb(colour) {
  const hex = colour.match(/^#([0-9a-f]{6})/i);
  if (hex) return [0, 2, 4].map((at) => parseInt(hex[1].slice(at, at + 2), 16));
  const parts = colour.match(/[\d.]+/g);
  return parts ? parts.slice(0, 3).map(Number) : [255, 255, 255];
}

// Cividis, in nine steps: rises in lightness from end to end and looks the same to the colour-blind.
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"].map((c) => rgb(c));
const PALETTE = ["#1f77c9", "#d4620f", "#0f9d77", "#b565a7", "#a87b00", "#7a7f87", "#c4456b", "#3f9fb5"];

function cividis(share) {
  const at = Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1);
  const low = Math.floor(at), high = Math.min(low + 1, CIVIDIS.length - 1), part = at - low;
  return CIVIDIS[low].map((value, channel) => Math.round(value + (CIVIDIS[high][channel] - value) * part));
}

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node[name] = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Spaces and line breaks made visible, so that a token can be read and never breaks the row it stands in.
function visible(token) {
  return token.replace(/ /g, "␣").replace(/\n/g, "⏎").replace(/\t/g, "⇥") || "∅";
}
