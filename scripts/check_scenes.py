"""Check captions of scenes: how many name a colour and shape ("red circle"), and how many of these are right."""
from scripts.commandline.command import run
from scripts.commandline.next_steps import print_next
from scripts.commandline.parser import Parser
from scripts.commandline.run_options import add_data, add_run, add_split
from scripts.evaluation.captions import caption_images
from scripts.evaluation.scenes import grade, read_objects
from scripts.runs import load_run, open_run_data


def parse(argv=None):
    parser = Parser(prog="python -m scripts.check_scenes", description=__doc__)
    add_run(parser, "folder of a run on scenes")
    add_split(parser, "test")
    add_data(parser)
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    checkpoint = load_run(args.run)
    dataset = open_run_data(checkpoint, args.data)
    path = dataset.folder / "objects.json"
    if not path.is_file():
        raise ValueError(f"{args.run}: trained on {dataset.name}, expected a run on scenes (no {path})")
    rows, _, captions = caption_images(checkpoint.model, dataset, args.split)
    objects = read_objects(path, len(dataset.features[args.split]))
    naming, right = grade(captions, [objects[row] for row in rows])
    print(f"{len(captions)} pictures of {args.split}: {naming:.1%} of captions name a colour and shape, "
          f"{right:.1%} of those named are in the picture")
    print_next("check_scenes", run=args.run)


if __name__ == "__main__":
    run(main)
