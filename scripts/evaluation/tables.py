"""Output of an evaluation: the table of scores, COCO's results format, the folder."""
from pathlib import Path
from typing import Any

from data.coco_captions import image_id
from models.metrics import MEASURES
from scripts.evaluation.captioner import Captioner, Options

LABELS = {"constant": "one caption for all", "random": "random training caption", "nearest": "nearest image's caption"}


def score_rows(result: dict[str, Any]) -> tuple[dict[str, dict], list[str]]:
    """{who: scores} of the table's rows, and the names of its columns."""
    rows = {"this run": result, **{LABELS[name]: scores for name, scores in result["floors"].items()}}
    if result["human"]:
        rows["human"] = result["human"]
    if "against" in result:
        rows[result["against"]["run"]] = result["against"]
    return rows, [*MEASURES, *(name for name in ("METEOR", "SPICE") if name in result)]


def table(result: dict[str, Any]) -> list[str]:
    """The scores as lines of text."""
    rows, measures = score_rows(result)
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{name:>9s}" for name in measures)]
    for label, scores in rows.items():
        lines.append(f"{label:{width}s}" + "".join(
            f"{scores[name]:9.3f}" if name in scores else " " * 9 for name in measures))
    return lines


def result_lines(result: dict[str, Any]) -> list[str]:
    """An evaluation as lines of text: the loss, the table, and differences from another run."""
    lines = [f"{result['images']:,} images of {result['split']}, beam {result['beam']}: loss {result['loss']:.3f} nats "
             f"a word, perplexity {result['perplexity']:.4g}", *table(result)]
    for name, d in result.get("against", {}).get("difference", {}).items():
        lines.append(f"{name}: {d['difference']:+.3f} against {result['against']['run']}, 95 % of resamples between "
                     f"{d['low']:+.3f} and {d['high']:+.3f}")
    if result["references"] != "uncut":
        lines.append("this folder has no uncut references: the scores are against captions that are cut and have "
                     "<UNK>, and cannot be compared with others")
    return lines


def coco_results(captions: dict[str, str]) -> list[dict[str, Any]]:
    """Captions in COCO's results format; the ids are COCO's if all images have distinct ones, else names."""
    ids = [image_id(name) for name in captions]
    ids = ids if len(set(ids)) == len(ids) else list(captions)
    return [{"image_id": key, "caption": text} for key, text in zip(ids, captions.values())]


def output_folder(captioner: Captioner, split: str, options: Options) -> Path:
    """Make evaluate/SPLIT-beamK where a run's outputs go, with other options that are not the default in its name."""
    run, *others = map(Path, captioner.runs)
    parts = [split, f"beam{options.beam}"]
    among_others = run.is_file() and captioner.outputs == Path(captioner.checkpoint).parent
    parts += [run.stem] if among_others and run.stem != "best" else []
    parts += [f"norm{options.normalisation:g}"] if options.normalisation != 1 else []
    parts += [f"max{options.max_length}"] if options.max_length != 30 else []
    parts += ["blocked"] if options.block_trigrams else []
    parts += ["unknown"] if options.allow_unknown else []
    parts += [f"consensus{options.consensus}"] if options.consensus else []
    parts += ["with", *(path.resolve().name for path in others)] if others else []
    folder = captioner.outputs / "evaluate" / "-".join(parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
