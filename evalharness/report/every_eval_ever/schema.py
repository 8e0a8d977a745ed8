"""The parts of the Every Eval Ever schema that are written: eval.schema.json and instance_level_eval.schema.json.

Every value of a `Details` is a text, as the schema demands.
"""

from typing import Literal, NotRequired, TypedDict, get_args

from evalharness.errors import UserError

SCHEMA_VERSION = "0.3.0"
Details = dict[str, str]
Relationship = Literal["first_party", "third_party", "collaborative", "other"]
"""The relationship of the organization that ran the evaluation to the model's developer."""


def parse_evaluator_relationship(text: str) -> Relationship:
    """Returns the evaluator's relationship to the model's developer, as --relationship states it; `other` for "".

    Raises UserError for an unknown value.
    """
    known: tuple[Relationship, ...] = get_args(Relationship)
    for relationship in known:
        if text == relationship:
            return relationship
    if text:
        raise UserError(f"--relationship {text!r} is unknown; give one of {', '.join(known)}")
    return "other"


class SourceMetadata(TypedDict):
    """Every Eval Ever schema: the organization and the software that ran the evaluation."""

    source_name: str
    source_type: Literal["evaluation_run"]
    source_organization_name: str
    evaluator_relationship: Relationship


class Software(TypedDict):
    """Every Eval Ever schema: the name and the version of a program."""

    name: str
    version: str


class ModelInfo(TypedDict):
    """Every Eval Ever schema: the evaluated model, and how it was served."""

    name: str
    id: str
    """DEVELOPER/NAME."""
    developer: NotRequired[str]
    inference_platform: NotRequired[str]
    inference_engine: NotRequired[Software]
    additional_details: Details


class SourceData(TypedDict):
    """Every Eval Ever schema: the data set that a task's problems come from."""

    dataset_name: str
    source_type: Literal["hf_dataset", "other"]
    hf_repo: NotRequired[str]
    samples_number: NotRequired[int]
    additional_details: Details


class Metric(TypedDict):
    """Every Eval Ever schema: the description of a metric, such as pass@1, with unit and range."""

    evaluation_description: str
    metric_id: str
    metric_name: str
    metric_kind: str
    metric_unit: str
    metric_parameters: NotRequired[dict[str, float]]
    lower_is_better: bool
    score_type: Literal["continuous"]
    min_score: float
    max_score: float | Literal["Infinity"]


class ConfidenceInterval(TypedDict):
    """Every Eval Ever schema: the ends of a confidence interval, in the unit of the score."""

    lower: float
    upper: float
    confidence_level: float
    method: str


class Uncertainty(TypedDict):
    """Every Eval Ever schema: the uncertainty of a score: confidence interval and number of samples."""

    confidence_interval: ConfidenceInterval
    num_samples: int


class ScoreDetails(TypedDict):
    """Every Eval Ever schema: the value of a score with its uncertainty."""

    score: float
    uncertainty: NotRequired[Uncertainty]
    details: Details


class SandboxUsed(TypedDict):
    """Every Eval Ever schema: the sandbox in which a run's programs were isolated."""

    type: str
    config: str


class GenerationArgs(TypedDict, total=False):
    """Every Eval Ever schema: the generation settings for which the schema has fields, such as temperature."""

    temperature: float
    top_p: float
    max_tokens: int
    reasoning: bool
    execution_command: str
    prompt_template: str
    sandbox: SandboxUsed


class GenerationConfig(TypedDict):
    """Every Eval Ever schema: all settings of the generation."""

    generation_args: GenerationArgs
    additional_details: Details


class EvaluationResult(TypedDict):
    """Every Eval Ever schema: one score of a run with its metric, data and settings."""

    evaluation_result_id: str
    evaluation_name: str
    source_data: SourceData
    evaluation_timestamp: NotRequired[str]
    metric_config: Metric
    score_details: ScoreDetails
    generation_config: GenerationConfig


class SamplesFile(TypedDict):
    """Every Eval Ever schema: the description of the file with a run's sample records."""

    format: Literal["jsonl"]
    file_path: str
    hash_algorithm: Literal["sha256"]
    checksum: str
    total_rows: int


class EvaluationLog(TypedDict):
    """Every Eval Ever schema: the record of a run, with model and scores."""

    schema_version: str
    evaluation_id: str
    evaluation_timestamp: NotRequired[str]
    retrieved_timestamp: str
    source_metadata: SourceMetadata
    eval_library: Software
    model_info: ModelInfo
    evaluation_results: list[EvaluationResult]
    detailed_evaluation_results: NotRequired[SamplesFile]


class SampleInput(TypedDict):
    """Every Eval Ever schema: a sample's prompt, with the official solution where one is published."""

    raw: str
    reference: list[str]


class ModelOutput(TypedDict):
    """Every Eval Ever schema: the answer of a model to a prompt."""

    raw: list[str]
    reasoning_trace: NotRequired[list[str]]


class AnswerAttribution(TypedDict):
    """Every Eval Ever schema: the program that was extracted from an answer, and the extraction rule."""

    turn_idx: int
    source: Literal["output.raw"]
    extracted_value: str
    extraction_method: str
    is_terminal: bool


class SampleScore(TypedDict):
    """Every Eval Ever schema: the verdict on a sample as a score."""

    score: float
    is_correct: bool


class TokenUsage(TypedDict):
    """Every Eval Ever schema: the token counts of a request."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    reasoning_tokens: NotRequired[int]


class Performance(TypedDict, total=False):
    """Every Eval Ever schema: the measured times of a request, in milliseconds."""

    latency_ms: float
    time_to_first_token_ms: float
    generation_time_ms: float
    additional_details: Details


class InstanceRecord(TypedDict):
    """Every Eval Ever schema: the record of one sample for one of the run's scores."""

    schema_version: str
    evaluation_id: str
    model_id: str
    evaluation_name: str
    evaluation_result_id: str
    sample_id: str
    sample_hash: str
    interaction_type: Literal["single_turn"]
    input: SampleInput
    output: ModelOutput
    answer_attribution: list[AnswerAttribution]
    evaluation: SampleScore
    token_usage: NotRequired[TokenUsage]
    performance: NotRequired[Performance]
    error: NotRequired[str]
    metadata: Details
