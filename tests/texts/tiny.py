"""Tiny models of texts with random weights, saved as the libraries save them."""

from __future__ import annotations

import json
from pathlib import Path

import torch

WORDS = (
    *("soap", "bar", "of", "green", "lavender", "steel", "comb", "for", "hair", "oil", "dry"),
    *("skin", "brush", "wood", "the", "and", "a", "with", "cream", "hand", "500", "ml"),
    *("中", "文", "洗", "发", "水"),
)


def save_tokenizer(folder: Path, *, for_decoder: bool) -> None:
    """Save a tokenizer of whole words: BERT's marks for an encoder, none for a decoder."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    marks = ["<unk>"] if for_decoder else ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    unknown = "<unk>" if for_decoder else "[UNK]"
    vocabulary = {word: index for index, word in enumerate([*marks, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    named = {"unk_token": unknown}
    if not for_decoder:
        pairs = [("[CLS]", 2), ("[SEP]", 3)]
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=pairs
        )
        named |= {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)


def save_bert(folder: Path) -> Path:
    """Save an encoder of width 12 that sees 20 tokens."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=4 + len(WORDS), hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
        intermediate_size=20, max_position_embeddings=20,
    )  # fmt: skip
    return _save(folder, BertModel(config), for_decoder=False)


def save_gpt2(folder: Path) -> Path:
    """Save a decoder of width 8 that has no token to pad with."""
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(4)
    config = GPT2Config(
        vocab_size=1 + len(WORDS), n_embd=8, n_layer=2, n_head=2, n_positions=32,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return _save(folder, GPT2Model(config), for_decoder=True)


def save_llama(folder: Path) -> Path:
    """Save a causal language model of width 16, bfloat16."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=1 + len(WORDS), hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    return _save(folder, LlamaForCausalLM(config).to(torch.bfloat16), for_decoder=True)


def save_gguf(path: Path) -> Path:
    """Save a llama of width 32 as a GGUF file with four words and their letters."""
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    tokens = ["<|end|>", *"acbmopsĠ", "so", "ap", "soap", "co", "mb", "comb"]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] + [1] * (len(tokens) - 1))
    writer.add_token_merges(["s o", "a p", "so ap", "c o", "m b", "co mb"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    random = np.random.default_rng(6)
    names = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    shapes = {f"blk.0.{name}.weight": (32, 32) for name in names}
    shapes |= {f"blk.0.{name}_norm.weight": (32,) for name in ("attn", "ffn")}
    shapes |= {"token_embd.weight": (len(tokens), 32), "output_norm.weight": (32,)}
    for name, shape in shapes.items():
        writer.add_tensor(name, random.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_layers(folder: Path, *layers: str) -> None:
    """Write the `modules.json` of sentence-transformers: a name for each layer behind the first."""
    modules = [("", "Transformer"), *((f"{n}_{kind}", kind) for n, kind in enumerate(layers, 1))]
    listed = [
        {
            "idx": index,
            "name": str(index),
            "path": path,
            "type": f"sentence_transformers.models.{kind}",
        }
        for index, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))


def add_settings(folder: Path, **settings: object) -> None:
    """Write the `config.json` of a layer."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings))


def _save(folder: Path, module: torch.nn.Module, *, for_decoder: bool) -> Path:
    module.save_pretrained(folder)
    save_tokenizer(folder, for_decoder=for_decoder)
    return folder
