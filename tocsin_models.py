"""The verbs about models: releases, and why one says what it says.

A part of :mod:`tocsin`, which stays short enough to read in one sitting.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

release_app = typer.Typer(no_args_is_help=True, help="List, check and choose model releases.")

Config = Annotated[Path | None, typer.Option("--config", help="Settings file; default: tocsin.toml here, if any.")]
Release = Annotated[str | None, typer.Option("--release", help="Alias, version or directory; default: the settings'.")]
ReleaseName = Annotated[str, typer.Argument(help="An alias (champion, previous, candidate) or a version.")]
Why = Annotated[str, typer.Option(help="Goes into the registry's history.")]
Hint = Annotated[bool, typer.Option("--hint", help="Tell the workers through Kafka; else they look by themselves.")]
Brokers = Annotated[str | None, typer.Option("--brokers", help="HOST:PORT,... (or TOCSIN_BROKERS).")]
Prefix = Annotated[str | None, typer.Option("--prefix", help="Of topics and groups (or TOCSIN_PREFIX).")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def settings(config: Path | None, **overrides: Any) -> Any:
    """The validated settings with this command line's overrides, and logging set up by them."""
    from streams import logs
    from streams.settings import load

    loaded = load(config, **overrides)
    logs.configure(loaded.log)
    return loaded


def shelf(config: Path | None) -> Any:
    """The registry that the settings name, with the shipped release in it."""
    from models.assembly import ensure_shipped
    from models.registry import Registry

    root = settings(config).scoring.registry
    ensure_shipped(root)
    return Registry(root)


@release_app.command("list")
def release_list(config: Config = None, as_json: Json = False) -> None:
    """List the releases of the registry and the aliases that point at them."""
    registry = shelf(config)
    aliases = registry.aliases()
    if as_json:
        typer.echo(json.dumps({"versions": registry.versions(), "aliases": aliases}, indent=2))
        return
    for version in registry.versions():
        names = ", ".join(alias for alias, at in aliases.items() if at == version)
        typer.echo(f"{version}\t{names}")


@release_app.command("show")
def release_show(release: ReleaseName = "champion", config: Config = None) -> None:
    """Print a release's manifest as JSON: labels, files, figures, lineage."""
    import msgspec

    manifest = shelf(config).manifest(release)
    typer.echo(msgspec.json.format(msgspec.json.encode(manifest), indent=2).decode())


@release_app.command("history")
def release_history(config: Config = None) -> None:
    """Print who moved which alias, when and why; a JSON line each, oldest first."""
    for event in shelf(config).history():
        typer.echo(json.dumps(event))


@release_app.command("add")
def release_add(
    directory: Annotated[Path, typer.Argument(help="What a release holds; see docs/own-model.md.")],
    config: Config = None,
    why: Why = "by hand",
) -> None:
    """Put a release that was made elsewhere into the registry, once it has been tried out. No alias moves."""
    version = shelf(config).add(directory, reason=why)
    typer.echo(f"{version} is in the registry; `tocsin release judge {version} ...`, then `tocsin release promote`")


@release_app.command("verify")
def release_verify(release: ReleaseName = "champion", config: Config = None) -> None:
    """Check every byte of a release and load it; exit 2 with the reason where it must not serve."""
    from models.scorer import Scorer

    registry = shelf(config)
    version = registry.verify(release).version
    scorer = Scorer.load(registry.resolve(release))
    typer.echo(f"{version} is whole and loads ({scorer.precision} on {scorer.provider})")


@release_app.command("promote")
def release_promote(release: ReleaseName, config: Config = None, why: Why = "by hand", hint: Hint = False) -> None:
    """Make RELEASE the champion, after verifying it. Workers try it out and then serve it, without a stop."""
    _moved(config, shelf(config).promote(release, reason=why), hint)


@release_app.command("rollback")
def release_rollback(config: Config = None, why: Why = "by hand", hint: Hint = False) -> None:
    """Make the previous champion the champion again. Workers keep it loaded and turn back at once."""
    _moved(config, shelf(config).rollback(reason=why), hint)


