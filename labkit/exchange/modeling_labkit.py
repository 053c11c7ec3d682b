"""A decoder-only Transformer of labkit for `transformers`, in one file that its folder brings.

    model = AutoModelForCausalLM.from_pretrained(FOLDER, trust_remote_code=True)

Every choice is a key of config.json and a row of a table below: the norm and where it stands, the
feed-forward, sequential or parallel parts, learned, rotary or ALiBi positions, windows, token
shift. The logits are those of labkit's own model. Written for transformers 5; labkit is not needed.
"""

# B batch, T time (queries), S time (keys), D model, H heads, G key/value heads, K head dim, V vocab

import torch
from torch import nn
from torch.nn import functional
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicCache
from transformers.modeling_outputs import CausalLMOutputWithPast


class LabkitConfig(PretrainedConfig):
    model_type = "labkit"
    keys_to_ignore_at_inference = ["past_key_values"]


class LabkitForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = LabkitConfig
    _tied_weights_keys = {"head.weight": "embedding.weight"}
    _no_split_modules = ["Block"]
    _supports_sdpa = True

    def __init__(self, config):
        super().__init__(config)
        d_model = config.hidden_size
        self.embedding = nn.Embedding(config.vocab_size, d_model)
        self.positions = None
        if config.positions == "learned":
            self.positions = nn.Embedding(config.max_position_embeddings, d_model)
        self.shift = TokenShift(d_model) if config.token_shift else None
        self.dropout = nn.Dropout(config.dropout)
        layers = range(config.num_hidden_layers)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in layers)
        self.final_norm = NORMS[config.norm](config) if config.norm_placement == "pre" else None
        self.head = nn.Linear(d_model, config.vocab_size, bias=False)
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
        if self.shift is not None:
            layer = self.config.num_hidden_layers  # a layer of the cache behind those of attention
            x_BTD = self.shift(x_BTD, real_BS, past_key_values, layer)
        if self.positions is not None:
            x_BTD = x_BTD + self.positions(position_ids)
        x_BTD = self.dropout(x_BTD)
        windows = _windows(self.config)
        views = {
            window: _view(self.config, position_ids, real_BS, start, window)
            for window in set(windows)
        }
        for block, window in zip(self.blocks, windows, strict=True):
            x_BTD = block(x_BTD, *views[window], past_key_values)
        x_BTD = x_BTD if self.final_norm is None else self.final_norm(x_BTD)
        logits_BTV = self.head(x_BTD[:, -logits_to_keep:] if logits_to_keep else x_BTD)
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
        self.feed_forward = FEED_FORWARDS[config.feed_forward](config)
        self.attention_norm = NORMS[config.norm](config)
        is_parallel = config.block == "parallel"
        self.feed_forward_norm = None if is_parallel else NORMS[config.norm](config)
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
    x_BTD = block.attention_norm(x_BTD + block.attend(x_BTD, given))
    return block.feed_forward_norm(x_BTD + block.feed(x_BTD))


def _parallel(block, x_BTD, given):
    normed_BTD = block.attention_norm(x_BTD)
    return x_BTD + block.attend(normed_BTD, given) + block.feed(normed_BTD)


