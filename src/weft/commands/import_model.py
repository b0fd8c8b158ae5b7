"""`weft import`: the model of another program as a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from weft.commands.options.completion import RUNS
from weft.commands.options.declaration import choice_option, option
from weft.commands.options.values import one_of
from weft.importing import import_model
from weft.presentation.streams import note, write_text
from weft.text.tokenizers.base import EOS, UNK

VOCABULARY = "Vocabulary"
CELLS = ("rnn", "rnn-relu")


def import_command(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A model of PyTorch, of the textbook, or of ONNX.", show_default=False),
    ],
    out: Annotated[
        Path | None, option("The run folder.", "--out", "-o", metavar="FOLDER", default="the file's name, under runs/")
    ] = None,
    vocab: Annotated[
        list[Path] | None,
        option(
            "The words in the order of the ids, a word a line; or a text whose words have ids in the order of first "
            "appearance; or a pickle with the words. Several texts: one after the other.",
            metavar="FILE",
            default="vocab.txt next to FILE",
            group=VOCABULARY,
        ),
    ] = None,
    unk: Annotated[str, option("Its name of the unknown word.", metavar="WORD", group=VOCABULARY)] = UNK,
    eos: Annotated[str, option("Its name of the line end.", metavar="WORD", group=VOCABULARY)] = EOS,
    cell: Annotated[
        str | None,
        choice_option(CELLS, "The cell, for a state_dict that does not tell these two apart.", default="read"),
    ] = None,
    overwrite: Annotated[bool, option("Replace the run if it exists.", "--overwrite")] = False,
) -> None:
    """Import a trained model of PyTorch, of the textbook or of ONNX.

    FILE: a module or state_dict that torch.save wrote (word_language_model, AWD-LSTM, Gulordava et al.), parameters of
    "Deep Learning from Scratch 2", an ONNX graph, or a folder of `weft export hf`. Neither PyTorch nor ONNX is needed,
    and nothing in it is executed.

    Examples:
      weft import model.pt --vocab vocab.txt --out runs/theirs
      weft import PTB.pt --vocab train.txt --vocab valid.txt
      weft import BetterRnnlm.pkl --vocab ptb.vocab.pkl
      weft train my.txt --from runs/theirs
    """
    if cell is not None:
        one_of("--cell", cell, CELLS)
    out = out or RUNS / file.stem
    lm = import_model(file, out, vocab=vocab or (), unk=unk, eos=eos, cell=cell, overwrite=overwrite, note=note)
    write_text(f"the model is in {out}: {lm.model.architecture}\n")
