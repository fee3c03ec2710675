"""All settings of a tocsin process: one ``tocsin.toml``, then the environment, validated once at start.

Precedence: command line, environment (``TOCSIN_BROKERS``, ``TOCSIN_SCORING__PROVIDER``, ...), the file,
defaults. Secrets are read from files or the environment and masked in every ``repr``.
"""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from streams import tokens
from streams.alerting import AlertmanagerSettings, Rule, WebhookSettings, check_reach
from streams.errors import SettingsError
from streams.feeds.settings import FeedsSettings
from streams.section import Section
from streams.topics import Topics
from streams.training import TrainerSettings


class KafkaSettings(Section):
    """How to reach and use the cluster."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how clients talk to the brokers; only the SSL ones encrypt"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="with the SASL protocols"
    )
    sasl_username: str = Field("", description="required with the SASL protocols")
    sasl_password: SecretStr = Field(SecretStr(""), description="better from the environment or from a file")
    sasl_password_file: Path | None = Field(None, description="file that holds the password; wins over sasl_password")
    ssl_cafile: Path | None = Field(None, description="CA that signed the brokers' certificates; default: the system's")
    ssl_certfile: Path | None = Field(None, description="client certificate, where the broker asks for one")
    ssl_keyfile: Path | None = Field(None, description="its key, where that is in a file of its own")
    instance: str = Field("", description="static membership: a name no other worker has; restarts keep partitions")
    embedded: bool = Field(False, description="the broker is tocsin's own in-memory one; set by the demo, not by hand")
    replication_factor: int = Field(-1, ge=-1, description="of topics that tocsin creates; -1: the broker's default")
    input_partitions: int = Field(4, ge=1, description="of input topics that tocsin creates")
    observation_partitions: int = Field(4, ge=1, description="of the observations topic; series are spread over them")
    session_timeout_seconds: float = Field(20.0, ge=6, description="a dead worker's partitions move after this")
    heartbeat_seconds: float = Field(3.0, gt=0, description="at most a third of session_timeout_seconds")
    request_timeout_seconds: float = Field(40.0, gt=0, description="one request to a broker")
    delivery_timeout_seconds: float = Field(120.0, gt=0, description="an unacknowledged output then ends the process")
    commit_interval_seconds: float = Field(1.0, gt=0, description="how much is read again after a crash")

    @model_validator(mode="after")
    def _complete(self) -> KafkaSettings:
        if self.security_protocol.startswith("SASL"):
            if not self.sasl_username:
                raise ValueError(
                    "security_protocol asks for SASL: set sasl_username and sasl_password_file (or sasl_password)"
                )
            if not self.password():
                raise ValueError("the SASL password is empty: set sasl_password_file, or TOCSIN_KAFKA__SASL_PASSWORD")
        if self.heartbeat_seconds * 3 > self.session_timeout_seconds:
            raise ValueError("heartbeat_seconds must be at most a third of session_timeout_seconds")
        return self

    def password(self) -> str:
        """The SASL password, from its file where one is named."""
        if self.sasl_password_file is not None:
            return self.sasl_password_file.read_text(encoding="utf-8").rstrip("\r\n")
        return self.sasl_password.get_secret_value()

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context, or ``None`` where the protocol has no TLS. Host names are always checked."""
        if not self.security_protocol.endswith("SSL"):
            return None
        context = ssl.create_default_context(cafile=str(self.ssl_cafile) if self.ssl_cafile else None)
        if self.ssl_certfile is not None:
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile)
        return context


class StreamSettings(Section):
    """One input topic, under a NAME of your choice; series carry it. Without any: `news` and `reviews`."""

    topic: str = Field(pattern=r"^[a-zA-Z0-9._-]{1,200}$", description="the Kafka topic it reads")
    taxonomy: str = Field("finance", description="the taxonomy whose winning label is the document's `topic`")


class IntakeSettings(Section):
    """From raw bytes to documents."""

    watchlist: Path | None = Field(None, description="TOML file of entities: names, aliases, tickers, parents, rules")
    max_record_bytes: int = Field(262_144, ge=1024, description="larger records are dead-lettered unread")
    max_text_chars: int = Field(8_000, ge=100, description="text kept and scored of a longer document (flagged)")
    max_entities: int = Field(16, ge=1, description="entities kept of one document")
    future_grace_seconds: int = Field(300, ge=0, description="a record may claim a time this far after the broker's")
    oldest: str = Field("1990-01-01T00:00:00Z", description="an earlier event time is a data error")
    undecided_language: str = Field(
        "en", pattern=r"^[a-z]{2,3}$", description="of text that neither names nor shows its language"
    )

    @field_validator("oldest")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        datetime.fromisoformat(value)
        return value