@release_app.command("judge")
def release_judge(
    candidate: ReleaseName,
    anchors: Annotated[Path, typer.Option(help="Labelled rows, or a directory of labelled sets: never trained on.")],
    recent: Annotated[Path | None, typer.Option(help="Labelled rows of late: never trained on.")] = None,
    unlabelled: Annotated[Path | None, typer.Option(help="Rows of late with a text, to count what changes.")] = None,
    history: Annotated[
        list[str] | None, typer.Option(metavar="[STREAM=]FILE", help="JSONL: tell which alerts would be others.")
    ] = None,
    against: Annotated[str, typer.Option(help="The release it is held against.")] = "champion",
    drifted: Annotated[bool, typer.Option("--drifted", help="Ask for a gain on the recent rows.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Make it the champion where it passes.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Judge CANDIDATE by every check of the gate and keep the verdict; exit 1, naming the checks, where it fails."""
    from trainer.command import judge as run

    registry, loaded = shelf(config), settings(config)
    reports = [_alerts_changed(loaded, history, against, candidate)] if history else []
    verdict = run(
        candidate, against, registry, anchors, recent=recent, unlabelled=unlabelled, drifted=drifted, reports=reports
    )
    if as_json:
        typer.echo(json.dumps(verdict.as_dict(), indent=2, ensure_ascii=False))
    else:
        for check in verdict.checks:
            typer.echo(f"{'held' if check.held else 'FAILED'}\t{check.name}\t{check.why or json.dumps(check.figures)}")
        typer.echo(f"{verdict.candidate}: {verdict.summary()}")
    if not verdict.passed:
        raise typer.Exit(1)
    if promote:
        _moved(config, registry.promote(candidate, reason=verdict.summary()), hint=False)


def _alerts_changed(loaded: Any, history: list[str], champion: str, candidate: str) -> Any:
    """The report on alerts that the history would have raised with either release."""
    import tempfile

    import msgspec

    from streams.offline.backtest import run
    from streams.records import Alert
    from trainer.gate.alerts import regression

    told: list[list[Alert]] = []
    with tempfile.TemporaryDirectory() as place:
        for release in (champion, candidate):
            output = Path(place) / "alerts.jsonl"
            scoring = loaded.scoring.model_copy(update={"release": release})
            run(loaded.model_copy(update={"scoring": scoring}), history, output)
            told.append([msgspec.json.decode(line, type=Alert) for line in output.read_bytes().splitlines()])
    return regression(*told)


@release_app.command("nominate")
def release_nominate(release: ReleaseName, config: Config = None, why: Why = "by hand", hint: Hint = False) -> None:
    """Make RELEASE the candidate: workers let it read a part of the stream and count where it differs; nothing of
    what it says is sent."""
    registry = shelf(config)
    version = registry.resolve(release).name
    registry.nominate(version, reason=why)
    _moved(config, version, hint, alias="candidate")


def _moved(config: Path | None, version: str, hint: bool, alias: str = "champion") -> None:
    typer.echo(f"{alias} is {version}")
    if hint:
        from streams.operate.hints import tell

        tell(settings(config), alias, version)


def explain(
    text: Annotated[str, typer.Argument(help="What to explain; - reads standard input.")],
    entity: Annotated[str | None, typer.Option(help="A name in the text: explain the sentiment toward it.")] = None,
    target: Annotated[
        str, typer.Option(help="sentiment, negative, positive, a taxonomy (finance), or a label (finance:Earnings).")
    ] = "sentiment",
    as_json: Json = False,
    config: Config = None,
    release: Release = None,
) -> None:
    """Say which words made the release say what it says of TEXT.

    Each word is left out in turn; its weight is by how much the log-odds of the answer fall without it.
    """
    from streams.offline.explain import run

    given = sys.stdin.read() if text == "-" else text
    raise typer.Exit(run(settings(config), given, entity, target, release, as_json=as_json))


def train(
    data: Annotated[Path, typer.Argument(help="A directory of labelled sets, or a file of labelled rows.")],
    version: Annotated[str, typer.Option(help="Name of the new release.")],
    rows: Annotated[
        list[Path] | None, typer.Option("--rows", help="Labelled rows of your own besides: JSONL, CSV or Parquet.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--set", help="Only this set of the recipe's.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="JSON of what differs from the shipped recipe.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the rows.")] = None,
    fraction: Annotated[float, typer.Option(min=0.001, max=1, help="Share of the training rows, for a trial.")] = 1.0,
    work: Annotated[Path, typer.Option(help="Checkpoint, log and plot; the same again goes on after a kill.")] = Path(
        "var/training"
    ),
    config: Config = None,
) -> None:
    """Train a release on labelled rows and put it into the registry; no alias moves.

    Needs the extra `train`. A row has `text` and any of `sentiment` (or `stars`), `topic`, `entities`.
    """
    from trainer.command import train as run

    registry = Path(settings(config).scoring.registry)
    release = run(
        data,
        registry,
        work,
        version=version,
        rows=rows or (),
        sets=only or (),
        recipe_file=recipe,
        epochs=epochs,
        fraction=fraction,
    )
    typer.echo(str(release))


def evaluate(
    release: Annotated[str, typer.Argument(help="An alias, a version or a directory.")],
    data: Annotated[Path, typer.Argument(help="Labelled rows (JSONL, CSV, Parquet), or a directory of labelled sets.")],
    only: Annotated[list[str] | None, typer.Option("--set", help="Only this set of the directory.")] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG: confusion and calibration of every question.")] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32, int8 or fp16.")] = "auto",
    config: Config = None,
) -> None:
    """Judge a release on labelled rows: a JSON of figures per source and question on standard output.

    Accuracy, macro-F1, F1 per class, calibration error, confusion, and 95 % bootstrap intervals. Of a
    directory, only rows that training holds back are judged.
    """
    from trainer.evaluate import run

    place = Path(release) if Path(release).is_dir() else shelf(config).resolve(release)
    report = run(place, data, sets=only or (), precision=precision)
    if plot is not None:
        from trainer.plots import plot_questions

        plot_questions(report["questions"], plot)
    typer.echo(json.dumps(report, indent=2))


def drift(
    input: Annotated[Path, typer.Argument(help="JSONL file of documents, in their order; - reads standard input.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV: row,detector,statistic,threshold,alarm.")],
    run_length: Annotated[
        float | None, typer.Option("--run-length", help="Documents between false alarms of all detectors together.")
    ] = None,
    config: Config = None,
    release: Release = None,
) -> None:
    """Listen to a file for drift: is this still what the release knows?

    A line for each detector and step, in order. From `stars`, or `sentiment` and `topic`, of the rows it hears whether
    the release errs more than it used to.
    """
    from streams.offline.drift import run

    raise typer.Exit(run(settings(config), input, output, release, run_length))


taxonomy_app = typer.Typer(no_args_is_help=True, help="Topics of your own, without a training run.")


@taxonomy_app.command("add")
def taxonomy_add(
    name: Annotated[str, typer.Argument(help="Of the new taxonomy, such as `complaints`.")],
    topics: Annotated[Path, typer.Argument(help="TOML: [[topic]] tables with name, description, examples (0-20).")],
    version: Annotated[str, typer.Option(help="Name of the new release.")],
    release: ReleaseName = "champion",
    config: Config = None,
) -> None:
    """Make a new release that also sorts texts into topics of your own; no alias moves.

    Takes seconds. A text that is like none of them is called Other. `release promote` makes it serve.
    """
    from models.taxonomy import add_taxonomy, read_topics

    told = read_topics(topics)
    registry = shelf(config)
    with registry.staging() as staged:
        add_taxonomy(registry.resolve(release), name, told, staged, version=version)
        typer.echo(str(registry.publish(staged, reason=f"taxonomy {name} from {len(told)} descriptions")))
