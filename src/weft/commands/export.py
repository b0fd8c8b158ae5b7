"""`weft export hf` and `weft export onnx`: a trained model in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weft.commands.options.completion import completing, runs_here
from weft.commands.options.declaration import choice_option, option
from weft.exporting import export_hf, export_onnx
from weft.exporting.onnx_model import FORMS
from weft.presentation.streams import note

RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="The run folder.", show_default=False, **completing(runs_here))
]
GRAPH = "Graph"
"""The heading of the options of the graph."""


def export_to_hf(
    run: RunArgument,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The new folder.", show_default=False, file_okay=False)
    ],
    overwrite: Annotated[bool, option("Replace an earlier export in the folder.", "--overwrite")] = False,
) -> None:
    """Write a folder that Hugging Face transformers loads.

    AutoModelForCausalLM and AutoTokenizer load it with trust_remote_code=True, and with them minicons, lm-eval and
    other programs: the folder contains the model as one file of Python, which needs torch and transformers 5, the
    weights, and the tokenizer with the same tokens for every text. Log-probabilities are those of weft.

    Examples:
      weft export hf runs/mine mine-hf
      weft export hf runs/mine mine-hf --overwrite
    """
    export_hf(run, folder, overwrite=overwrite)
    note(f"{folder}: load it with AutoModelForCausalLM.from_pretrained({str(folder)!r}, trust_remote_code=True)")


def export_to_onnx(
    run: RunArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file.", show_default=False)],
    form: Annotated[
        str,
        choice_option(
            FORMS, "Inputs: blocks of any length (N, T), or one token of each stream (N,).", "--form", group=GRAPH
        ),
    ] = FORMS[0],
    int8: Annotated[bool, option("Round the matrices to 8 bits.", "--int8", group=GRAPH)] = False,
    log_probabilities: Annotated[
        bool, option("Give ln P in nats in place of scores.", "--log-probabilities", group=GRAPH)
    ] = False,
    overwrite: Annotated[bool, option("Replace the file if it exists.", "--overwrite")] = False,
) -> None:
    """Write a graph that ONNX Runtime runs.

    Token ids and states go in, scores of the next token and states come out; before the first token, <eos>, the states
    are zeros. The metadata of the file have the vocabulary, the tokenizer and the settings of the run. Needs the extra
    onnx: pip install 'weft[onnx]'.

    Examples:
      weft export onnx runs/mine mine.onnx
      weft export onnx runs/mine step.onnx --form step --int8
    """
    export_onnx(run, file, form=form, int8=int8, log_probabilities=log_probabilities, overwrite=overwrite)
    note(f"{file}: run it with onnxruntime.InferenceSession({str(file)!r})")
