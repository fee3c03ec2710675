"""tocsin: hears public opinion turning, rings within seconds, says why.

The command line: each verb reads its options and calls one function of ``streams``, ``models`` or
``trainer``, imported only then, so that ``tocsin --help`` is instant and a serving install needs no torch.
"""

from __future__ import annotations

import enum
import runpy
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

import tocsin_archive
import tocsin_ingest
import tocsin_learning
import tocsin_models
from tocsin_models import Brokers, Config, Json, Prefix, Release, settings

app = typer.Typer(
    name="tocsin",
    help=__doc__.split("\n\n", 1)[0] + "\n\nStart with `tocsin demo`; on your own Kafka with `tocsin doctor`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
LIVE, FILES, MODEL, CARE = "On a stream", "On files, without Kafka", "The model", "Looking after it"

topics_app = typer.Typer(no_args_is_help=True, help="Make or list the topics tocsin needs.")
dlq_app = typer.Typer(no_args_is_help=True, help="Look at dead letters, or send them through again.")
alerts_app = typer.Typer(no_args_is_help=True, help="Look back at alerts.")
watchlist_app = typer.Typer(no_args_is_help=True, help="Make a watch-list of entities.")
app.add_typer(tocsin_ingest.ingest_app, name="ingest", rich_help_panel=LIVE)
app.add_typer(tocsin_models.release_app, name="release", rich_help_panel=MODEL)
app.add_typer(tocsin_models.taxonomy_app, name="taxonomy", rich_help_panel=MODEL)
app.add_typer(watchlist_app, name="watchlist", rich_help_panel=CARE)
app.add_typer(topics_app, name="topics", rich_help_panel=CARE)
app.add_typer(dlq_app, name="dlq", rich_help_panel=CARE)
app.add_typer(alerts_app, name="alerts", rich_help_panel=CARE)


class Role(enum.StrEnum):
    score = "score"
    watch = "watch"


class Precision(enum.StrEnum):
    auto = "auto"
    fp32 = "fp32"
    int8 = "int8"
    fp16 = "fp16"


InputFile = Annotated[Path, typer.Argument(help="JSONL file of documents; - reads standard input.")]


def leave(status: int) -> NoReturn:
    raise typer.Exit(status)


@app.command(rich_help_panel=LIVE)
def demo(
    config: Config = None,
    speed: Annotated[
        float | None, typer.Option(help="Event seconds per second; default: the day in about a minute.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample stream.")] = 7,
    keep_running: Annotated[bool, typer.Option("--keep-running", help="Stay up after the sample has ended.")] = False,
    learn: Annotated[
        bool, typer.Option("--learn", help="Watch it learn instead: drift, labels, a cycle, the gate, a swap; minutes.")
    ] = False,
) -> None:
    """Watch it ring: the whole line on an embedded broker, over a sample stream.

    Nothing to install or start beside it, but for --learn the extra `train`. The broker lives in memory, to look at.
    """
    if learn:
        if speed is not None or seed != 7 or keep_running:
            raise typer.BadParameter(
                "--learn goes with none of --speed, --seed and --keep-running: it has a sample of its own"
            )
        from streams.demo.learn import run as watch

        leave(watch(settings(config)))
    from streams.demo.run import run

    leave(run(settings(config), speed=speed, seed=seed, keep_running=keep_running))


@app.command(rich_help_panel=LIVE)
def worker(
    config: Config = None,
    brokers: Brokers = None,
    prefix: Prefix = None,
    role: Annotated[
        list[Role] | None, typer.Option(help="Only this part of the work; default: score and watch.")
    ] = None,
    create_topics: Annotated[bool, typer.Option("--create-topics", help="Make missing topics first.")] = False,
    prime: Annotated[
        list[str] | None, typer.Option(metavar="[STREAM=]FILE", help="JSONL history that gives baselines a start.")
    ] = None,
) -> None:
    """Score documents and watch for spikes, on Kafka, until stopped.

    Runs in the foreground and logs to stderr. SIGTERM ends it cleanly (exit 0). Exit 70 asks the supervisor
    for a restart, 2 for a human: settings, missing topics or a refused release.
    """
    from streams.worker import run

    roles = {chosen.value for chosen in role or list(Role)}
    leave(run(settings(config, brokers=brokers, prefix=prefix), roles, create_topics=create_topics, prime=prime or ()))


@app.command(rich_help_panel=LIVE)
def notify(config: Config = None, brokers: Brokers = None, prefix: Prefix = None) -> None:
    """Deliver alerts to console, Alertmanager and webhooks, until stopped.

    Keeps an outbox on disk: an alert may reach a sink twice, always with the same id, and is never lost.
    """
    from streams.notify.notifier import run

    leave(run(settings(config, brokers=brokers, prefix=prefix)))


@app.command(rich_help_panel=LIVE)
def annotate(config: Config = None, brokers: Brokers = None, prefix: Prefix = None) -> None:
    """Tell of each alert, after it rang, whether the world moved or the model, and by which words; until stopped.

    Reads stories of calm days again with the release that was in use then. The alert itself waits for nothing.
    """
    from streams.annotate.annotator import run

    leave(run(settings(config, brokers=brokers, prefix=prefix)))


@alerts_app.command("precision")
def alerts_precision(
    as_json: Json = False, config: Config = None, brokers: Brokers = None, prefix: Prefix = None
) -> None:
    """Tell, rule by rule, how many alerts rang and how many of those that people judged were right."""
    from streams.operate.verdicts import precision

    leave(precision(settings(config, brokers=brokers, prefix=prefix), as_json))


@app.command(rich_help_panel=FILES)
def score(
    input: InputFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="JSONL; - writes standard output.")],
    config: Config = None,
    release: Release = None,
    precision: Annotated[Precision, typer.Option(help="auto: the best the device runs.")] = Precision.auto,
) -> None:
    """Score a file offline: a line out for each line in, in order.

    A line that cannot be scored becomes {"id", "error"}; the exit status stays 0 and errors are counted.
    """
    from streams.offline.score import run

    leave(run(settings(config), input, output, release, precision.value))


