"""One frozen settings object. Arguments win over the environment, that over the file, that over defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import platformdirs

from memapp.errors import ModelMissing, UsageError

APP = "memapp"
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def data_dir() -> Path:
    """The user's data directory for memapp; `MEMAPP_HOME` moves it."""
    home = os.environ.get("MEMAPP_HOME")
    return Path(home) if home else Path(platformdirs.user_data_dir(APP))


def default_store() -> str:
    """Where memory lives when nobody says otherwise."""
    return str(data_dir() / "memory.db")


def default_config() -> Path:
    """The settings file that is read when it exists."""
    home = os.environ.get("MEMAPP_HOME")
    return (Path(home) if home else Path(platformdirs.user_config_dir(APP))) / "config.toml"


def shipped(name: str) -> Path:
    """A file or folder of data/, such as "weights/tagger.safetensors", in a checkout or an installed memapp.

    Raises ModelMissing where it is not there.
    """
    package = Path(__file__).parent
    for folder in (package / "data", package.parent / "data"):
        if (folder / name).exists():
            return folder / name
    raise ModelMissing(f"data/{name}, which memapp ships, is not there.", "Reinstall it: pip install memapp.")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be set. Field names are the keys of the file and, as MEMAPP_NAME, of the environment."""

    layers: tuple[str, ...] = ("lexical", "dense", "graph", "episodic")
    """Layers that recall asks when a call names none."""
    extract: bool = True
    """Whether phrases are looked for at ingest; the graph is made of them."""
    fact_seeds: bool = False
    """Whether walks in the graph also begin at the facts that fit the question. They are embedded with each
    question, which takes long, and find no more."""
    fact_filter: bool = False
    """Whether the chat model first chooses among these facts; for one of some billions of parameters."""
    parametric: str = "off"
    """Which parametric memory takes part in writing answers: off, knn (remembered tokens by hidden state and by what
    stood before them), mlp (the network), or both. With any but off, the chat model reads what is ingested, which
    takes a third of a second a passage on two cores."""
    parametric_index: str = "auto"
    """How remembered tokens are searched: auto, exact or ivf; auto is exact up to some hundred thousand tokens."""
    keep_stale: bool = False
    """Whether the network stays in use when something that it learned was forgotten, until it is trained anew."""
    train_idle_minutes: float = 0.0
    """After so many minutes without a question the chat consolidates the parametric memory; 0 is never."""
    remember: str = "ask"
    """What becomes of statements about you and your world in the chat: ask proposes to remember them, on remembers
    them and says so, off does neither."""
    k: int = 5
    """Passages handed to the model."""
    passage_tokens: int = 200
    """Budget of one passage, in tokens of the embedder."""
    record_tokens: int = 400
    """A record of a JSONL file up to this long stays one passage."""
    dense_index: str = "auto"
    """auto, exact, sq8 or ivf; auto is exact up to `dense_exact` vectors, then ivf."""
    dense_exact: int = 300_000
    """Vectors up to which auto searches exactly."""
    model: str = ""
    """Name of the chat model in the catalog; empty is the one chosen by `memapp models use`."""
    context_tokens: int = 4096
    """Window of the chat model: prompt and answer together."""
    answer_tokens: int = 192
    """Longest answer."""
    focus: float = 0.5
    """Passages that score less than this share of the best one's score are not read by the model."""
    reader: bool = True
    """Whether the default model answers as it was taught: in a few words, with the passage that says them."""
    beams: int = 8
    """Likely answers of the reader that are weighed by where they stand in the passages, at most 8; 1 takes the
    likeliest as it is."""
    span_reader: bool = True
    """Whether a small model that points at answers, the embedder's encoder taught to, also reads the passages of these
    and counts in weighing them."""
    hops: bool = True
    """Whether the reader answers a question that names something by another fact, or compares two things, by one
    question after another. Each takes as long as an answer."""
    abstain_below: float = 0.12
    """Confidence under which the reader's answer is withheld."""
    clues: str = "off"
    """Whether the chat model drafts clues for a vague question from the gist of the collection, which are searched for
    too: off; chosen, from names that near passages speak of, for a small model; drafted, in its own words, for one of
    some billions of parameters. `memapp bench clues` tells what that is worth and what it costs."""
    gist_tokens: int = 1024
    """Length of that gist."""
    rerank: str = "off"
    """Whether the chat model puts the twenty best passages in order: off; listwise, by one token over a list of them;
    likelihood, by how likely each makes the question. For a model of some billions of parameters: it takes a reading
    of all of them, and `memapp bench rerank` tells what that is worth."""
    order: str = "score"
    """In which order passages are read one after another: score, the best first; reverse; ends, the best first and the
    second best last; profile, the best where `memapp models profile` found that the model reads best."""
    reading: str = "sequential"
    """How the model reads passages: sequential, one after another; set, each apart from the others and all at the same
    place, so that their order says nothing; or apart, each at a place of its own, the best last. What was made of a
    passage that is read apart is kept for the next question; beside the best one, the reader attends less to the
    others, the less they score."""
    kv_mb: int = 512
    """Disk for keys and values that the model made of passages, where they are read apart; 0 keeps none. A passage
    of 200 words takes 6 MB with the default model."""
    kv_memory_mb: int = 256
    """Memory for them, and as much again for conversations that wait while other questions are answered."""
    kv_form: str = "f16"
    """Form of keys and values: f16, or q8_0, which takes half the room."""
    bank: int = 0
    """Passages that the default model reads as soft tokens before those that it reads as text: the ones most like the
    question that are not among these, all but the first three by their outlines. With any, what is ingested is also
    made into soft tokens, which takes half a second a passage on two cores. Off, since beside text they add no more
    than any soft tokens do."""
    soft_tokens: int = 48
    """Soft tokens of a passage: 48 or 16. Another number makes the bank anew."""
    history_tokens: int = 512
    """Earlier turns that the model sees; when they exceed it, the older half is left out."""
    trust_model: bool = False
    """Whether the model's words stand even when they rest on another sentence than the one that fits the question
    best. The default model is too small for it; turn it on for one of some billions of parameters."""
    temperature: float = 0.0
    """0 is greedy, so that the same question has the same answer."""
    top_p: float = 1.0
    typical_p: float = 1.0
    """Locally typical sampling below 1."""
    threads: int = 0
    """CPU threads of models; 0 is one per core."""
    gpu_layers: int = -1
    """Model layers on the GPU; -1 lets device.py choose."""
    busy_seconds: float = 60.0
    """How long a write waits for another process."""
    max_file_mb: int = 512
    """Larger files are refused."""
    max_expanded_mb: int = 1024
    """Archives (DOCX, EPUB) that unpack to more are refused."""
    max_record_mb: int = 16
    """Longer lines or records are refused one by one."""
    theme: str = ""
    """Colours of the terminal chat; empty chooses those that fit the terminal."""


