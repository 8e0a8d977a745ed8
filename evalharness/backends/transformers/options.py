"""Options of the backend `transformers`."""

from typing import Literal

from pydantic import Field

from evalharness.backends.options import BackendOptions
from evalharness.generation.infilling_formats import FORMAT_NAMES


class TransformersOptions(BackendOptions):
    """The `--option key=value` settings of the backend `transformers`."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Precision of the weights; auto: bfloat16 on CUDA, else float32"
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$",
        description="auto, cpu, cuda, cuda:N or mps; auto: the first CUDA device, else the CPU",
    )
    revision: str | None = Field(None, description="Branch, tag or commit on the Hugging Face hub; by default main")
    attn: str | None = Field(
        None, description="Attention implementation as transformers names it: eager, sdpa, flash_attention_2, ..."
    )
    chat_template: str | None = Field(
        None, description="Path of a Jinja file that replaces the tokenizer's chat template"
    )
    fim: Literal["auto", *FORMAT_NAMES] = Field(  # type: ignore[valid-type]
        "auto", description="Infilling format; auto: the one whose sentinel tokens are in the tokenizer's vocabulary"
    )
    trust_remote_code: bool = Field(False, description="Run Python code that comes with the checkpoint")
    compile: bool = Field(
        False, description="Compile the forward pass. Compiling a new input shape during the run counts as run time"
    )