class ScoringSettings(Section):
    """Which release scores, and how."""

    registry: str = Field("var/registry", description="directory of releases; the shipped one is made there")
    release: str = Field("champion", description="an alias or a version of the registry")
    provider: Literal["auto", "cuda", "cpu"] = Field(
        "auto", description="auto: a GPU where there is one; one named here must be there, or the start fails"
    )
    precision: Literal["auto", "fp32", "int8", "fp16"] = Field(
        "auto", description="auto: fp16 on CUDA; on a CPU int8 where its processor multiplies bytes (VNNI), else fp32"
    )
    threads: int = Field(0, ge=0, description="intra-op threads of ONNX Runtime; 0: one per core")
    batch_tokens: int = Field(4096, ge=64, description="tokens (padding included) in one inference batch")
    max_tokens: int = Field(256, ge=16, le=512, description="tokens read of one document")
    slab_records: int = Field(512, ge=1, description="most records in a slab")
    slab_bytes: int = Field(1_048_576, ge=1024, description="most input bytes in a slab")
    slabs_ahead: int = Field(2, ge=1, le=16, description="slabs a partition may hold in memory, with the one in hand")
    embeddings: bool = Field(False, description="put the embedding (float16, base64) into the scored records")
    refresh_seconds: float = Field(
        1.0, gt=0, le=3600, description="how often the registry's alias is looked at; a hint is followed at once"
    )
    compared_percent: int = Field(
        10, ge=0, le=100, description="documents that a candidate, or the predecessor of a new champion, reads, too"
    )
    most_different: float = Field(
        0.3, gt=0, le=1, description="a new champion that judges more of them otherwise is rolled back; 1: never"
    )

    def scorer_options(self) -> dict[str, Any]:
        """The keyword arguments of ``models.scorer.Scorer.load`` that are asked for here."""
        return self.model_dump(include={"provider", "precision", "threads", "max_tokens", "batch_tokens"})


class WatchSettings(Section):
    """Windows and their clock. What rings is in `rules`."""

    grace_seconds: int = Field(60, ge=0, description="the watermark follows the slowest source partition by this much")
    window_seconds: int = Field(
        900, ge=60, le=3600, multiple_of=60, description="the base window; larger scales are multiples of it"
    )
    idle_seconds: float = Field(5.0, gt=0, description="a source partition without lag moves its clock this often")
    snapshot_seconds: float = Field(60.0, gt=0, description="how far a restarted watcher reads back")
    max_series: int = Field(100_000, ge=1, description="per observations partition; further ones are not watched")
    exemplars: int = Field(4, ge=1, le=10, description="documents shown in an alert")
    count_unknown_language: bool = Field(False, description="count documents the release cannot read")


class NotifySettings(Section):
    """Where alerts go."""

    console: bool = Field(True, description="print alerts on the notifier's standard output")
    outbox: Path | None = Field(
        None, description="file of what is still to be delivered; default: `<prefix>-outbox.sqlite` in `state_dir`"
    )
    alertmanagers: tuple[AlertmanagerSettings, ...] = ()
    webhooks: tuple[WebhookSettings, ...] = ()
    resend_seconds: float = Field(60.0, gt=0, description="a firing alert is sent to Alertmanager again this often")
    runbook_url: str = Field("", description="link put into every alert")
    port: int = Field(6067, ge=0, le=65535, description="health and metrics of the notifier, on `web.host`")


class AnnotateSettings(Section):
    """The process that says whether the world moved or the model."""

    port: int = Field(6068, ge=0, le=65535, description="health and metrics of the annotator, on `web.host`")


class ArchiveSettings(Section):
    """What `tocsin archive` keeps for looking back, and `tocsin search` and the page look through."""

    path: Path | None = Field(None, description="SQLite file; default: `<prefix>-archive.sqlite` in `state_dir`")
    keep_days: float = Field(30, gt=0, description="documents are forgotten after this, and alerts that are over")
    keep_gb: float = Field(10, ge=0.01, description="the oldest documents go before the file grows beyond this")
    mask: bool = Field(True, description="mask mail addresses, numbers, handles and links in texts and titles")
    port: int = Field(6070, ge=0, le=65535, description="health and metrics of the archive, on `web.host`")


class DriftSettings(Section):
    """When a stream counts as another than the release knows."""

    run_length: float = Field(
        10_000, ge=1_000, description="documents of a stream between two false alarms of all detectors together"
    )
    sample_share: float = Field(
        0.02, ge=0, le=0.5, description="part of the documents that is sent to be labelled; a fifth of it drawn blindly"
    )


class WebSettings(Section):
    """Health and metrics of each long-running process, and the live page of the worker."""

    host: str = Field("127.0.0.1", description="health and metrics have no login: think before you open them")
    port: int = Field(6066, ge=0, le=65535, description="0: any free port; unset, a taken one gives way")
    page: bool = Field(True, description="serve the live page at `/`; beyond loopback only with a token")
    token: SecretStr = Field(SecretStr(""), description="what the page asks for; better in a file")
    token_file: Path | None = Field(
        None, description="file that holds the token, 16 characters or more; wins over token"
    )

    @model_validator(mode="after")
    def _long_enough(self) -> WebSettings:
        if (self.token_file is not None or self.token.get_secret_value()) and len(self.page_token()) < tokens.SHORTEST:
            raise ValueError(f"the page's token has fewer than {tokens.SHORTEST} characters")
        return self

    def page_token(self) -> str:
        """The page's token, from its file where one is named; empty where none is set."""
        if self.token_file is not None:
            return tokens.read_token(self.token_file)
        return self.token.get_secret_value()


