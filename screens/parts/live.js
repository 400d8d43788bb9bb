// What a moved control paints before Streamlit knows of it. The control asks the server for the pictures at its new place
// (live_answers.py) and hands them to the pictures on the page; Streamlit hears of it once the hand rests, draws the same
// state and finds nothing left to do. One desk for the whole page, since every component is a module of its own.
const live = (window.attendLive ??= {
  desks: new Map(), // where a lab's pictures stand (the start of their keys) -> its desk

  at(place) {
    if (!this.desks.has(place)) this.desks.set(place, { wishes: new Map(), shows: new Map(), held: new Map(), head: null, flight: null, again: false, ahead: false, timer: 0 });
    return this.desks.get(place);
  },

  // A picture or the sentence says how it is drawn from the bytes of an answer.
  join(place, name, show) {
    this.at(place).shows.set(name, show);
  },

  leave(place, name) {
    const desk = this.at(place);
    desk.shows.delete(name);
    desk.held.delete(name);
  },

  // What Streamlit sends while the page is ahead of it is older than what is painted: it waits until both agree.
  offer(place, name, draw) {
    const desk = place && this.desks.get(place);
    if (desk?.ahead) desk.held.set(name, draw);
    else draw();
  },

  // A control's wish. Newest wins: one request on its way, the latest wish asked for when its answer is painted.
  wish(place, address, name, value, failed) {
    const desk = this.at(place);
    clearTimeout(desk.timer);
    desk.wishes.set(name, value);
    desk.ahead = true;
    desk.address = address;
    desk.failed = failed;
    if (desk.flight) desk.again = true;
    else this.fetch(place, desk);
  },

  async fetch(place, desk) {
    const url = new URL(desk.address, document.baseURI);
    for (const [name, value] of desk.wishes) url.searchParams.set(name, value);
    desk.again = false;
    desk.flight = url.href;
    try {
      const answer = await fetch(url, { headers: { "X-Attend": "live" } });
      if (answer.status !== 200) throw new Error(`${answer.status}`);
      this.paint(desk, new Uint8Array(await answer.arrayBuffer()));
    } catch {
      desk.failed?.(); // Streamlit draws it, or says what is wrong
    }
    desk.flight = null;
    if (desk.again) this.fetch(place, desk);
  },

  paint(desk, bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    if (String(header.pictures) !== String(desk.head)) return desk.failed?.(); // other pictures than those on the page
    desk.shows.get("says")?.(header.says);
    for (const [name, [, shape, offset]] of Object.entries(header.arrays)) {
      const from = 4 + length + offset;
      desk.shows.get(name)?.(bytes.subarray(from, from + shape[0]), header.says);
    }
  },

  // Streamlit has drawn what this control wished. The pictures of that run are still on their way.
  settle(place, name) {
    const desk = this.at(place);
    desk.wishes.delete(name);
    if (desk.wishes.size || !desk.ahead) return;
    clearTimeout(desk.timer);
    desk.timer = setTimeout(() => {
      desk.ahead = false;
      for (const draw of desk.held.values()) draw();
      desk.held.clear();
    }, 400);
  },
});

// The desk and the name of a picture, from the key of the box it stands in: "bench-top-p-lab-picture-2-shot".
function standing(parentElement) {
  const shot = (parentElement.host ?? parentElement).closest('[class*="-shot"]');
  const found = shot?.className.match(/st-key-(\S+)-picture-(\d+)-shot/);
  return found ? { place: found[1], name: found[2] } : { place: "", name: "" };
}
