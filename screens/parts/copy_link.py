"""A button that copies the address of exactly this view. The browser knows its own host; only the parameters come from here."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from screens.parts.take_picture import HERE

JS = """
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  const said = parentElement.querySelector("[role=status]");
  button.onclick = async () => {
    const address = new URL(location.href);
    address.search = new URLSearchParams(data).toString();
    try {
      await navigator.clipboard.writeText(address.href);
      said.textContent = "Copied";
    } catch {
      said.textContent = address.href;  // no clipboard without https: show it instead
    }
    setTimeout(() => { said.textContent = ""; }, 4000);
  };
}
"""

_component = st.components.v2.component(
    "copy_link",
    html='<div class="row">\n<button type="button">Copy link</button><span role="status"></span>\n</div>',
    css=(HERE / "take_picture.css").read_text(encoding="utf-8")
    + "\nspan { align-self: center; font: 400 .875rem var(--st-font); color: var(--st-text-color); }",
    js=JS,
)


def copy_link(parameters: Mapping[str, str], *, key: str) -> None:
    _component(key=key, data=dict(parameters), width="content")
