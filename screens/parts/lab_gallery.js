const chosen = new WeakMap(); // what each mounted gallery is filtered by

export default function ({ data, parentElement, setTriggerValue }) {
  const state = chosen.get(parentElement) ?? { track: "", words: "" };
  chosen.set(parentElement, state);
  const search = parentElement.querySelector("input");
  const tracks = parentElement.querySelector(".tracks");
  const cards = parentElement.querySelector(".cards");
  const count = parentElement.querySelector(".count");

  const draw = () => {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = data.labs.filter((lab) => {
      const text = `${lab.title} ${lab.about} ${lab.slug} ${data.tracks[lab.track]}`.toLowerCase();
      return (!state.track || lab.track === state.track) && words.every((word) => text.includes(word));
    });
    count.textContent = shown.length === 1 ? "1 lab" : `${shown.length} labs`;
    cards.replaceChildren(...shown.map(card));
    for (const button of tracks.children) button.setAttribute("aria-pressed", String(button.dataset.track === state.track));
  };

  const card = (lab) => {
    const link = make("a", "");
    link.href = `?lab=${encodeURIComponent(lab.slug)}`;
    link.onclick = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      setTriggerValue("opened", lab.slug);
    };
    const drawing = make("div", "drawing");
    drawing.setAttribute("aria-hidden", "true");
    drawing.innerHTML = lab.drawing || plainDrawing(lab.slug); // written in our own lab files
    const words = make("div", "words");
    const title = make("strong", "", lab.title);
    const foot = make("div", "foot");
    foot.append(make("span", "", data.tracks[lab.track]), lab.tried ? make("span", "done", `✓ ${lab.tried} predicted`) : "");
    words.append(title, make("span", "", lab.about), foot);
    link.append(drawing, words);
    const item = make("li", "");
    item.append(link);
    return item;
  };

  if (tracks.children.length !== Object.keys(data.tracks).length + 1) {
    tracks.replaceChildren(...[["", "All"], ...Object.entries(data.tracks)].map(([slug, name]) => {
      const button = make("button", "", name);
      button.type = "button";
      button.dataset.track = slug;
      return button;
    }));
  }
  for (const button of tracks.children) {
    button.onclick = () => {
      state.track = button.dataset.track;
      draw();
    };
  }
  search.value = state.words;
  search.oninput = () => {
    state.words = search.value;
    draw();
  };
  draw();
}

function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text) node.textContent = text;
  return node;
}

// A lab without a drawing of its own: bars whose heights its name decides.
function plainDrawing(slug) {
  let number = 7;
  const bars = Array.from({ length: 9 }, (_, at) => {
    number = (number * 31 + slug.charCodeAt(at % slug.length)) % 997;
    const height = 14 + (number % 56);
    return `<rect x="${16 + at * 15}" y="${78 - height}" width="9" height="${height}" rx="2" fill="currentColor" opacity="${0.35 + (number % 5) / 10}"/>`;
  });
  return `<svg viewBox="0 0 160 90">${bars.join("")}</svg>`;
}