class LogSettings(Section):
    """Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is logged")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else JSON")


class CostSettings(Section):
    """What computing costs, for the metrics."""

    core_hour: float = Field(
        0.04, ge=0, description="price of one core for one hour, any currency; gives cost per million documents"
    )


class Settings(BaseSettings):
    """Everything, validated. Build it with :func:`load`."""

    model_config = SettingsConfigDict(
        env_prefix="TOCSIN_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    brokers: Annotated[tuple[str, ...], NoDecode] = Field(("localhost:9092",), description="HOST:PORT, ...")
    prefix: str = Field(
        "tocsin",
        pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$",
        description="of topics and groups; two instances share a cluster by it",
    )
    state_dir: Path = Field(Path("var"), description="local files: attempt journal, embedded snapshots")
    streams: dict[str, StreamSettings] = Field(
        default_factory=lambda: {"news": StreamSettings(topic="news"), "reviews": StreamSettings(topic="reviews")}
    )
    kafka: KafkaSettings = KafkaSettings()
    intake: IntakeSettings = IntakeSettings()
    scoring: ScoringSettings = ScoringSettings()
    watch: WatchSettings = WatchSettings()
    rules: tuple[Rule, ...] = (Rule(name="negative-spike"),)
    notify: NotifySettings = NotifySettings()
    drift: DriftSettings = DriftSettings()
    annotate: AnnotateSettings = AnnotateSettings()
    feeds: FeedsSettings = FeedsSettings()
    archive: ArchiveSettings = ArchiveSettings()
    trainer: TrainerSettings = TrainerSettings()
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()
    cost: CostSettings = CostSettings()

    @field_validator("brokers", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("brokers")
    @classmethod
    def _host_and_port(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for broker in value:
            host, _, port = broker.rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"{broker!r} is not HOST:PORT")
        if not value:
            raise ValueError("name at least one HOST:PORT")
        return value

    @model_validator(mode="after")
    def _distinct(self) -> Settings:
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError(f"two rules share a name: {sorted(names)}")
        topics = [stream.topic for stream in self.streams.values()]
        if not topics or len(set(topics)) != len(topics):
            raise ValueError("[streams.*] needs at least one input topic, each named once")
        return self

    @model_validator(mode="after")
    def _reachable(self) -> Settings:
        check_reach(self.rules, {"alertmanagers": self.notify.alertmanagers, "webhooks": self.notify.webhooks})
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def outbox(self) -> Path:
        """The notifier's outbox: named after the prefix, so that two instances in one directory keep apart."""
        return self.notify.outbox or self.state_dir / f"{self.prefix}-outbox.sqlite"

    @property
    def feeds_memory(self) -> Path:
        """The file in which the feed reader remembers what it sent."""
        return self.feeds.memory or self.state_dir / f"{self.prefix}-feeds.sqlite"

    @property
    def archive_path(self) -> Path:
        """The archive's file, named after the prefix like the outbox."""
        return self.archive.path or self.state_dir / f"{self.prefix}-archive.sqlite"

    @property
    def lessons(self) -> Path:
        """The trainer's database, named after the prefix like the outbox."""
        return self.trainer.database or self.state_dir / f"{self.prefix}-lessons.sqlite"

    @property
    def topics(self) -> Topics:
        """The table of topics of this instance."""
        return Topics(self.prefix, (stream.topic for stream in self.streams.values()))


def load(path: Path | None = None, **overrides: Any) -> Settings:
    """Read and validate the settings.

    ``path`` is the TOML file; ``None`` means ``tocsin.toml`` in the working directory where there is one.
    ``overrides`` come from the command line; those that are ``None`` are left out.

    Raises:
        SettingsError: the file is missing or not TOML, or a value is refused; the text names each setting.
    """
    chosen = path if path is not None else Path("tocsin.toml")
    if path is not None and not path.is_file():
        raise SettingsError(f"there is no settings file {path}; leave --config out to run on the defaults")
    given = {name: value for name, value in overrides.items() if value is not None}

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=chosen)

    try:
        return FromFile(**given)
    except ValidationError as exc:
        raise SettingsError("\n".join(_explain(error) for error in exc.errors())) from exc
    except (OSError, ValueError) as exc:
        raise SettingsError(f"{chosen}: {exc}") from exc


def _explain(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"]) or "settings"
    shown = (
        ""
        if any(secret in name for secret in ("password", "url", "web.token")) or error["type"] == "missing"
        else f" (given: {error['input']!r:.80})"
    )
    if error["type"] == "extra_forbidden":
        return f"{name}: there is no such setting{shown}; see docs/settings.md"
    return f"{name}: {error['msg']}{shown}"