def load(
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    **arguments: Any,
) -> Settings:
    """The settings of this run.

    `arguments` that are None are not set. Raises UsageError for an unknown key, a value of the
    wrong type, or a `config` that is named but cannot be read.
    """
    settings = Settings()
    path = config or default_config()
    if config is not None or path.is_file():
        settings = _apply(settings, _read(path), str(path))
    prefix = f"{APP.upper()}_"
    environment = os.environ if environment is None else environment
    names = {f.name for f in fields(Settings)}
    found = {
        key.removeprefix(prefix).lower(): value
        for key, value in environment.items()
        if key.startswith(prefix) and key.removeprefix(prefix).lower() in names
    }
    settings = _apply(settings, found, "the environment")
    given = {key: value for key, value in arguments.items() if value is not None}
    return _apply(settings, given, "the arguments")


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"The settings file {path} cannot be read: {error}.", "Correct it or name another.") from error


def _apply(settings: Settings, values: Mapping[str, Any], origin: str) -> Settings:
    hints = get_type_hints(Settings)
    changes: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            raise UsageError(f"{origin} sets '{key}', which memapp does not know.", f"Known: {', '.join(hints)}.")
        changes[key] = _convert(key, value, hints[key], origin)
    return replace(settings, **changes)


def _convert(key: str, value: Any, hint: Any, origin: str) -> Any:
    try:
        if get_origin(hint) is tuple:
            items = value.split(",") if isinstance(value, str) else value
            return tuple(get_args(hint)[0](item).strip() for item in items)
        if hint is bool:
            return _BOOLEANS[str(value).lower()]
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise TypeError
        return hint(value)
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(f"{origin} sets {key} to {value!r}.", f"It must be of type {hint.__name__}.") from error
