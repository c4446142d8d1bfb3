"""What good calls of each command look like, and which options name files.

`world/` stands for the folder of scripts.campaigns.bad_input.world; other paths are new ones.
"""
RUN, RELEASED, RAW = "world/attention", "world/released/model.h5", "world/raw"
TINY = {"out": "run", "epochs": "1", "hidden": "6", "wordvec": "5", "batch": "13"}
PHOTOS = {"images": f"{RAW}/photos", "encoder": f"{RAW}/model.onnx"}
FEATURES = {"features": f"{RAW}/features.h5", "out": "made"}
PAIR = [f"{RAW}/layer.py:double_forward", f"{RAW}/layer.py:double_backward"]
USUAL = {                               # command -> calls, each dest -> value or values
    "train": [{"data": "world/scenes", **TINY}, {"data": "world/scenes", **TINY, "from_run": "world/lstm"},
              {"data": "world/scenes", "overfit": "9", **TINY}, {"resume": "world/lstm", "epochs": "1"}],
    "show_batch": [{"data": "world/scenes", "out": "batch.png"}],
    "report": [{"run": RUN, "n": "3", "out": "report.html"}, {"run": "world/lstm", "n": "2"}],
    "diagnose": [{"run": RUN, "images": "5"}, {"run": "world/lstm", "images": "4"}],
    "show_attention": [{"run": RUN, "out": "figures", "n": "1"}],
    "check_attention": [{"run": RUN, "out": "attention.json"}],
    "evaluate": [{"run": RUN}, {"run": "world/lstm", "against": RUN}, {"run": RELEASED, "data": "world/scenes"},
                 {"run": RUN, "ensemble": [RUN, "world/attention/last.h5"]}],
    "check_scenes": [{"run": RUN}],
    "release": [{"run": RUN, "out": "new.h5"}, {"run": RELEASED, "card": True}],
    "score": [{"candidates": f"{RAW}/captions.json", "references": f"{RAW}/references.json", "per_image": "scores.csv"},
              {"candidates": f"{RAW}/captions.csv", "references": f"{RAW}/karpathy.json"},
              {"candidates": f"{RAW}/captions.json", "references": "world/scenes/references.json"}],
    "caption": [{"run": RUN, "n": "2"}, {"run": RUN, "images": f"{RAW}/photos", "html": "page.html"}],
    "serve": [{"run": RUN, "scenes": True, "port": "0"}],
    "benchmark_serve": [{"photos": f"{RAW}/photos/photo-0.png", "url": "http://127.0.0.1:9"}],
    "prepare_data csv": [{"captions": f"{RAW}/captions.csv", **FEATURES},
                         {"captions": f"{RAW}/captions.json", **FEATURES},
                         {"captions": f"{RAW}/captions.csv", "out": "made", **PHOTOS}],
    "prepare_data flickr8k": [{"captions": f"{RAW}/tokens.txt", "splits": f"{RAW}/splits", **FEATURES}],
    "prepare_data karpathy": [{"json": f"{RAW}/karpathy.json", "pooled": f"{RAW}/pooled.h5", **FEATURES}],
    "prepare_data coco": [{"train": f"{RAW}/coco_train.json", "val": f"{RAW}/coco_val.json", "out": "made",
                           "train_features": f"{RAW}/features.h5", "val_features": f"{RAW}/features.h5"}],
    "prepare_data cocopt": [{"file": f"{RAW}/coco.pt", "out": "made"}],
    "prepare_data scenes": [{"out": "made"}],
    "extract_features": [{"out": "made.h5", **PHOTOS}, {"list": f"{RAW}/model.onnx"}],
    "convert_features": [{"input": f"{RAW}/features.npz", "out": "made.h5", "dataset": "features"},
                         {"input": f"{RAW}/features.npy", "names": f"{RAW}/names.txt", "layout": "rows,L,D",
                          "out": "made.h5"}],
    "fetch_data": [{"name": "cs231n", "out": "made"},
                   {"name": "mobilenet", "out": "made", "file": f"{RAW}/model.onnx"}],
    "make_assignment": [{"out": "made"}, {"out": "made", "variants": True, "roster": f"{RAW}/roster.csv"}],
    "make_autograder": [{"platform": "gradescope", "out": "grader.zip", "secret": f"{RAW}/names.txt"}],
    "make_notebooks": [{"execute": f"{RAW}/book.ipynb"}],
    "pack_submission": [{"student": "7", "out": "mine.zip"}],
    "grade": [{"submission": f"{RAW}/work", "out": "results.json"}, {"submission": f"{RAW}/work.zip", "task": "1"},
              {"folder": RAW, "out": "grades.csv"}],
    "prove_assignment": [{}],
    "benchmark": [{"rounds": "1", "steps": "1", "threads": "1", "json": "times.json"}, {"growth": "growth.png"}],
    "kill_matrix": [{"out": "kills.md", "seeds": "1"}],
    "grade_matrix": [{"out": "grades.md", "one": True}],
    "grade_variants": [{"out": "grades.md", "ids": "1"}],
    "hostile_table": [{"out": "hostile.md", "only": "fork"}],
    "gradcheck": [{"functions": f"{RAW}/layer.py", "json": "checks.json"}, {"json": "checks.json"},
                  {"functions": PAIR, "shapes": "x=N,D"}],
}
# how often, if not 4: commands that read no files but their options, and long ones
WEIGHTS = {"benchmark": 1, "kill_matrix": 1, "grade_matrix": 1, "grade_variants": 1, "hostile_table": 1,
           "prove_assignment": 0.5, "fetch_data": 1, "make_assignment": 1, "make_autograder": 1, "make_notebooks": 1,
           "benchmark_serve": 1, "pack_submission": 1,
           "serve": 2, "prepare_data scenes": 1, "prepare_data cocopt": 2, "report": 2, "evaluate": 3, "release": 2}