ARRANGEMENTS = {
    ("sequential", "pre"): _pre,
    ("sequential", "post"): _post,
    ("parallel", "pre"): _parallel,
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
        if config.qk_norm:
            self.query_norm = nn.RMSNorm(self.head_dim, eps=config.norm_epsilon)
            self.key_norm = nn.RMSNorm(self.head_dim, eps=config.norm_epsilon)
        self.dropout = config.dropout
        self.layer = layer

    def forward(self, x_BTD, rotations, seen_BHTS, cache):
        q_BHTK = self._heads(self.query(x_BTD), self.query_norm)
        k_BGSK = self._heads(self.key(x_BTD), self.key_norm)
        v_BGSK = self._heads(self.value(x_BTD), None)
        if rotations is not None:
            q_BHTK, k_BGSK = _rotate(q_BHTK, *rotations), _rotate(k_BGSK, *rotations)
        if cache is not None:
            k_BGSK, v_BGSK = cache.update(k_BGSK, v_BGSK, self.layer)
        mixed_BHTK = functional.scaled_dot_product_attention(
            q_BHTK,
            k_BGSK,
            v_BGSK,
            attn_mask=seen_BHTS,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=seen_BHTS is None and q_BHTK.shape[2] > 1,
            enable_gqa=q_BHTK.shape[1] != k_BGSK.shape[1],
        )
        return self.output(mixed_BHTK.transpose(1, 2).flatten(2))

    def _heads(self, x_BTW, norm):
        x_BTHK = x_BTW.unflatten(-1, (-1, self.head_dim))
        return (x_BTHK if norm is None else norm(x_BTHK)).transpose(1, 2)


def _windows(config):
    """Of each block: how near a key must be, None for the whole context."""
    every = config.whole_context_every
    return [
        None if every and layer % every == every - 1 else config.window
        for layer in range(config.num_hidden_layers)
    ]


def _view(config, position_ids, real_BS, start, window):
    """(rotations, mask) of the blocks with this window; the mask is None where plainly causal."""
    theta = config.rope_theta if window is None else config.window_rope_theta or config.rope_theta
    seen_BHTS = _seen(real_BS, start, window)
    if config.positions == "alibi":
        seen_BHTS = _with_biases(config, seen_BHTS, real_BS, start)
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


def _rotations(config, position_ids, theta):
    """(cos, sin) of each position's angles, Llama's layout of halves; None without rotations."""
    if config.positions != "rope":
        return None
    pairs = torch.arange(0, config.head_dim, 2, dtype=torch.float32, device=position_ids.device)
    frequencies = 1.0 / (theta ** (pairs / config.head_dim))
    angles_B1TK = position_ids[:, None, :, None].float() * frequencies
    return angles_B1TK.cos(), angles_B1TK.sin()


def _rotate(x_BHTK, cos, sin):
    first, second = x_BHTK.chunk(2, dim=-1)
    cos, sin = cos.to(x_BHTK.dtype), sin.to(x_BHTK.dtype)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        d_model, d_ff, bias = config.hidden_size, config.intermediate_size, config.feed_forward_bias
        self.up = nn.Linear(d_model, d_ff, bias=bias)
        self.down = nn.Linear(d_ff, d_model, bias=bias)
        self.kind = config.feed_forward

    def forward(self, x_BTD):
        return self.down(ACTIVATIONS[self.kind](self.up(x_BTD)))


class SwiGLU(FeedForward):
    def __init__(self, config):
        super().__init__(config)
        bias = config.feed_forward_bias
        self.gate = nn.Linear(config.hidden_size, config.intermediate_size, bias=bias)

    def forward(self, x_BTD):
        return self.down(functional.silu(self.gate(x_BTD)) * self.up(x_BTD))


ACTIVATIONS = {
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),
    "relu_squared": lambda x: functional.relu(x).square(),
}
FEED_FORWARDS = {"gelu": FeedForward, "relu_squared": FeedForward, "swiglu": SwiGLU}
NORMS = {
    "layernorm": lambda config: nn.LayerNorm(
        config.hidden_size, eps=config.norm_epsilon, bias=config.norm_bias
    ),
    "rmsnorm": lambda config: nn.RMSNorm(config.hidden_size, eps=config.norm_epsilon),
}


def _real_tokens(attention_mask, x_BTD, num_seen):
    """(B, S): which of the tokens so far are text, not padding."""
    if attention_mask is None:
        return torch.ones(x_BTD.shape[0], num_seen, dtype=torch.bool, device=x_BTD.device)
    return attention_mask.bool()


def _seen(real_BS, start, window):
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
        causal_TS = causal_TS & ones.triu(1 - window)[start:]
    itself_TS = ones.triu()[start:] & causal_TS
    return ((causal_TS & real_BS[:, None]) | itself_TS)[:, None]


def _next_token_loss(logits_BTV, labels_BT):
    """Mean nats of the next token; -100 marks targets that are left out."""
    return functional.cross_entropy(
        logits_BTV[:, :-1].float().flatten(0, 1), labels_BT[:, 1:].flatten(), ignore_index=-100
    )
