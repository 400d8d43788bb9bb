"""The same network in other hands: a decoder of ours as transformers' GPT-2, weight for weight, to compare the two.

GPT-2 keeps queries, keys and values in one matrix, writes every matrix the other way round (Conv1D: inputs by outputs), and has biases in the
attention, which are zero here. transformers is imported when a twin is asked for and not before: it takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from models.decoder import Block, Decoder, FeedForward

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel


def gpt2_twin(ours: Decoder, end: int) -> GPT2LMHeadModel:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = ours.config
    twin = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=config.vocabulary, n_positions=config.context, n_embd=config.width, n_layer=config.layers, n_head=config.heads,
            activation_function="gelu", bos_token_id=end, eos_token_id=end, pad_token_id=end,
        )
    ).eval()  # fmt: skip
    assert ours.position is not None  # GPT-2 has a table of positions, as ours must have
    with torch.no_grad():
        twin.transformer.wte.weight.copy_(ours.embedding.weight)
        twin.transformer.wpe.weight.copy_(ours.position.weight)
        for block, its in zip(ours.blocks, twin.transformer.h, strict=True):
            assert isinstance(block, Block)
            assert isinstance(block.feed_forward, FeedForward)
            its.ln_1.load_state_dict(block.norm_attention.state_dict())
            its.ln_2.load_state_dict(block.norm_feed_forward.state_dict())
            attention = block.attention
            its.attn.c_attn.weight.copy_(torch.cat([attention.query.weight, attention.key.weight, attention.value.weight]).T)  # (C, 3C)
            its.attn.c_attn.bias.zero_()
            its.attn.c_proj.weight.copy_(attention.out.weight.T)
            its.attn.c_proj.bias.zero_()
            for name, layer in (("c_fc", block.feed_forward.up), ("c_proj", block.feed_forward.down)):
                conv = getattr(its.mlp, name)
                conv.weight.copy_(layer.weight.T)
                conv.bias.copy_(layer.bias)
        twin.transformer.ln_f.load_state_dict(ours.norm.state_dict())
    return twin
