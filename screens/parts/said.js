export default function (component) {
  const { data, parentElement } = component;
  const line = parentElement.querySelector(".said");
  const show = (sentence) => {
    if (line.textContent !== sentence) line.textContent = sentence;
  };
  live.at(data.place).head = data.pictures;
  live.join(data.place, "says", show);
  live.offer(data.place, "says", () => show(data.says));
  return () => live.leave(data.place, "says");
}
