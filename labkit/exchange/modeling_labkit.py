"""A decoder-only Transformer of labkit for `transformers`, in one file that its folder brings.

    model = AutoModelForCausalLM.from_pretrained(FOLDER, trust_remote_code=True)

Every choice is a key of config.json and a row of a table below: the norm and where it stands, the
feed-forward, sequential or parallel parts, positions and how rotary ones are stretched, windows,
caps of scores and logits, token shift; it has no mixtures of experts. The logits are those of
labkit's own model. Written for transformers 5; labkit is not needed.
"""

# B batch, T time (queries), S time (keys), D model, H heads, G key/value heads, K head dim, V vocab

import math

import torch
from torch import nn
from torch.nn import functional
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicCache
from transformers.modeling_outputs import CausalLMOutputWithPast

DEFAULTS = {
    "whole_context_first": False,
    "window_pattern": "sliding",
    "position_offset": 0,
    "max_distance": 128,
    "rope_ratio": 1.0,
    "rope_layout": "halves",
    "rope_stretch": "none",
    "rope_factor": 1.0,
    "rope_original_context": None,
    "qk_norm_span": "head",
    "attention_scale": None,
    "attention_soft_cap": None,
    "logit_soft_cap": None,
    "embedding_norm": False,
    "scale_embedding": False,
    "embedding_width": None,
    "head_bias": False,
}
"""What a key that config.json lacks means."""


class LabkitConfig(PretrainedConfig):
    model_type = "labkit"
    keys_to_ignore_at_inference = ["past_key_values"]

    def __init__(self, **kwargs):
        for name, value in DEFAULTS.items():
            setattr(self, name, kwargs.pop(name, value))
        super().__init__(**kwargs)


class LabkitForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = LabkitConfig
    _tied_weights_keys = {"head.weight": "embedding.weight"}
    _no_split_modules = ["Block"]
    _supports_sdpa = True

    def __init__(self, config):
        super().__init__(config)
        d_model = config.hidden_size
        width = config.embedding_width or d_model
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.embedding_projection = self.head_projection = None
        if config.embedding_width:
            self.embedding_projection = nn.Linear(width, d_model, bias=False)
            self.head_projection = nn.Linear(d_model, width, bias=False)
        self.positions = None
        if config.positions == "learned":
            num_rows = config.position_offset + config.max_position_embeddings
            self.positions = nn.Embedding(num_rows, d_model)
        elif config.positions == "t5":
            self.positions = nn.Embedding(T5_BUCKETS, config.num_attention_heads)
        self.embedding_norm = NORMS[config.norm](config) if config.embedding_norm else None
        self.shift = TokenShift(d_model) if config.token_shift else None
        self.dropout = nn.Dropout(config.dropout)
        layers = range(config.num_hidden_layers)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in layers)
        has_final_norm = config.norm_placement in ("pre", "sandwich", "after")
        self.final_norm = NORMS[config.norm](config) if has_final_norm else None
        self.head = nn.Linear(width, config.vocab_size, bias=config.head_bias)
        self.post_init()

    def get_input_embeddings(self):
        return self.embedding

    def set_input_embeddings(self, value):
        self.embedding = value

    def get_output_embeddings(self):
        return self.head

    def set_output_embeddings(self, new_embeddings):
        self.head = new_embeddings

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        logits_to_keep=0,
        **_,
    ):
        x_BTD = self.embedding(input_ids) if inputs_embeds is None else inputs_embeds
        if past_key_values is None and use_cache:
            past_key_values = DynamicCache(config=self.config)
        start = 0 if past_key_values is None else past_key_values.get_seq_length()
        end = start + x_BTD.shape[1]
        real_BS = _real_tokens(attention_mask, x_BTD, end)
        if position_ids is None:
            position_ids = (real_BS.cumsum(-1) - 1).clamp(min=0)[:, start:]
        if int(position_ids.max()) >= self.config.max_position_embeddings:
            raise ValueError(
                f"position {int(position_ids.max())}, but the model was trained on "
                f"{self.config.max_position_embeddings} positions; give a shorter text"
            )
        if self.embedding_projection is not None:
            x_BTD = self.embedding_projection(x_BTD)
        if self.config.scale_embedding:
            x_BTD = x_BTD * math.sqrt(self.config.hidden_size)
        if self.shift is not None:
            layer = self.config.num_hidden_layers  # a layer of the cache behind those of attention
            x_BTD = self.shift(x_BTD, real_BS, past_key_values, layer)
        if self.positions is not None and self.config.positions == "learned":
            x_BTD = x_BTD + self.positions(position_ids + self.config.position_offset)
        elif self.config.positions == "sinusoidal":
            x_BTD = x_BTD + _waves(position_ids, self.config.hidden_size)
        x_BTD = x_BTD if self.embedding_norm is None else self.embedding_norm(x_BTD)
        x_BTD = self.dropout(x_BTD)
        windows = _windows(self.config)
        views = {
            window: _view(self, position_ids, real_BS, start, window) for window in set(windows)
        }
        for block, window in zip(self.blocks, windows, strict=True):
            x_BTD = block(x_BTD, *views[window], past_key_values)
        x_BTD = x_BTD if self.final_norm is None else self.final_norm(x_BTD)
        x_BTD = x_BTD if self.head_projection is None else self.head_projection(x_BTD)
        logits_BTV = self.head(x_BTD[:, -logits_to_keep:] if logits_to_keep else x_BTD)
        if self.config.logit_soft_cap is not None:
            cap = self.config.logit_soft_cap
            logits_BTV = cap * torch.tanh(logits_BTV / cap)
        return CausalLMOutputWithPast(
            loss=None if labels is None else _next_token_loss(logits_BTV, labels),
            logits=logits_BTV,
            past_key_values=past_key_values,
        )


