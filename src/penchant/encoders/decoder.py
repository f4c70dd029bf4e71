"""The layers of a pretrained decoder, read from a folder without its words.

Any causal model of `transformers` will do. Weights are read from safetensors alone and code is
never run from a folder.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from penchant.errors import ConfigError, InputError, MissingFileError
from penchant.texts import open_text_model
from penchant.texts.loading import quietly, require_transformers
from penchant.texts.weights import weight_files

USUAL_LENGTH: Final = 0.02
"""Root mean square of the word vectors of a decoder that has not been trained."""


class Decoder(nn.Module):
    """The layers of a decoder, from vectors to vectors.

    Parameters
    ----------
    layers
        A causal model of `transformers` without words and without a head over them.
    word_size
        Root mean square of the numbers of its word vectors, which is what its layers are used to.
    """

    def __init__(self, layers: Any, word_size: float) -> None:
        super().__init__()
        self.layers = layers
        self.word_size = word_size

    @property
    def width(self) -> int:
        """Width E of what it reads and gives."""
        return int(self.layers.config.hidden_size)

    @property
    def num_layers(self) -> int:
        """Layers L."""
        return int(self.layers.config.num_hidden_layers)

    def forward(self, rows: Tensor) -> Tensor:
        """Return (B, T, E) what each row (B, T, E) becomes by it and those before it."""
        made: Tensor = self.layers(inputs_embeds=rows, use_cache=False).last_hidden_state
        return made

    def compute_again(self) -> None:
        """Compute layers again for gradients in place of holding what they made."""
        layers, settings = self.layers, {"use_reentrant": False}
        if hasattr(layers, "activation_checkpointing_enable"):
            layers.activation_checkpointing_enable(settings)
        else:  # of older transformers
            layers.gradient_checkpointing_enable(settings)

    def extended(
        self, rows: Tensor, before: list[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the same of rows (1, T, E) that follow others.

        Parameters
        ----------
        before
            Keys and values (1, H, S, F) of each layer of the rows before; an empty list of none.

        Returns
        -------
        made, after
            (1, T, E), and the keys and values of all S + T rows; an empty list where the decoder
            does not hold them all.
        """
        from transformers import DynamicCache

        cache = DynamicCache(config=self.layers.config)
        for number, (key, value) in enumerate(before):
            cache.update(key, value, number)
        name = "cache" if _takes(self.layers, "cache") else "past_key_values"  # of older ones
        found = self.layers(inputs_embeds=rows, use_cache=True, **{name: cache})
        held = [
            (getattr(layer, "keys", None), getattr(layer, "values", None)) for layer in cache.layers
        ]
        num_rows = cache.get_seq_length()
        whole = [
            (key, value)
            for key, value in held
            if key is not None and value is not None and key.shape[2] == num_rows
        ]
        return found.last_hidden_state, whole if len(whole) == self.num_layers else []


def decoder_folder(name: str) -> Path:
    """Return the folder of a decoder, given it or another name that `penchant.texts` knows.

    Raises
    ------
    MissingFileError
        When there is none of that name.
    """
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return folder
    from penchant.texts.huggingface import HuggingFaceTextModel

    try:
        with torch.device("cpu"):  # a file may have to be turned into a folder
            model = open_text_model(name, "cpu")
    except ConfigError as error:
        raise MissingFileError(f"encoder.model: {error.message}", error.hint) from error
    if not isinstance(model, HuggingFaceTextModel):
        raise ConfigError(
            f'encoder.model must be a decoder but "{name}" is none.',
            "Set encoder.model=smollm2, or the folder of a decoder.",
        )
    return model.transformer_folder


def load_decoder(name: str, num_layers: int, pretrained: bool) -> Decoder:
    """Read a decoder, or one of the same form with fresh weights.

    Parameters
    ----------
    name
        Its folder or short name.
    num_layers
        Its first layers that are taken; all when 0.
    pretrained
        Whether its weights are taken too.

    Raises
    ------
    MissingFileError
        When there is no such decoder.
    MissingExtraError
        When there is no transformers.
    ConfigError
        When it has fewer layers, is no decoder, or does not see what stands before alone.
    InputError, CorruptBundleError
        When its weights are not safetensors, or cannot be read.

    Notes
    -----
    On the device `meta` no weights are read.
    """
    require_transformers()
    from transformers import AutoConfig

    folder = decoder_folder(name)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{folder / 'config.json'} must describe a model that transformers knows: "
            f"{_first_line(error)}",
            "Name the folder of a decoder, as transformers saves them.",
        ) from error
    _shorten(config, num_layers, name)
    layers = _read(folder, config) if pretrained and not _is_bare() else _fresh(config)
    words = layers.get_input_embeddings().weight
    size = USUAL_LENGTH if words.is_meta else float(words.detach().square().mean().sqrt())
    layers.set_input_embeddings(nn.Identity())  # vectors come in, not words
    decoder = Decoder(layers, size)
    if not words.is_meta:
        _check_causal(decoder, name)
    return decoder


def _is_bare() -> bool:
    """Tell whether modules are built without memory for their weights."""
    return torch.get_default_device().type == "meta"


def _shorten(config: Any, num_layers: int, name: str) -> None:
    """Let a configuration name its first layers alone."""
    has = getattr(config, "num_hidden_layers", None)
    if not isinstance(has, int) or not hasattr(config, "hidden_size"):
        raise ConfigError(
            f'encoder.model must be one stack of layers but "{name}" is a {config.model_type}.',
            "Name a decoder such as those of the Llama, Qwen or GPT families.",
        )
    if not 0 <= num_layers <= has:
        raise ConfigError(
            f"encoder.num_layers must lie in 0..{has}, the layers of {name}, but is {num_layers}.",
            "Set encoder.num_layers=0 for all of them.",
        )
    config.num_hidden_layers = num_layers or has
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[: num_layers or has]


def _read(folder: Path, config: Any) -> Any:
    """Return the model with its weights, in float32."""
    from safetensors import SafetensorError
    from transformers import AutoModel

    weight_files(folder)
    try:
        with quietly():
            model, found = AutoModel.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"The weights in {folder} must fit its config.json: {_first_line(error)}",
            "Copy the folder again.",
        ) from error
    missing = sorted([*found["missing_keys"], *found["mismatched_keys"]])
    if missing:
        raise InputError(
            f"The weights in {folder} must fit its config.json but {len(missing)} do not, the "
            f"first {missing[0]}.",
            "Copy the folder again.",
        )
    return model.to(torch.float32)


def _fresh(config: Any) -> Any:
    """Return a model of the same form with fresh weights, in float32."""
    from transformers import AutoModel

    with quietly():
        return AutoModel.from_config(config, trust_remote_code=False).to(torch.float32)


def _check_causal(decoder: Decoder, name: str) -> None:
    """See that a row does not change what is made of those before it."""
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(2, 3, decoder.width, generator=draw) * decoder.word_size
    rows[1, :2] = rows[0, :2]
    with torch.inference_mode():
        one, other = decoder.eval()(rows)
    decoder.train()
    if not torch.allclose(one[:2], other[:2], rtol=1e-4, atol=1e-5):
        raise ConfigError(
            f'encoder.model must see what stands before alone but "{name}" '
            f"({decoder.layers.config.model_type}) sees what comes after.",
            "Name a decoder such as those of the Llama, Qwen or GPT families.",
        )


def _takes(layers: nn.Module, name: str) -> bool:
    """Tell whether a model is called with an argument of a name."""
    return name in inspect.signature(type(layers).forward).parameters


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
