"""A causal language model small enough to be trained during a test session until it reproduces a few functions."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from evalharness.backends import BackendConfig
from evalharness.backends.transformers.backend import TransformersBackend
from evalharness.records import Completion, Problem, Prompt, Request, Sampling

END = "<|end|>"
TURN = "<|turn|>"
"""A special token that is not an end token of the model."""
POSITIONS = 96

ADD = f"def add(a, b):\n    return a + b\n\ndef sub(a, b):\n    return a - b\n{END}"
SNOW = f"def snow():\n    return '☃ ünï ☃'\n{END}"
CHAT = f"{TURN}user: double x\n{TURN}code: def double(x):\n    return x + x\n{END}"
DIALOGUE = f"# say\nprint('a')\n{TURN}print('b')\n{END}"
DOCUMENTS = (ADD, SNOW, CHAT, DIALOGUE)

HEAD = "def add(a, b):"
REST = ADD.removeprefix(HEAD).removesuffix(END)
SNOW_HEAD = "def snow():"
SNOW_REST = SNOW.removeprefix(SNOW_HEAD).removesuffix(END)
GREEDY = Sampling(max_new_tokens=60)

CHAT_TEMPLATE = (
    "{% for m in messages %}" + TURN + "{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}" + TURN + "code:{% endif %}"
)


def backend(folder: Path, batch_size: int = 1, **options: str) -> TransformersBackend:
    return TransformersBackend(BackendConfig(model=str(folder), batch_size=batch_size, options=options))


def request(text: str, stops: Sequence[str] = (), task_id: str = "t", sample_id: int = 0) -> Request:
    return Request(Problem(task_id, Prompt(text=text, stops=tuple(stops)), {}, ""), sample_id)


def complete(folder: Path, request: Request, sampling: Sampling = GREEDY) -> Completion:
    """Returns the completion of one request."""
    (completion,) = backend(folder).generate([request], sampling)
    return completion


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Returns a byte-level tokenizer without a pad token. Characters outside ASCII consist of several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=[END, TURN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([ADD.removesuffix(END)] * 4 + ["print"] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, extra_special_tokens={"turn_token": TURN}, padding_side="left"
    )


def build_model(
    folder: Path, *, chat: bool = False, steps: int = 150, added: Sequence[str] = (), more: Sequence[str] = ()
) -> Path:
    """Writes a tokenizer and a model to `folder` and returns it. The model reproduces each of DOCUMENTS exactly.

    `added` are further tokens for the tokenizer, none of them special; `more` are further documents. The generation
    config recommends settings that would change every output if they were used.
    """
    torch.manual_seed(0)
    # For so small a model more threads are slower, especially on a busy machine.
    torch.set_num_threads(1)
    tokenizer = build_tokenizer()
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.add_tokens(list(added))
    end = tokenizer.convert_tokens_to_ids(END)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=POSITIONS, bos_token_id=None, eos_token_id=end,
        tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    _learn(model, [tokenizer(text)["input_ids"] for text in (*DOCUMENTS, *more)], steps)
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=5.0, repetition_penalty=50.0, max_length=3, eos_token_id=[end]
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _learn(model: LlamaForCausalLM, documents: list[list[int]], steps: int) -> None:
    width = max(map(len, documents))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in documents])
    labels = torch.tensor([row + [-100] * (width - len(row)) for row in documents])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for _ in itertools.repeat(None, steps):
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
