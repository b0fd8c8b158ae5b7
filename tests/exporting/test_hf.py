"""A folder exported for transformers: the numbers of weft, in transformers, minicons and lm-eval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.exported_models import CELLS, OUTPUTS, exported_model, named
from weft.errors import InputError
from weft.exporting import export_hf
from weft.language_model import LanguageModel

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # of other programs

TEXTS = ["you say goodbye and i say hello .", "say hello", "hello\nyou 我"]
TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Modules that come with a model are kept in a folder of the test."""
    dynamic = pytest.importorskip("transformers.dynamic_module_utils")
    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path / "modules"))


def loaded(lm: LanguageModel, folder: Path) -> tuple[Any, Any]:
    """The exported model and tokenizer, as transformers loads them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    export_hf(lm, folder)
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
    return model, AutoTokenizer.from_pretrained(folder, trust_remote_code=True)


def target_logs(model: Any, **inputs: Any) -> Any:
    """ln P of every token but the first, (N, T - 1)."""
    with torch.no_grad():
        logs = model(**inputs).logits.log_softmax(-1)
    return logs[:, :-1].gather(2, inputs["input_ids"][:, 1:, None])[..., 0].numpy()


def own_logs(lm: LanguageModel, text: str) -> list[float]:
    return [score.logprob_nats for score in lm.scores(text, eos=False)]


@pytest.mark.parametrize("output", OUTPUTS, ids=named)
@pytest.mark.parametrize("cell", CELLS, ids=named)
def test_log_probabilities_are_those_of_weft(tmp_path: Path, cell: dict[str, Any], output: dict[str, Any]) -> None:
    lm = exported_model(**cell, **output)
    model, tokenizer = loaded(lm, tmp_path / "hf")
    for text in TEXTS:
        ids = tokenizer(f"<eos>{text}", return_tensors="pt").input_ids
        np.testing.assert_allclose(target_logs(model, input_ids=ids)[0], own_logs(lm, text), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("cell", CELLS, ids=named)
def test_padding_on_either_side_changes_nothing(tmp_path: Path, cell: dict[str, Any]) -> None:
    lm = exported_model(**cell)
    model, tokenizer = loaded(lm, tmp_path / "hf")
    for side in ("left", "right"):
        batch = tokenizer(TEXTS, return_tensors="pt", padding=True, padding_side=side)
        logs = target_logs(model, **batch)
        for row, mask, text in zip(logs, batch.attention_mask, TEXTS, strict=True):
            is_target = (mask[1:] * mask[:-1]).bool().numpy()
            np.testing.assert_allclose(row[is_target], own_logs(lm, text)[1:], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("cell", CELLS, ids=named)
def test_a_text_begins_after_eos_whether_or_not_it_is_written(tmp_path: Path, cell: dict[str, Any]) -> None:
    model, _ = loaded(exported_model(**cell), tmp_path / "hf")
    ids = torch.tensor([[1, 3, 4, 5]])
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits[:, 1:], model(ids[:, 1:]).logits)


@pytest.mark.parametrize("cell", CELLS, ids=named)
def test_a_block_and_its_two_halves_have_the_same_logits(tmp_path: Path, cell: dict[str, Any]) -> None:
    model, _ = loaded(exported_model(**cell), tmp_path / "hf")
    ids = torch.tensor([[3, 4, 5, 6], [6, 2, 3, 3]])
    with torch.no_grad():
        first = model(ids[:, :2])
        second = model(ids[:, 2:], past_key_values=first.past_key_values)
        torch.testing.assert_close(torch.cat((first.logits, second.logits), dim=1), model(ids).logits)


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_generation_with_the_state_carried_is_that_of_weft(tmp_path: Path, kind: str) -> None:
    lm = exported_model(kind)
    model, tokenizer = loaded(lm, tmp_path / "hf")
    inputs = tokenizer(["you say", "say hello you say"], return_tensors="pt", padding=True, padding_side="left")
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    both = model.generate(**inputs, **options)
    alone = model.generate(**tokenizer("you say", return_tensors="pt"), **options)
    assert both[0, -6:].tolist() == alone[0, -6:].tolist()
    assert tokenizer.decode(alone[0, -6:]) == lm.generate("you say", 6, temperature=0).lstrip()
    assert model.generate(**inputs, **options, use_cache=False).equal(both)
    beams = model.generate(**inputs, **options, num_beams=3)
    assert model.generate(**inputs, **options, num_beams=3, use_cache=False).equal(beams)


def test_padding_is_never_predicted_and_eos_unk_and_pad_are_set(tmp_path: Path) -> None:
    lm = exported_model()
    model, tokenizer = loaded(lm, tmp_path / "hf")
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (1, 1, 0)
    assert tokenizer.pad_token_id == model.config.pad_token_id == lm.tokenizer.vocab_size == model.config.vocab_size - 1
    with torch.no_grad():
        assert model(torch.tensor([[3]])).logits.softmax(-1)[0, 0, -1] == 0


def test_labels_give_the_mean_nats(tmp_path: Path) -> None:
    lm = exported_model()
    model, tokenizer = loaded(lm, tmp_path / "hf")
    ids = tokenizer(f"<eos>{TEXTS[0]}", return_tensors="pt").input_ids
    assert float(model(ids, labels=ids).loss) == pytest.approx(-np.mean(own_logs(lm, TEXTS[0])), abs=TOLERANCE)


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    model, _ = loaded(exported_model(tied=True), tmp_path / "hf")
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    model.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "modeling_weft.py").exists()


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_minicons_has_the_scores_of_weft(tmp_path: Path, kind: str) -> None:
    scorer = pytest.importorskip("minicons.scorer")
    lm = exported_model(kind)
    model, tokenizer = loaded(lm, tmp_path / "hf")
    lines = TEXTS[:2]
    scores = scorer.IncrementalLMScorer(model, tokenizer=tokenizer)
    for text, found in zip(lines, scores.token_score(lines, bos_token=True, eos_token=True), strict=True):
        own = [score.logprob_nats for score in lm.scores(text)]
        np.testing.assert_allclose([value for _token, value in found[1:]], own, atol=TOLERANCE, rtol=0)
    sums = scores.sequence_score(lines, bos_token=True, reduction=lambda values: values.sum(0).item())
    assert sums == pytest.approx([lm.logprob(text, eos=False) for text in lines], abs=TOLERANCE * 40)


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_lm_eval_has_the_scores_of_weft(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    from datasets import Dataset
    from lm_eval import evaluate
    from lm_eval.api.task import ConfigurableTask

    lm = exported_model(kind)
    export_hf(lm, tmp_path / "hf")
    model = huggingface.HFLM(
        pretrained=str(tmp_path / "hf"), trust_remote_code=True, device="cpu", dtype="float32", batch_size=2
    )
    running, choices = "you say goodbye\nsay hello", ["goodbye", "hello ."]

    def task(name: str, document: dict[str, Any], **settings: Any) -> Any:
        source = {"custom_dataset": lambda **_: {"test": Dataset.from_list([document])}, "test_split": "test"}
        return ConfigurableTask(config={"task": name, **source, **settings})

    choose = task(
        "choose",
        {"context": "you say", "choices": choices, "answer": 0},
        output_type="multiple_choice",
        doc_to_text="{{context}}",
        doc_to_choice="{{choices}}",
        doc_to_target="{{answer}}",
    )
    roll = task(
        "roll",
        {"text": running},
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="{{text}}",
        metric_list=[{"metric": "word_perplexity"}],
    )
    tasks = {"choose": choose, "roll": roll}
    samples = evaluate(lm=model, task_dict=tasks, log_samples=True, bootstrap_iters=0)["samples"]

    def total(text: str) -> float:
        return lm.logprob(text, eos=False)

    conditional = [total(f"you say {choice}") - total("you say") for choice in choices]
    found = [response[0][0] for response in samples["choose"][0]["resps"]]
    assert found == pytest.approx(conditional, abs=TOLERANCE * 40)
    assert samples["roll"][0]["resps"][0][0] == pytest.approx(total(running), abs=TOLERANCE * 40)


def test_an_export_replaces_another_only_if_told_to(tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    export_hf(exported_model(), folder)
    with pytest.raises(InputError, match="holds an export already: replace it with --overwrite"):
        export_hf(exported_model(), folder)
    export_hf(exported_model(cell="rnn"), folder, overwrite=True)
    assert json.loads((folder / "config.json").read_text("utf-8"))["cell"] == "rnn"
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("", "utf-8")
    with pytest.raises(InputError, match="is not an export of weft"):
        export_hf(exported_model(), tmp_path, overwrite=True)
    assert (tmp_path / "mine.txt").exists()