EXIT_1 = {"check_attention", "diagnose", "grade_matrix", "grade_variants", "hostile_table", "kill_matrix",
          "pack_submission", "prove_assignment", "train", "gradcheck"}         # these document an exit code of 1

# dest, or (command, dest) -> what the path ought to lead to, the key of an output, or None for no path
PATHS = {
    "run": "attention|lstm|attention/best.h5|lstm/last.h5|released/model.h5", "resume": "lstm|attention|lstm/last.h5",
    "from_run": "lstm|attention/best.h5", "ensemble": "attention|lstm", "against": "attention|lstm", "data": "scenes",
    "candidates": "raw/captions.json|raw/captions.csv", "references": "raw/references.json|raw/karpathy.json",
    "captions": "raw/captions.csv|raw/captions.json|raw/tokens.txt", "splits": "raw/splits",
    "train": "raw/coco_train.json", ("prepare_data", "json"): "raw/karpathy.json", "file": "raw/coco.pt",
    "features": "raw/features.h5", "pooled": "raw/pooled.h5", "train_features": "raw/features.h5",
    "val_features": "raw/features.h5", "train_pooled": "raw/pooled.h5", "val_pooled": "raw/pooled.h5",
    "encoder": "raw/model.onnx", "list": "raw/model.onnx", "images": "raw/photos|raw/photos/photo-0.png",
    "names": "raw/names.txt", "input": "raw/features.npz|raw/features.npy|raw/features.h5|raw/photos",
    "execute": "raw/book.ipynb", "submission": "raw/work|raw/work.zip", "folder": "raw", "functions": "raw/layer.py",
    "secret": "raw/names.txt", "roster": "raw/roster.csv",
    "photos": "raw/photos/photo-0.png", ("diagnose", "images"): None, ("diagnose", "json"): None,
    "out": "folder", "per_image": "csv", "growth": "png", "html": "html", "json": "json", "plot": "folder",
    ("report", "out"): "html", ("show_batch", "out"): "png", ("check_attention", "out"): "json",
    ("extract_features", "out"): "h5", ("convert_features", "out"): "h5", ("release", "out"): "h5",
    ("pack_submission", "out"): "zip", ("fetch_data", "file"): "raw/model.onnx",
    ("grade", "out"): "json", ("kill_matrix", "out"): "md", ("grade_matrix", "out"): "md",
    ("grade_variants", "out"): "md", ("hostile_table", "out"): "md", ("make_autograder", "out"): "zip",
}
OUTPUTS = {"folder": "made", "csv": "new.csv", "json": "new.json", "png": "new.png", "html": "new.html", "h5": "new.h5",
           "zip": "new.zip", "md": "new.md"}