class TokenShift(nn.Module):
    """x_t + share * (x_(t-1) - x_t); the cache keeps the embeddings as keys of a further layer."""

    def __init__(self, d_model):
        super().__init__()
        self.share = nn.Parameter(torch.zeros(d_model))

    def forward(self, x_BTD, real_BS, cache, layer):
        num_new = x_BTD.shape[1]
        all_BSD = x_BTD
        if cache is not None:
            while len(cache.layers) <= layer:
                cache.layers.append(type(cache.layers[0])())
            keys_B1SD, _ = cache.update(x_BTD[:, None], x_BTD[:, None, :, :0], layer)
            all_BSD = keys_B1SD[:, 0]
        before_BSD = functional.pad(all_BSD * real_BS[..., None], (0, 0, 1, 0))
        return x_BTD + self.share * (before_BSD[:, -num_new - 1 : -1] - x_BTD)


class Block(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.attention = Attention(config, layer)
        is_gated = config.feed_forward in GATED
        self.feed_forward = (GatedFeedForward if is_gated else FeedForward)(config)
        self.attention_norm = NORMS[config.norm](config)
        is_parallel = config.block == "parallel"
        self.feed_forward_norm = None if is_parallel else NORMS[config.norm](config)
        self.attention_output_norm = self.feed_forward_output_norm = None
        if config.norm_placement == "sandwich":
            self.attention_output_norm = NORMS[config.norm](config)
            self.feed_forward_output_norm = NORMS[config.norm](config)
        power = {"deep": 0.25, "deep_glm": 0.5}.get(config.norm_placement, 0.0)
        self.stream_scale = (2 * config.num_hidden_layers) ** power
        self.dropout = nn.Dropout(config.dropout)
        self.arrange = ARRANGEMENTS[config.block, config.norm_placement]

    def forward(self, x_BTD, *given):
        return self.arrange(self, x_BTD, given)

    def attend(self, x_BTD, given):
        return self.dropout(self.attention(x_BTD, *given))

    def feed(self, x_BTD):
        return self.dropout(self.feed_forward(x_BTD))


def _pre(block, x_BTD, given):
    x_BTD = x_BTD + block.attend(block.attention_norm(x_BTD), given)
    return x_BTD + block.feed(block.feed_forward_norm(x_BTD))


def _post(block, x_BTD, given):
    scale = block.stream_scale
    x_BTD = block.attention_norm(scale * x_BTD + block.attend(x_BTD, given))
    return block.feed_forward_norm(scale * x_BTD + block.feed(x_BTD))


def _after(block, x_BTD, given):
    x_BTD = x_BTD + block.attention_norm(block.attend(x_BTD, given))
    return x_BTD + block.feed_forward_norm(block.feed(x_BTD))


def _sandwich(block, x_BTD, given):
    attended_BTD = block.attend(block.attention_norm(x_BTD), given)
    x_BTD = x_BTD + block.attention_output_norm(attended_BTD)
    fed_BTD = block.feed(block.feed_forward_norm(x_BTD))
    return x_BTD + block.feed_forward_output_norm(fed_BTD)


def _parallel(block, x_BTD, given):
    normed_BTD = block.attention_norm(x_BTD)
    return x_BTD + block.attend(normed_BTD, given) + block.feed(normed_BTD)


def _parallel_two_norms(block, x_BTD, given):
    attended_BTD = block.attend(block.attention_norm(x_BTD), given)
    return x_BTD + attended_BTD + block.feed(block.feed_forward_norm(x_BTD))


ARRANGEMENTS = {
    ("sequential", "pre"): _pre,
    ("sequential", "post"): _post,
    ("sequential", "deep"): _post,
    ("sequential", "deep_glm"): _post,
    ("sequential", "after"): _after,
    ("sequential", "sandwich"): _sandwich,
    ("parallel", "pre"): _parallel,
    ("parallel_two_norms", "pre"): _parallel_two_norms,
}


class Attention(nn.Module):
    """H query heads over G key/value heads that groups of them share."""

    def __init__(self, config, layer):
        super().__init__()
        d_model, self.head_dim = config.hidden_size, config.head_dim
        width = config.num_attention_heads * self.head_dim
        kv_width = config.num_key_value_heads * self.head_dim
        self.query = nn.Linear(d_model, width, bias=config.qkv_bias)
        self.key = nn.Linear(d_model, kv_width, bias=config.qkv_bias)
        self.value = nn.Linear(d_model, kv_width, bias=config.qkv_bias)
        self.output = nn.Linear(width, d_model, bias=config.attention_output_bias)
        self.query_norm = self.key_norm = None
        self.norms_width = config.qk_norm_span == "width"
        if config.qk_norm:
            norm = RMSNormPlusOne if config.norm == "rmsnorm_plus_one" else nn.RMSNorm
            spans = (width, kv_width) if self.norms_width else (self.head_dim, self.head_dim)
            self.query_norm, self.key_norm = (norm(one, eps=config.norm_epsilon) for one in spans)
        self.distances = None
        if config.positions == "shaw":
            self.distances = nn.Embedding(config.max_distance + 1, self.head_dim)
        self.rotate = LAYOUTS[config.rope_layout]
        self.scale = config.attention_scale or self.head_dim**-0.5
        self.soft_cap = config.attention_soft_cap
        self.dropout = config.dropout
        self.layer = layer

    def forward(self, x_BTD, rotations, seen_BHTS, cache):
        q_BHTK = self._heads(self.query(x_BTD), self.query_norm)
        k_BGSK = self._heads(self.key(x_BTD), self.key_norm)
        v_BGSK = self._heads(self.value(x_BTD), None)
        if rotations is not None:
            q_BHTK, k_BGSK = self.rotate(q_BHTK, *rotations), self.rotate(k_BGSK, *rotations)
        if cache is not None:
            k_BGSK, v_BGSK = cache.update(k_BGSK, v_BGSK, self.layer)
        if self.distances is not None:
            seen_BHTS = self._with_distances(q_BHTK, seen_BHTS, k_BGSK.shape[2])
        attend = functional.scaled_dot_product_attention if self.soft_cap is None else self._capped
        mixed_BHTK = attend(
            q_BHTK,
            k_BGSK,
            v_BGSK,
            attn_mask=seen_BHTS,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=seen_BHTS is None and q_BHTK.shape[2] > 1,
            scale=self.scale,
            enable_gqa=q_BHTK.shape[1] != k_BGSK.shape[1],
        )
        return self.output(mixed_BHTK.transpose(1, 2).flatten(2))

    def _heads(self, x_BTW, norm):
        if norm is not None and self.norms_width:
            x_BTW = norm(x_BTW)
        x_BTHK = x_BTW.unflatten(-1, (-1, self.head_dim))
        if norm is not None and not self.norms_width:
            x_BTHK = norm(x_BTHK)
        return x_BTHK.transpose(1, 2)

    def _with_distances(self, q_BHTK, seen_BHTS, num_seen):
        """A learned key for each distance back (Shaw et al. 2018)."""
        distance_TS = _distances(num_seen, q_BHTK.shape[2], q_BHTK.device)
        assert self.distances is not None
        index_TS = distance_TS.clamp(0, self.distances.num_embeddings - 1)
        by_distance_BHTN = q_BHTK * self.scale @ self.distances.weight.T
        index_BHTS = index_TS.expand(*q_BHTK.shape[:3], num_seen)
        biases_BHTS = by_distance_BHTN.gather(-1, index_BHTS)
        seen_BHTS = distance_TS >= 0 if seen_BHTS is None else seen_BHTS
        return biases_BHTS.masked_fill(~seen_BHTS, float("-inf"))

    def _capped(self, q_BHTK, k_BGSK, v_BGSK, attn_mask, dropout_p, is_causal, **_):
        groups = q_BHTK.shape[1] // k_BGSK.shape[1]
        k_BHSK, v_BHSK = (x.repeat_interleave(groups, dim=1) for x in (k_BGSK, v_BGSK))
        scores_BHTS = q_BHTK * self.scale @ k_BHSK.transpose(-1, -2)
        scores_BHTS = self.soft_cap * torch.tanh(scores_BHTS / self.soft_cap)
        if is_causal:
            attn_mask = _distances(k_BGSK.shape[2], q_BHTK.shape[2], q_BHTK.device) >= 0
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores_BHTS = scores_BHTS.masked_fill(~attn_mask, float("-inf"))
        elif attn_mask is not None:
            scores_BHTS = scores_BHTS + attn_mask
        return functional.dropout(scores_BHTS.softmax(-1), dropout_p) @ v_BHSK


def _distances(num_seen, num_queries, device):
    """(T, S): how far back each key lies from each of the last queries."""
    places_S = torch.arange(num_seen, device=device)
    return places_S[num_seen - num_queries :, None] - places_S


def _windows(config):
    """Of each block: how near a key must be, None for the whole context."""
    every = config.whole_context_every
    whole = 0 if config.whole_context_first or not every else every - 1
    return [
        None if every and layer % every == whole else config.window
        for layer in range(config.num_hidden_layers)
    ]


def _view(model, position_ids, real_BS, start, window):
    """(rotations, mask) of the blocks with this window; the mask is None where plainly causal."""
    config = model.config
    theta = config.rope_theta if window is None else config.window_rope_theta or config.rope_theta
    seen_BHTS = _seen(real_BS, start, window, config.window_pattern == "banded")
    if config.positions == "alibi":
        seen_BHTS = _with_biases(config, seen_BHTS, real_BS, start)
    elif config.positions == "t5":
        seen_BHTS = _with_buckets(model, seen_BHTS, real_BS, start)
    return _rotations(config, position_ids, theta), seen_BHTS


def _with_biases(config, seen_BHTS, real_BS, start):
    """ALiBi: a head's scores fall with the distance, each head at a slope of its own."""
    num_seen, num_heads = real_BS.shape[1], config.num_attention_heads
    power = 1 << (num_heads.bit_length() - 1)
    slopes = [2 ** (-8 * n / power) for n in range(1, power + 1)]
    slopes += [2 ** (-8 * n / (2 * power)) for n in range(1, 2 * power + 1, 2)]
    slopes_H = torch.tensor(slopes[:num_heads], device=real_BS.device)
    places_S = torch.arange(num_seen, device=real_BS.device)
    distance_TS = (places_S[start:, None] - places_S).abs()
    biases_HTS = -slopes_H[:, None, None] * distance_TS
    if seen_BHTS is None:
        seen_BHTS = (places_S[start:, None] >= places_S)[None, None]
    return biases_HTS.masked_fill(~seen_BHTS, float("-inf"))


T5_BUCKETS = 32


def _with_buckets(model, seen_BHTS, real_BS, start):
    """T5: a learned bias of each head for each bucket of distances."""
    num_seen = real_BS.shape[1]
    distance_TS = _distances(num_seen, num_seen - start, real_BS.device)
    back_TS, exact = distance_TS.clamp(min=0), T5_BUCKETS // 2
    ratio = math.log(model.config.max_distance / exact)
    far_TS = torch.log(back_TS.float().clamp(min=1) / exact) / ratio * (T5_BUCKETS - exact)
    far_TS = (exact + far_TS.long()).clamp(max=T5_BUCKETS - 1)
    buckets_TS = torch.where(back_TS < exact, back_TS, far_TS)
    biases_HTS = model.positions(buckets_TS).permute(2, 0, 1)
    seen_BHTS = distance_TS >= 0 if seen_BHTS is None else seen_BHTS
    return biases_HTS.masked_fill(~seen_BHTS, float("-inf"))


def _waves(position_ids, width):
    """Sines and cosines of each position, added to the embedding (Vaswani et al. 2017)."""
    even = torch.arange(0, width, 2, dtype=torch.float32, device=position_ids.device)
    angles = position_ids[..., None] * torch.exp(-math.log(10_000.0) / width * even)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)[..., :width]


