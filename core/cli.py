"""The console command: the same computations as the pages, as text, JSON and files.

Nothing heavy is imported before a sub-command runs, so `--help` answers at once.
Exit codes: 0 done; 1 done in part, or a check failed; 2 nothing could be done, with one line on what to do.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from core.errors import InvariscopeError

EXIT_PART, EXIT_ERROR = 1, 2
DEFAULT_PAIR = "supervised,simclr"


def _ids(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("name at least one, separated by commas")
    return list(dict.fromkeys(names))


def _add_common(parser: argparse.ArgumentParser, device: bool = True) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    if device:
        parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--weights-dir", metavar="DIR", help="folder of fetched weights (also INVARISCOPE_WEIGHTS)")


def _add_contenders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--encoders", type=_ids, default=_ids(DEFAULT_PAIR), metavar="A,B", help="encoder ids")
    parser.add_argument("--task", default="tiny-imagenet", help="label space of the heads (default: tiny-imagenet)")


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fit",
        choices=("crop", "squash", "pad"),
        default="crop",
        help="how oblong images meet square inputs: the middle, squeezed, or whole between grey bars (default: crop)",
    )
    parser.add_argument("--bands", default="", metavar="R,G,B", help="of TIFFs of many bands, counted from 1")


def _add_study(study: argparse.ArgumentParser) -> None:
    study.add_argument("plan", nargs="?", metavar="PLAN.toml", help="a plan; the options below change it")
    study.add_argument("--encoders", type=_ids, metavar="A,B", help="encoder ids")
    study.add_argument("--datasets", metavar="C,folder:PATH", help="ids or addresses of data sets")
    study.add_argument("--drop-duplicates", action="store_true", help="leave out what folders hold more than once")
    study.add_argument("--protocols", type=_ids, metavar="P,Q", help="default: linear,knn")
    study.add_argument("--seeds", type=int, help="how many, where there is randomness (default: 1)")
    study.add_argument("--out", metavar="DIR", help="folder or address of the study; its last part is the study's id")
    study.add_argument("--name", help="id of the study, when there is no --out")
    study.add_argument("--title", help="as people read it")
    study.add_argument("--data", metavar="DIR", help="folder of the data sets (also INVARISCOPE_DATA)")
    study.add_argument("--cache", metavar="DIR", help="folder of cached features (also INVARISCOPE_CACHE)")
    study.add_argument("--option", action="append", default=[], metavar="PROTOCOL.NAME=VALUE", help="of a protocol")
    study.add_argument("--no-logits", action="store_true", help="keep no side table of logits")
    study.add_argument("--engine", default="local", help="local or ray")
    study.add_argument("--ray-address", metavar="ADDRESS", help="of a running Ray cluster (default: start one here)")
    study.add_argument(
        "--engine-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of ray: cache=ADDRESS, cpus_per_task=N, gpus_per_task=SHARE, log=true",
    )
    study.add_argument("--progress", metavar="FILE", help=argparse.SUPPRESS)
    _add_common(study)


def _add_results(results: argparse.ArgumentParser) -> None:
    actions = results.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the studies of all result folders (INVARISCOPE_RESULTS)")
    listing.add_argument("--json", action="store_true", help="print JSON instead of text")
    query = actions.add_parser("query", help="answer a SELECT over the views rows, logits and distances of a study")
    query.add_argument("study", metavar="STUDY")
    query.add_argument("sql", metavar="SQL")
    query.add_argument("--limit", type=int, default=1000, help="rows to print, 0 for all (default: 1000)")
    query.add_argument("--json", action="store_true", help="print JSON instead of text")
    export = actions.add_parser("export", help="write a table of a study to a file")
    export.add_argument("study", metavar="STUDY")
    export.add_argument("--out", required=True, metavar="FILE")
    export.add_argument("--format", help="csv, csv-excel, parquet or latex (default: by the ending of --out)")
    export.add_argument(
        "--table", default="accuracy", help="accuracy, paired, gap, controls, distances or rows (default: accuracy)"
    )
    export.add_argument("--protocol", metavar="P", help="default: the study's first, and for rows all")
    export.add_argument("--first", metavar="ENCODER", help="of paired (default: the first supervised one)")
    export.add_argument("--second", metavar="ENCODER", help="of paired (default: the first self-supervised one)")
    export.add_argument("--json", action="store_true", help="print JSON instead of text")


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fetch", metavar="ID", help="download the weights of an encoder and its heads")
    _add_common(parser, device=False)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    verify = actions.add_parser("verify", help="check that encoders load right: layouts, addresses, hashes, gates")
    verify.add_argument("ids", nargs="*", metavar="ID", help="default: --all")
    verify.add_argument("--all", action="store_true", help="every encoder of the catalog")
    verify.add_argument("--offline", action="store_true", help="only what needs no network")
    verify.add_argument("--markdown", action="store_true", help="print the table that stands in the README")
    _add_common(verify, device=False)
    convert = actions.add_parser("convert", help="keep the tensors of a file that holds more; nothing in it runs")
    convert.add_argument("what", metavar="ID|FILE", help="an encoder (its files are fetched), or a file")
    convert.add_argument("--container", metavar="A.B", help="keep only what is under these names of a FILE")
    convert.add_argument("--out", metavar="FILE.safetensors", help="where a FILE's tensors go (default: beside it)")
    _add_common(convert, device=False)
    add = actions.add_parser("add", help="use a file of weights of your own, where it is")
    add.add_argument("file", metavar="FILE")
    add.add_argument("--like", required=True, metavar="ID|METHOD", help="whose way of reading a file fits")
    add.add_argument(
        "--arch", default="", metavar="NAME", help="the network, as timm calls it (default: that of --like)"
    )
    add.add_argument("--id", default="", help="what the encoder will be called (default: the file's name)")
    _add_common(add, device=False)
    accept = actions.add_parser("accept", help="accept a licence that weights ask for, once")
    accept.add_argument("licence", metavar="LICENCE", help="dinov3, seer or sapiens2")
    actions.add_parser("refresh", help="write the catalog's entries of the installed timm again")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="invariscope",
        description="How do self-supervised and supervised representations generalize? "
        "Without a command: the dashboard.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("--port", type=int, default=8501, help="of the dashboard (default: 8501)")
    parser.add_argument("--host", default="localhost", help="address the dashboard listens on (default: localhost)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    parser.add_argument("--weights-dir", metavar="DIR", help="folder of fetched weights (also INVARISCOPE_WEIGHTS)")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    _add_models(commands.add_parser("models", help="list, fetch, check, convert and add encoders"))

    predict = commands.add_parser("predict", help="classify images by several encoders")
    predict.add_argument("images", nargs="+", metavar="IMAGE")
    predict.add_argument("--top", type=int, default=5, help="classes to print (default: 5)")
    _add_pictures(predict)
    _add_contenders(predict)
    _add_common(predict)

    attribute = commands.add_parser("attribute", help="write attribution maps of an image")
    attribute.add_argument("image", metavar="IMAGE")
    attribute.add_argument("--class", dest="class_name", metavar="NAME", help="default: each encoder's own answer")
    attribute.add_argument("--method", default="grad-cam", help="grad-cam, occlusion or integrated-gradients")
    attribute.add_argument("--out", required=True, metavar="DIR")
    _add_pictures(attribute)
    _add_contenders(attribute)
    _add_common(attribute)

    sweep = commands.add_parser("sweep", help="measure invariance over an augmentation's strength")
    sweep.add_argument("paths", nargs="+", metavar="PATH", help="images, or folders of images")
    sweep.add_argument("--augmentation", default="rotation")
    sweep.add_argument("--seeds", type=int, default=5, help="random draws an image (default: 5)")
    sweep.add_argument("--out", required=True, metavar="FILE.parquet")
    _add_pictures(sweep)
    _add_contenders(sweep)
    _add_common(sweep)

    _add_study(commands.add_parser("study", help="run a study: encoders × data sets × protocols, or go on with one"))

    datasets = commands.add_parser("datasets", help="list the data sets, or fetch one")
    datasets.add_argument("--fetch", metavar="ID", help="download a data set; 'pathmnist?size=224' names a size")
    datasets.add_argument("--data", metavar="DIR", help="folder of the data sets (also INVARISCOPE_DATA)")
    datasets.add_argument("--json", action="store_true", help="print JSON instead of text")

    pretrain = commands.add_parser("pretrain", help="train one member of the controlled family")
    pretrain.add_argument("recipe", metavar="RECIPE", help="a packaged name such as small/simclr, or a TOML file")
    pretrain.add_argument("--data", required=True, metavar="DIR", help="folder with train/<class>/ and test/<class>/")
    pretrain.add_argument("--data-name", default="Tiny ImageNet", help="what the card calls the data")
    pretrain.add_argument("--run", metavar="DIR", help="folder of the checkpoint (default: runs/<id>)")
    pretrain.add_argument("--out", metavar="ASSETS", help="assets folder to write to (default: the app's own)")
    _add_common(pretrain)

    heads = commands.add_parser("fit-heads", help="fit and measure heads for a labelled image folder")
    heads.add_argument("data", metavar="DIR", help="folder with train/<class>/ and test/<class>/")
    heads.add_argument("--task", required=True, help="id of the label space")
    heads.add_argument("--encoders", type=_ids, default=_ids("supervised,simclr,random"), metavar="A,B")
    heads.add_argument("--drop-duplicates", action="store_true", help="leave out what the folder holds more than once")
    heads.add_argument("--every", type=int, default=1, help="use one class in EVERY (default: all)")
    heads.add_argument("--label", help="the task as people read it; needed once, for a new task")
    heads.add_argument("--domain", choices=("source", "similar", "different"), help="needed once, for a new task")
    heads.add_argument("--source", default="unknown", help="where the images came from")
    heads.add_argument("--licence", default="unknown", help="of the images")
    heads.add_argument("--note", default="", help="what people must know before they trust an answer")
    heads.add_argument("--out", metavar="ASSETS", help="assets folder to write to (default: the app's own)")
    _add_common(heads)

    _add_results(commands.add_parser("results", help="list, query and export the results of studies"))

    bench = commands.add_parser("bench", help="measure speed against a bare forward pass and other tools")
    bench.add_argument("--quick", action="store_true", help="fewer repetitions, packaged encoders only")
    _add_common(bench)

    doctor = commands.add_parser("doctor", help="check the installation")
    _add_common(doctor)
    return parser


HANDLERS = {
    "models": "core.commands.models",
    "predict": "core.commands.predict",
    "attribute": "core.commands.attribute",
    "sweep": "core.commands.sweep",
    "study": "core.commands.study",
    "datasets": "core.commands.datasets",
    "pretrain": "core.commands.pretrain",
    "fit-heads": "core.commands.fit_heads",
    "results": "core.commands.results",
    "bench": "core.commands.bench",
    "doctor": "core.commands.doctor",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = build_parser().parse_args(argv)
    if arguments.version:
        from core import __version__

        print(f"invariscope {__version__}")
        return 0
    if arguments.weights_dir:
        os.environ["INVARISCOPE_WEIGHTS"] = arguments.weights_dir
    module = HANDLERS.get(arguments.command, "core.commands.dashboard")
    if arguments.command == "models" and arguments.action in ("verify", "convert"):
        module = f"core.commands.models_{arguments.action}"
    try:
        return importlib.import_module(module).run(arguments)
    except InvariscopeError as error:
        print(f"invariscope: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("invariscope: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
