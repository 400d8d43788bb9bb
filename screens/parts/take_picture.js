// Saves the picture of a container. Plotly draws in several SVG layers of one size: laid on one another they are the picture.
export default function (component) {
  const { data, parentElement } = component;
  for (const button of parentElement.querySelectorAll("button")) {
    button.onclick = async () => {
      const box = document.querySelector(`.st-key-${CSS.escape(data.of)}`);
      const drawn = box && (fromComponent(box) ?? fromPlotly(box));
      if (!drawn) return;
      const svg = new Blob([drawn.svg], { type: "image/svg+xml" });
      save(button.dataset.kind === "svg" ? svg : await paint(drawn), `${data.name}.${button.dataset.kind}`);
    };
  }
}

function fromComponent(box) {
  for (const node of box.querySelectorAll("*")) if (node.picture) return node.picture();
  return null;
}

function fromPlotly(box) {
  const layers = [...box.querySelectorAll(".js-plotly-plot svg.main-svg")];
  if (!layers.length) return null;
  const { width, height } = layers[0].getBoundingClientRect();
  const ground = getComputedStyle(document.querySelector(".stApp") ?? document.body).backgroundColor;
  const inside = layers.map((layer) => new XMLSerializer().serializeToString(layer)).join("");
  const font = getComputedStyle(layers[0]).fontFamily.replace(/"/g, "'");
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="${font}">` +
    `<rect width="100%" height="100%" fill="${ground}"/>${inside}</svg>`;
  return { svg, width, height };
}

async function paint({ svg, width, height }) {
  const image = new Image();
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * width;
  canvas.height = 2 * height;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