def _rotations(config, position_ids, theta):
    """(cos, sin) of each position's angles; None without rotations."""
    if config.positions != "rope":
        return None
    width = int(config.head_dim * config.rope_ratio)
    frequencies, scale = STRETCHES[config.rope_stretch](config, theta, width)
    angles_B1TN = position_ids[:, None, :, None].float() * frequencies.to(position_ids.device)
    return angles_B1TN.cos() * scale, angles_B1TN.sin() * scale


def _plain(config, theta, width):
    return 1.0 / (theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width)), 1.0


def _linear(config, theta, width):
    return _plain(config, theta, width)[0] / config.rope_factor, 1.0


def _ntk(config, theta, width):
    return _plain(config, theta * config.rope_factor ** (width / max(width - 2, 1)), width)


def _yarn(config, theta, width):
    """Pairs that turn less than once in the old context are stretched, 32 times and more not."""
    turns, factor = _plain(config, theta, width)[0], config.rope_factor
    ends = [
        width
        * math.log(config.rope_original_context / (num_turns * 2 * math.pi))
        / (2 * math.log(theta))
        for num_turns in (32, 1)
    ]
    low, high = max(math.floor(ends[0]), 0), min(math.ceil(ends[1]), width - 1)
    ramp = (torch.arange(width // 2, dtype=torch.float32) - low) / max(high - low, 0.001)
    kept = 1 - ramp.clamp(0, 1)
    return turns / factor * (1 - kept) + turns * kept, 0.1 * math.log(factor) + 1.0


def _llama3(config, theta, width):
    """As YaRN between 1 and 4 turns, and scores as they were."""
    turns, factor = _plain(config, theta, width)[0], config.rope_factor
    num_turns = config.rope_original_context / (2 * math.pi / turns)
    kept = ((num_turns - 1.0) / (4.0 - 1.0)).clamp(0, 1)
    return (1 - kept) * turns / factor + kept * turns, 1.0


STRETCHES = {"none": _plain, "linear": _linear, "ntk": _ntk, "yarn": _yarn, "llama3": _llama3}


def _rotate_halves(x_BHTK, cos, sin):
    cos, sin = cos.to(x_BHTK.dtype), sin.to(x_BHTK.dtype)
    num_pairs = cos.shape[-1]
    first, second = x_BHTK[..., :num_pairs], x_BHTK[..., num_pairs : 2 * num_pairs]
    turned = (first * cos - second * sin, second * cos + first * sin)
    return torch.cat((*turned, x_BHTK[..., 2 * num_pairs :]), dim=-1)


def _rotate_interleaved(x_BHTK, cos, sin):
    cos, sin = cos.to(x_BHTK.dtype), sin.to(x_BHTK.dtype)
    width = 2 * cos.shape[-1]
    even, odd = x_BHTK[..., :width:2], x_BHTK[..., 1:width:2]
    pairs = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)
    return torch.cat((pairs, x_BHTK[..., width:]), dim=-1)


LAYOUTS = {"halves": _rotate_halves, "interleaved": _rotate_interleaved}


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        d_model, d_ff, bias = config.hidden_size, config.intermediate_size, config.feed_forward_bias
        self.up = nn.Linear(d_model, d_ff, bias=bias)
        self.down = nn.Linear(d_ff, d_model, bias=bias)
        self.kind = config.feed_forward

    def forward(self, x_BTD):
        return self.down(ACTIVATIONS[self.kind](self.up(x_BTD)))


class GatedFeedForward(FeedForward):
    def __init__(self, config):
        super().__init__(config)
        bias = config.feed_forward_bias
        self.gate = nn.Linear(config.hidden_size, config.intermediate_size, bias=bias)

    def forward(self, x_BTD):
        return self.down(ACTIVATIONS[self.kind](self.gate(x_BTD)) * self.up(x_BTD))


ACTIVATIONS = {
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu_exact": functional.gelu,
    "gelu_quick": lambda x: x * torch.sigmoid(1.702 * x),
    "relu": functional.relu,
    "relu_squared": lambda x: functional.relu(x).square(),
    "silu": functional.silu,
    "glu": torch.sigmoid,
    "geglu": lambda x: functional.gelu(x, approximate="tanh"),
    "swiglu": functional.silu,
}
GATED = ("glu", "geglu", "swiglu")


class RMSNormPlusOne(nn.Module):
    """Scaled by 1 + weight."""

    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x):
        return functional.rms_norm(x, self.weight.shape, 1.0 + self.weight, self.eps)


