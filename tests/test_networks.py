"""Our networks against implementations that we did not write, given the same weights."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM, MixtralConfig
from transformers.models.llama.modeling_llama import LlamaConfig, LlamaRotaryEmbedding, apply_rotary_pos_emb
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock, load_balancing_loss_func

from models.attention import MultiHeadAttention, causal_mask, merge_heads, padding_mask, scaled_dot_product, split_heads
from models.contrastive import ContrastiveConfig, VisionTransformer, info_nce
from models.decoder import Decoder, DecoderConfig, Trace, without
from models.encoder import EncoderBlock
from models.encoder_decoder import CrossBlock, EncoderDecoder, EncoderDecoderConfig
from models.mixture import MixtureOfExperts, load_balance_loss
from models.rotary import rotate

torch.set_num_threads(1)


def shaken(model: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter random, gains and biases too, so that a forgotten one shows."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def largest_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return float((a - b).detach().abs().max())


# Attention


def qkv(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, 3, length, 8, generator=generator) for length in (7, 9, 9))  # type: ignore[return-value]


MASKS = {
    "none": None,
    "causal with a past": causal_mask(7, 9),
    "padding": padding_mask(torch.tensor([[True] * 9, [True] * 4 + [False] * 5])),
    "added bias": torch.linspace(-2, 1, 63).view(7, 9),
}


@pytest.mark.parametrize("name", MASKS)
def test_attention_agrees_with_torch(name: str) -> None:
    q, k, v = qkv()
    output, weights = scaled_dot_product(q, k, v, MASKS[name])
    assert largest_difference(output, F.scaled_dot_product_attention(q, k, v, attn_mask=MASKS[name])) < 1e-6
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 3, 7), atol=1e-6)


def test_a_query_that_may_look_nowhere_says_nothing() -> None:
    q, k, v = qkv()
    mask = torch.ones(7, 9, dtype=torch.bool)
    mask[2] = False
    output, weights = scaled_dot_product(q, k, v, mask)
    assert largest_difference(output, F.scaled_dot_product_attention(q, k, v, attn_mask=mask)) < 1e-6
    assert (weights[:, :, 2] == 0).all()


def test_multi_head_attention_and_each_heads_weights_agree_with_torch() -> None:
    ours = shaken(MultiHeadAttention(24, 4, bias=True))
    theirs = nn.MultiheadAttention(24, 4, batch_first=True)
    give_attention(theirs, ours)
    x, memory = torch.randn(2, 5, 24), torch.randn(2, 6, 24)
    output, heads = ours(x, memory)
    expected, weights = theirs(x, memory, memory, average_attn_weights=False)
    assert largest_difference(output, expected) < 1e-6
    assert largest_difference(heads.weights, weights) < 1e-6


def give_attention(theirs: nn.MultiheadAttention, ours: MultiHeadAttention) -> None:
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([bias_of(part) for part in parts]))
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(bias_of(ours.out))


def bias_of(linear: nn.Linear) -> torch.Tensor:
    return torch.zeros(linear.out_features) if linear.bias is None else linear.bias


def test_heads_that_are_split_and_merged_are_unchanged_and_a_bad_number_is_named() -> None:
    x = torch.randn(2, 5, 24)
    assert torch.equal(merge_heads(split_heads(x, 6)), x)
    with pytest.raises(ValueError, match=r"width of 24 .* 5 heads"):
        split_heads(x, 5)


def test_rotation_agrees_with_llama() -> None:
    q, k = torch.randn(1, 2, 10, 16), torch.randn(1, 2, 10, 16)
    config = LlamaConfig(hidden_size=32, num_attention_heads=2, rope_parameters={"rope_type": "default", "rope_theta": 500.0})
    cos, sin = LlamaRotaryEmbedding(config)(q, torch.arange(10)[None])
    expected_q, expected_k = apply_rotary_pos_emb(q, k, cos, sin)
    assert largest_difference(rotate(q, torch.arange(10), 500.0), expected_q) < 1e-6
    assert largest_difference(rotate(k, torch.arange(10), 500.0), expected_k) < 1e-6


# Decoders

SMALL = {"vocabulary": 50, "context": 32, "layers": 2, "heads": 4, "width": 32}
TOKENS = torch.randint(50, (2, 20), generator=torch.Generator().manual_seed(1))


def gpt2_like(ours: Decoder) -> GPT2LMHeadModel:
    theirs = GPT2LMHeadModel(
        GPT2Config(vocab_size=50, n_positions=32, n_embd=32, n_layer=2, n_head=4, activation_function="gelu", attn_implementation="eager")
    ).eval()
    with torch.no_grad():
        theirs.transformer.wte.weight.copy_(ours.embedding.weight)
        theirs.transformer.wpe.weight.copy_(ours.position.weight)
        theirs.transformer.ln_f.load_state_dict(ours.norm.state_dict())
        for block, reference in zip(ours.blocks, theirs.transformer.h, strict=True):
            reference.ln_1.load_state_dict(block.norm_attention.state_dict())
            reference.ln_2.load_state_dict(block.norm_feed_forward.state_dict())
            attention = block.attention
            reference.attn.c_attn.weight.copy_(torch.cat([attention.query.weight, attention.key.weight, attention.value.weight]).T)
            reference.attn.c_attn.bias.zero_()
            reference.attn.c_proj.weight.copy_(attention.out.weight.T)
            reference.attn.c_proj.bias.zero_()
            for mine, part in ((block.feed_forward.up, reference.mlp.c_fc), (block.feed_forward.down, reference.mlp.c_proj)):
                part.weight.copy_(mine.weight.T)
                part.bias.copy_(mine.bias)
    return theirs


def test_the_decoder_with_learned_positions_agrees_with_gpt2_in_logits_attention_and_residual_stream() -> None:
    ours = shaken(Decoder(DecoderConfig(**SMALL)))
    theirs = gpt2_like(ours)
    with torch.no_grad():
        logits, trace = ours.look(TOKENS)
        expected = theirs(TOKENS, output_attentions=True, output_hidden_states=True)
    assert largest_difference(logits, expected.logits) < 1e-5
    assert largest_difference(trace.attention, torch.stack(expected.attentions)) < 1e-6
    assert largest_difference(torch.stack(trace.residual[:-1]), torch.stack(expected.hidden_states[:-1])) < 1e-5


def test_the_rotary_decoder_agrees_with_gpt_neox() -> None:
    ours = shaken(Decoder(DecoderConfig(**SMALL, positions="rotary")))
    config = GPTNeoXConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, hidden_act="gelu", attention_bias=False,
        use_parallel_residual=False, rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 1.0},
        max_position_embeddings=32, attn_implementation="eager",
    )  # fmt: skip
    theirs = GPTNeoXForCausalLM(config).eval()
    with torch.no_grad():
        theirs.gpt_neox.embed_in.weight.copy_(ours.embedding.weight)
        theirs.lm_head.weight.copy_(ours.embedding.weight)
        theirs.gpt_neox.final_layer_norm.load_state_dict(ours.norm.state_dict())
        for block, reference in zip(ours.blocks, theirs.gpt_neox.layers, strict=True):
            reference.input_layernorm.load_state_dict(block.norm_attention.state_dict())
            reference.post_attention_layernorm.load_state_dict(block.norm_feed_forward.state_dict())
            by_head = [part.weight.view(4, 8, 32) for part in (block.attention.query, block.attention.key, block.attention.value)]
            reference.attention.query_key_value.weight.copy_(torch.cat(by_head, dim=1).reshape(96, 32))  # NeoX keeps q, k, v head by head
            reference.attention.dense.weight.copy_(block.attention.out.weight)
            reference.mlp.dense_h_to_4h.load_state_dict(block.feed_forward.up.state_dict())
            reference.mlp.dense_4h_to_h.load_state_dict(block.feed_forward.down.state_dict())
        expected = theirs(TOKENS, output_attentions=True)
        logits, trace = ours.look(TOKENS)
    assert largest_difference(logits, expected.logits) < 1e-5
    assert largest_difference(trace.attention, torch.stack(expected.attentions)) < 1e-6


KINDS = {
    "learned": DecoderConfig(**SMALL),
    "rotary": DecoderConfig(**SMALL, positions="rotary"),
    "mixture": DecoderConfig(**SMALL, positions="rotary", experts=4, shared_expert=True, expert_hidden=16),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cache_changes_nothing_whether_fed_one_by_one_in_pieces_or_cut_back(kind: str) -> None:
    model = shaken(Decoder(KINDS[kind]))
    with torch.no_grad():
        whole, cache = model(TOKENS), model.new_cache()
        pieces = [model(part, cache=cache) for part in TOKENS.split([11, 1, 1, 7], dim=1)]
        assert largest_difference(torch.cat(pieces, dim=1), whole) < 1e-5
        assert cache.length == 20
        cache.cut(12)
        assert largest_difference(model(TOKENS[:, 12:], cache=cache), whole[:, 12:]) < 1e-5


def test_too_many_tokens_are_refused_with_both_numbers() -> None:
    model = Decoder(DecoderConfig(**SMALL))
    cache = model.new_cache()
    model(TOKENS, cache=cache)
    with pytest.raises(ValueError, match=r"33 tokens .* 32 positions"):
        model(torch.zeros(2, 13, dtype=torch.long), cache=cache)


def test_greedy_continuation_is_that_of_transformers() -> None:
    ours = shaken(Decoder(DecoderConfig(**SMALL)))
    with torch.no_grad():
        mine = [token for token, _ in zip(ours.continue_greedily(TOKENS[0].tolist()), range(8), strict=False)]
        expected = gpt2_like(ours).generate(TOKENS[:1], max_new_tokens=8, do_sample=False, pad_token_id=0)[0, 20:]
    assert mine == expected.tolist()


def test_a_silenced_head_is_one_whose_rows_of_the_output_matrix_are_zero() -> None:
    model = shaken(Decoder(DecoderConfig(**SMALL)))
    with torch.no_grad():
        silenced = model(TOKENS, edit=without([(1, 2), (0, 0)]))
        assert largest_difference(silenced, model(TOKENS)) > 1e-2
        model.blocks[1].attention.out.weight[:, 16:24] = 0
        model.blocks[0].attention.out.weight[:, 0:8] = 0
        assert largest_difference(silenced, model(TOKENS)) < 1e-5


def test_the_residual_stream_is_the_sum_of_what_was_added_to_it() -> None:
    model, trace = shaken(Decoder(DecoderConfig(**SMALL))), Trace()
    with torch.no_grad():
        logits = model(TOKENS, trace=trace)
        rebuilt = trace.residual[0] + sum(trace.from_attention) + sum(trace.from_feed_forward)
        assert largest_difference(rebuilt, trace.residual[-1]) < 1e-5
        assert torch.equal(model.unembed(trace.residual[-1]), logits)


# Mixture of experts


def test_the_mixture_agrees_with_mixtral_and_its_shared_expert_is_added() -> None:
    ours = shaken(MixtureOfExperts(16, 24, experts=4, chosen=2, shared=True), seed=2)
    config = MixtralConfig(hidden_size=16, intermediate_size=24, num_local_experts=4, num_experts_per_tok=2, num_attention_heads=4)
    config._experts_implementation = "eager"
    theirs = MixtralSparseMoeBlock(config).eval()
    with torch.no_grad():
        theirs.gate.weight.copy_(ours.router.weight)
        for number, expert in enumerate(ours.experts):
            theirs.experts.gate_up_proj[number].copy_(torch.cat([expert.gate.weight, expert.up.weight]))
            theirs.experts.down_proj[number].copy_(expert.down.weight)
        x = torch.randn(2, 9, 16)
        mixed, routing = ours(x)
        expected = theirs(x)
        expected = expected[0] if isinstance(expected, tuple) else expected
    assert largest_difference(mixed - ours.shared(x), expected) < 1e-6
    assert largest_difference(load_balance_loss(routing), load_balancing_loss_func((routing.logits,), 4, 2)) < 1e-6


# Encoders


def test_the_encoder_block_agrees_with_torchs_pre_norm_layer() -> None:
    ours = shaken(EncoderBlock(24, 4))
    theirs = nn.TransformerEncoderLayer(24, 4, 96, activation="gelu", norm_first=True, batch_first=True).eval()
    give_layer(theirs, ours, {"norm1": ours.norm_attention, "norm2": ours.norm_feed_forward})
    give_attention(theirs.self_attn, ours.attention)
    x, real = torch.randn(2, 6, 24), torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    with torch.no_grad():
        mine, _ = ours(x, padding_mask(real))
        expected = theirs(x, src_key_padding_mask=~real)
    assert largest_difference(mine[real], expected[real]) < 1e-5


def test_the_cross_block_agrees_with_torchs_decoder_layer() -> None:
    ours = shaken(CrossBlock(24, 4))
    theirs = nn.TransformerDecoderLayer(24, 4, 96, activation="gelu", norm_first=True, batch_first=True).eval()
    give_layer(theirs, ours, {"norm1": ours.norm_attention, "norm2": ours.norm_cross, "norm3": ours.norm_feed_forward})
    give_attention(theirs.self_attn, ours.attention)
    give_attention(theirs.multihead_attn, ours.cross)
    x, memory, real = torch.randn(2, 5, 24), torch.randn(2, 6, 24), torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    with torch.no_grad():
        mine, _, _ = ours(x, memory, causal_mask(5), padding_mask(real))
        expected = theirs(x, memory, tgt_mask=~causal_mask(5), memory_key_padding_mask=~real)
    assert largest_difference(mine, expected) < 1e-5


def give_layer(theirs: nn.Module, ours: EncoderBlock | CrossBlock, norms: dict[str, nn.Module]) -> None:
    for name, norm in norms.items():
        getattr(theirs, name).load_state_dict(norm.state_dict())
    theirs.linear1.load_state_dict(ours.feed_forward.up.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.down.state_dict())


def test_a_padded_source_is_answered_as_the_same_source_alone() -> None:
    model = shaken(EncoderDecoder(EncoderDecoderConfig(30)))
    source = torch.randint(4, 30, (1, 9))
    padded, real = F.pad(source, (0, 5)), F.pad(torch.ones(1, 9, dtype=torch.bool), (0, 5))
    assert torch.equal(model.answer(source, 1, 2), model.answer(padded, 1, 2, real))


def test_cutting_into_patches_is_a_convolution_with_stride() -> None:
    config = ContrastiveConfig(vocabulary=10, picture_layers=1)
    vision = shaken(VisionTransformer(config))
    pixels = torch.randn(2, 3, 64, 64)
    expected = F.conv2d(pixels, vision.patches.weight.view(64, 3, 8, 8), vision.patches.bias, stride=8).flatten(2).transpose(1, 2)
    mine = vision.patches(F.unfold(pixels, 8, stride=8).transpose(1, 2))
    assert largest_difference(mine, expected) < 1e-5


def test_the_contrastive_loss_is_that_of_clip() -> None:
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    similarities = torch.randn(6, 6)
    assert largest_difference(info_nce(similarities), image_text_contrastive_loss(similarities)) < 1e-6