@app.command(rich_help_panel=FILES)
def backtest(
    inputs: Annotated[list[str], typer.Argument(metavar="[STREAM=]FILE...", help="JSONL; - reads standard input.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="JSONL, a line per alert transition.")],
    config: Config = None,
    budget: Annotated[float | None, typer.Option(help="False alarms per series and day; default: the rules'.")] = None,
    report: Annotated[Path | None, typer.Option(help="HTML report with plots, and what other budgets ring.")] = None,
    feedback: Annotated[
        Path | None, typer.Option(help="JSONL of the feedback topic: what was dismissed was a false alarm.")
    ] = None,
) -> None:
    """Tell which alerts a history would have raised, with the functions that run live.

    A file belongs to the first stream of the settings unless it is named, as in `reviews=shop.jsonl`.
    """
    from streams.offline.backtest import run

    leave(run(settings(config), inputs, output, budget, report, feedback))


@app.command(rich_help_panel=FILES)
def detect(
    input: Annotated[Path, typer.Argument(help="CSV: series,start,total[,negative][,copies]; 5- or 15-minute rows.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="CSV: the rows with score, threshold, state, alert_id.")
    ],
    budget: Annotated[float, typer.Option(min=0, help="False alarms per series and day.")] = 0.01,
) -> None:
    """Run the detector alone over counts. Without `negative`, volume alone decides."""
    from streams.offline.detect import run

    leave(run(input, output, budget))


@app.command(rich_help_panel=LIVE)
def replay(
    input: InputFile,
    topic: Annotated[str, typer.Option(help="Input topic to send to.")] = "news",
    speed: Annotated[float, typer.Option(min=0, help="Event seconds per second; 0: as fast as it goes.")] = 0,
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move the times so that the last is now.")
    ] = False,
    flush: Annotated[
        bool, typer.Option("--flush", help="Wait until all is scored, then close the last windows.")
    ] = False,
    config: Config = None,
    brokers: Brokers = None,
    prefix: Prefix = None,
) -> None:
    """Replay a file into Kafka by its event times, at a chosen speed.

    The last windows of a history stay open, for no later event closes them, unless you say `--flush`.
    """
    from streams.operate.feed import replay as run

    loaded = settings(config, brokers=brokers, prefix=prefix)
    leave(run(loaded, input, topic, speed=speed, shift_to_now=shift_to_now, flush=flush))


@topics_app.command("create")
def topics_create(config: Config = None, brokers: Brokers = None, prefix: Prefix = None) -> None:
    """Make the topics that are missing, with the right cleanup policies."""
    from streams.operate.admin import create_topics

    made = create_topics(settings(config, brokers=brokers, prefix=prefix))
    typer.echo("\n".join(f"made {name}" for name in made) or "nothing is missing")


@topics_app.command("list")
def topics_list(config: Config = None, brokers: Brokers = None, prefix: Prefix = None) -> None:
    """Name every topic with its partitions; missing ones are marked, and make the exit status 1."""
    from streams.operate.admin import partition_counts

    loaded = settings(config, brokers=brokers, prefix=prefix)
    names = [topic.name for topic in loaded.topics.all()]
    counts = partition_counts(loaded, names)
    for name in names:
        typer.echo(f"{name}\t{counts.get(name, 'missing')}")
    leave(0 if len(counts) == len(names) else 1)


@topics_app.command("acls")
def topics_acls(
    apply: Annotated[bool, typer.Option("--apply", help="Set them, as a user who may; else print a script.")] = False,
    config: Config = None,
    brokers: Brokers = None,
    prefix: Prefix = None,
) -> None:
    """Give each component a principal, `<prefix>-<component>`, that may do its own job and nothing else."""
    from streams.operate.rights import grant, script

    loaded = settings(config, brokers=brokers, prefix=prefix)
    typer.echo(f"{grant(loaded)} rights are set" if apply else script(loaded), nl=apply)


@dlq_app.command("show")
def dlq_show(
    topic: Annotated[str | None, typer.Option(help="Only of this input topic.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only of this stage: size, decode, validate, score.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest N.")] = 20,
    as_json: Json = False,
    config: Config = None,
    brokers: Brokers = None,
    prefix: Prefix = None,
) -> None:
    """Show dead letters: where each came from, at which stage it failed and why."""
    from streams.operate.deadletters import show

    leave(
        show(settings(config, brokers=brokers, prefix=prefix), topic=topic, stage=stage, limit=limit, as_json=as_json)
    )


@dlq_app.command("replay")
def dlq_replay(
    topic: Annotated[str | None, typer.Option(help="Only of this input topic.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, send nothing.")] = False,
    config: Config = None,
    brokers: Brokers = None,
    prefix: Prefix = None,
) -> None:
    """Send dead letters back to their input topics, each once; a third time is refused."""
    from streams.operate.deadletters import replay as run

    leave(run(settings(config, brokers=brokers, prefix=prefix), topic=topic, dry_run=dry_run))


@watchlist_app.command("import")
def watchlist_import(
    gazetteer: Annotated[Path, typer.Argument(help="JSONL, plain or gzipped: text (a name), ticker, aliases.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="TOML watch-list.")],
    most: Annotated[int | None, typer.Option(min=1, help="Only the first N companies.")] = None,
) -> None:
    """Make a watch-list of a gazetteer, such as the SEC's tickers or the S&P 500.

    Names that are ordinary words get a rule that asks for context. Look the file over, then name it in
    `intake.watchlist`.
    """
    from streams.intake.gazetteer import import_gazetteer

    imported = import_gazetteer(gazetteer, most=most)
    output.write_text(imported.to_toml(), encoding="utf-8")
    typer.echo(f"{len(imported.entities)} entities in {output}", err=True)


@app.command(rich_help_panel=CARE)
def doctor(config: Config = None, brokers: Brokers = None, prefix: Prefix = None, as_json: Json = False) -> None:
    """Check everything a worker needs and say what to do about what is wrong (exit 1)."""
    from streams.operate.doctor import run

    leave(run(settings(config, brokers=brokers, prefix=prefix), as_json=as_json))


@app.command(rich_help_panel=CARE, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(
    context: typer.Context, name: Annotated[str, typer.Argument(help="A file of tests/bench, such as intake.")]
) -> None:
    """Run one benchmark of a checkout and print its figures as JSON; `make bench` runs all."""
    from streams.errors import InputError

    folder = Path(__file__).parent / "tests" / "bench"
    path = folder / f"{name}.py"
    if not name.isidentifier() or not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("[a-z]*.py"))) or "none: benchmarks come with a checkout"
        raise InputError(f"there is no benchmark {name!r}; there are: {known}")
    sys.path.insert(0, str(folder.parent.parent))  # benchmarks import from `tests` and `deploy`
    sys.argv = [str(path), *context.args]
    runpy.run_path(str(path), run_name="__main__")


app.command(rich_help_panel=LIVE)(tocsin_archive.archive)
app.command(rich_help_panel=LIVE)(tocsin_archive.search)
app.command(rich_help_panel=LIVE)(tocsin_learning.trainer)
app.command(rich_help_panel=CARE)(tocsin_learning.feedback)
app.command(rich_help_panel=FILES)(tocsin_models.explain)
app.command(rich_help_panel=FILES)(tocsin_models.drift)
app.command(rich_help_panel=MODEL)(tocsin_models.train)
app.command("eval", rich_help_panel=MODEL)(tocsin_models.evaluate)


def main() -> None:
    """Run the command line; what went wrong on purpose is one message on stderr and exit status 2."""
    from models.errors import ModelError
    from streams.errors import EXIT_USAGE, TocsinError
    from trainer.errors import TrainerError

    try:
        app()
    except (TocsinError, ModelError, TrainerError) as exc:
        typer.echo(f"tocsin: {exc}", err=True)
        sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    main()