NORMS = {
    "layernorm": lambda config: nn.LayerNorm(
        config.hidden_size, eps=config.norm_epsilon, bias=config.norm_bias
    ),
    "rmsnorm": lambda config: nn.RMSNorm(config.hidden_size, eps=config.norm_epsilon),
    "rmsnorm_plus_one": lambda config: RMSNormPlusOne(config.hidden_size, config.norm_epsilon),
}


def _real_tokens(attention_mask, x_BTD, num_seen):
    """(B, S): which of the tokens so far are text, not padding."""
    if attention_mask is None:
        return torch.ones(x_BTD.shape[0], num_seen, dtype=torch.bool, device=x_BTD.device)
    return attention_mask.bool()


def _seen(real_BS, start, window, is_banded):
    """(B, 1, T, S): which keys each query may look at; None where that is plainly causal.

    A query of padding sees itself, since a softmax over nothing has no value.
    """
    num_seen = real_BS.shape[1]
    window = window or num_seen
    if real_BS.all() and window >= num_seen and (start == 0 or num_seen == start + 1):
        return None
    ones = torch.ones(num_seen, num_seen, dtype=torch.bool, device=real_BS.device)
    causal_TS = ones.tril()[start:]
    if window < num_seen:
        near_TS = ones.triu(1 - window)[start:]
        if is_banded:
            near_TS |= _distances(num_seen, num_seen - start, real_BS.device) % window == 0
        causal_TS = causal_TS & near_TS
    itself_TS = ones.triu()[start:] & causal_TS
    return ((causal_TS & real_BS[:, None]) | itself_TS)[:, None]


def _next_token_loss(logits_BTV, labels_BT):
    """Mean nats of the next token; -100 marks targets that are left out."""
    return functional.cross_entropy(
        logits_BTV[:, :-1].float().flatten(0, 1), labels_BT[:, 1:].flatten(), ignore_index=-100
    )
