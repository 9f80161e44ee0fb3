"""spec.configFrom on a real API server: what is merged, what fails, how it recovers, what is never read."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcluster import LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.audit import Audit, now
from tests.support.control_planes import grant_rules
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually
from tests.support.processes import Openable, memory_of
from tests.support.standing import Standing, standing_operator

ECHO = plugin_distribution(
    "echo",
    config="""
    url: str = "none"
    password: SecretStr | None = None
    nested: dict[str, object] = {}
    """,
    # Reports its configuration, so that a test can see it. The values are marks, not secrets.
    body="""
    def health_check(self):
        config = self._config
        shown = config.password.get_secret_value()[::-1] if config.password else "-"
        return HealthStatus(HealthState.DEGRADED, f"url={config.url} nested={config.nested} reversed={shown}")
    """,
)
STRICT = plugin_distribution(
    "strict",
    before="""
    from pydantic import field_validator, model_validator
    from pydantic_core import PydanticCustomError
    """,
    config="""
    bucket: str = "a"
    region: str = "a"
    account: str = ""
    token: SecretStr | None = None
    model_config = {"extra": "forbid"}

    @field_validator("bucket")
    @classmethod
    def _lower(cls, bucket):
        assert bucket.islower(), "names of buckets are in lower case"
        return bucket

    @field_validator("region")
    @classmethod
    def _known(cls, region):
        if region != "a":
            raise PydanticCustomError("unknown_region", "no region is called {region}", {"region": region})
        return region

    @model_validator(mode="after")
    def _logs_in(self):
        if self.token:
            raise ValueError(f"cannot log in as {self.account} with {self.token.get_secret_value()}")
        if self.account:
            raise RuntimeError(f"no account is called {self.account}")
        return self
    """,
)
FEEDS = plugin_distribution(
    "feeds",
    before="""
    class Auth(BaseModel):
        user: str = "nobody"
        token: SecretStr = Field(min_length=3)

    class Feed(BaseModel):
        url: str
        auth: Auth
    """,
    config="feeds: list[Feed] = []",
    body="""
    def health_check(self):
        shown = [(feed.auth.user, feed.auth.token.get_secret_value()[::-1]) for feed in self._config.feeds]
        return HealthStatus(HealthState.DEGRADED, f"feeds={shown}")
    """,
)
NEEDY = plugin_distribution("needy", config="url: str\npassword: SecretStr")


def secret(name: str, key: str, path: str | None = None, *, optional: bool | None = None) -> dict[str, Any]:
    reference: dict[str, Any] = {"name": name, "key": key}
    if optional is not None:
        reference["optional"] = optional
    source: dict[str, Any] = {"secretKeyRef": reference}
    return source | ({"path": path} if path else {})


def config_map(
    name: str, key: str, path: str | None = None, *, optional: bool | None = None
) -> dict[str, Any]:
    source = secret(name, key, path, optional=optional)
    return {"configMapKeyRef": source.pop("secretKeyRef"), **source}


@pytest.fixture(scope="module")
def standing(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    plugins = (ECHO, FEEDS, NEEDY, STRICT)
    with standing_operator(cluster, tmp_path_factory.mktemp("config-from"), *plugins) as standing:
        yield standing


@pytest.fixture
def plugins(standing: Standing) -> FloePlugins:
    """Return the FloePlugins, with bare mirrors of the plugins."""
    return standing.reset()


def test_sources_merge_in_order_and_spec_config_wins(plugins: FloePlugins) -> None:
    plugins.config_map("base", settings="url: from-map\nnested: {a: 1, b: {c: 2}}\n")
    plugins.config_map("later", more="nested: {b: {d: 3}, e: [1, 2]}\n")
    plugins.secret("last", word="s3cret-word")
    plugins.merge(
        "compute-echo",
        {
            "spec": {
                "config": {"nested": {"a": "spec"}},
                "configFrom": [
                    config_map("base", "settings"),
                    config_map("later", "more"),
                    secret("last", "word", "password"),
                ],
                "probe": {},
            }
        },
    )
    _, _, message = plugins.until("compute-echo", "Healthy", "Degraded")
    assert "url=from-map" in message
    assert "'a': 'spec'" in message
    assert "'c': 2" in message
    assert "'d': 3" in message
    assert "reversed=drow-terc3s" in message


def test_a_secret_goes_into_an_item_of_a_list_in_spec_config(plugins: FloePlugins) -> None:
    plugins.secret("feeds", first="first-word", second="second-word")
    feeds = [{"url": "a", "auth": {"user": "ada"}}, {"url": "b"}]
    sources = [
        secret("feeds", "first", "feeds[0].auth.token"),
        secret("feeds", "second", "feeds[1].auth.token"),
    ]
    plugins.merge("compute-feeds", {"spec": {"config": {"feeds": feeds}, "configFrom": sources, "probe": {}}})
    _, _, message = plugins.until("compute-feeds", "Healthy", "Degraded")
    assert message.endswith("feeds=[('ada', 'drow-tsrif'), ('nobody', 'drow-dnoces')]")
    plugins.until("compute-feeds", "Ready", "Ready")
    plugins.secret("feeds", first="first-word", second="x")
    _, _, message = plugins.until("compute-feeds", "ConfigValid", "ValidationFailed")
    assert message.startswith("feeds.1.auth.token (from spec.configFrom[1]) must have at least 3 ")
    plugins.merge("compute-feeds", {"spec": {"config": {"feeds": feeds[:1]}}})
    assert plugins.until("compute-feeds", "Stalled", "PathConflict")[2].startswith(
        "spec.configFrom[1]: path feeds[1].auth.token needs 2 items at feeds, which has 1; "
    )


def test_a_source_that_spec_config_replaces_is_named_while_it_is_replaced(plugins: FloePlugins) -> None:
    plugins.secret("word", url="from-secret")
    sources = [secret("word", "url", "url")]
    plugins.merge("compute-echo", {"spec": {"config": {"url": "own"}, "configFrom": sources}})
    _, _, message = plugins.until("compute-echo", "ConfigValid", "Valid")
    assert message == (
        "The configuration matches the plugin's schema; "
        "spec.configFrom[0] has no effect: spec.config.url replaces it"
    )
    plugins.merge("compute-echo", {"spec": {"configFrom": None}})
    _, _, message = plugins.until("compute-echo", "ConfigValid", "Valid")
    assert message == "The configuration matches the plugin's schema"


FAULTS = {
    "SecretNotFound": ([secret("absent", "key", "password")], "Secret absent does not exist"),
    "SecretKeyMissing": ([secret("there", "absent", "password")], "Secret there has no key absent"),
    "ConfigMapNotFound": ([config_map("absent", "key")], "ConfigMap absent does not exist"),
    "ConfigMapKeyMissing": ([config_map("there", "absent")], "ConfigMap there has no key absent"),
    "NotText": ([secret("there", "bytes", "password")], "is not UTF-8 text: it looks like UTF-16; store it"),
    "NotAMapping": ([secret("there", "list")], "it is not a mapping"),
    "PathConflict": (
        [config_map("there", "scalar"), secret("there", "text", "url.host")],
        "leads through url",
    ),
    "PlaintextSecret": ([config_map("there", "text", "password")], "password"),
    "ValidationFailed": ([config_map("there", "wrong")], "nested (from spec.configFrom[0])"),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_each_fault_has_its_reason_and_names_the_reference_but_no_value(
    plugins: FloePlugins, reason: str
) -> None:
    sources, words = FAULTS[reason]
    plugins.secret("there", text="marked-value", bytes=b"\xff\xfemarked", list="- marked-value")
    plugins.config_map("there", scalar="url: marked-value", text="marked-value", wrong="nested: marked-value")
    plugins.merge("compute-echo", {"spec": {"configFrom": sources}})
    status, _, message = plugins.until("compute-echo", "ConfigValid", reason)
    assert status == "False"
    assert words in message
    assert "marked" not in message
    if reason not in ("PlaintextSecret",):
        assert "configFrom" in message or reason == "ValidationFailed"


RULE = "does not satisfy a rule of the plugin"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"config": {"bucket": "A"}},
            f"spec.config.bucket {RULE}: names of buckets are in lower case; correct it",
        ),
        (
            {"config": {"region": "north"}},
            f"spec.config.region {RULE}: no region is called north; correct it",
        ),
        (
            {"config": {"region": "\U0001f600 \U0010ffff é \\ud83d"}},
            f"spec.config.region {RULE}: no region is called \U0001f600 é \\ud83d; correct it",
        ),
        (
            {"config": {"regoin": "a"}, "configFrom": [secret("there", "word", "bukket")]},
            (
                "bukket (from spec.configFrom[0]) is not a field of the plugin's schema (did you mean "
                "bucket?) and spec.config.regoin is not a field of the plugin's schema (did you mean "
                "region?); correct the names, or remove them from what spec.configFrom[0] refers to and "
                "spec.config"
            ),
        ),
        (
            {"configFrom": [secret("there", "word", "region")]},
            (
                f"region (from spec.configFrom[0]) {RULE}: no region is called [redacted]; "
                "correct what spec.configFrom[0] refers to"
            ),
        ),
        (
            {"configFrom": [secret("there", "word", "account")]},
            (
                "the configuration (from spec.configFrom[0]): a validator raised RuntimeError: "
                "no account is called [redacted]; correct what spec.configFrom[0] refers to"
            ),
        ),
        (
            {"config": {"account": "jane"}, "configFrom": [secret("there", "word", "token")]},
            f"spec.config {RULE}, and what it says is withheld because it might hold a secret; correct it",
        ),
    ],
)
def test_what_a_validator_says_is_shown_without_what_came_from_a_secret(
    plugins: FloePlugins, spec: dict[str, Any], said: str
) -> None:
    plugins.secret("there", word="s3cret-word")
    plugins.merge("compute-strict", {"spec": spec})
    condition = plugins.until("compute-strict", "ConfigValid", "ValidationFailed")
    assert condition == ("False", "ValidationFailed", said)


def test_optional_references_may_be_missing(plugins: FloePlugins) -> None:
    plugins.secret("there", other="x")
    sources = [
        secret("absent", "key", "password", optional=True),
        secret("there", "absent", "password", optional=True),
    ]
    plugins.merge("compute-echo", {"spec": {"configFrom": sources}})
    plugins.until("compute-echo", "ConfigValid", "Valid")


def test_fields_that_an_optional_reference_can_still_provide_are_waited_for(plugins: FloePlugins) -> None:
    plugins.merge("compute-needy", {"spec": {"config": {}}})
    plugins.until("compute-needy", "Stalled", "ConfigRequired")
    settings = secret("settings", "all", optional=True)
    plugins.merge("compute-needy", {"spec": {"configFrom": [settings]}})
    _, _, message = plugins.until("compute-needy", "Reconciling", "ConfigRequired")
    assert "spec.config.url" in message
    assert "create what spec.configFrom refers to" in message
    plugins.secret("settings", all="url: x\npassword: long-enough\n")
    plugins.until("compute-needy", "Ready", "Ready")


def test_creating_changing_or_deleting_a_secret_takes_effect_without_touching_the_object(
    plugins: FloePlugins,
) -> None:
    sources = [secret("late", "url", "url"), secret("late", "password", "password")]
    plugins.merge("compute-needy", {"spec": {"configFrom": sources}})
    plugins.until("compute-needy", "ConfigValid", "SecretNotFound")
    plugins.secret("late", url="one")
    plugins.until("compute-needy", "ConfigValid", "SecretKeyMissing")
    plugins.secret("late", url="one", password="long-enough")
    plugins.until("compute-needy", "Ready", "Ready")
    plugins.core.delete_namespaced_secret("late", plugins.namespace)
    plugins.until("compute-needy", "Ready", "SecretNotFound")


def test_objects_that_nobody_refers_to_are_never_read(plugins: FloePlugins, audit: Audit) -> None:
    since = now()
    plugins.secret("referred", password="first-word")
    plugins.merge(
        "compute-echo", {"spec": {"configFrom": [secret("referred", "password", "password")], "probe": {}}}
    )
    plugins.until("compute-echo", "Healthy", "Degraded")
    for number in range(20):
        plugins.secret(f"stranger-{number}", password="x")
        plugins.config_map(f"stranger-{number}", text="x")
    # The watch is in order: once the change of the referred Secret is seen, the strangers were seen too.
    plugins.secret("referred", password="other-word")
    eventually(lambda: "drow-rehto" in plugins.condition("compute-echo", "Healthy")[2])
    reads = audit.requests(namespace=plugins.namespace, since=since, resource=None, verb="get")
    reads = [read for read in reads if read["objectRef"]["resource"] in ("secrets", "configmaps")]
    assert {read["objectRef"]["name"] for read in reads} == {"referred"}


def test_the_contents_of_a_secret_that_nobody_refers_to_never_reach_the_operator(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, tmp_path: Path
) -> None:
    openable = Openable(tmp_path / "openable")
    environment.install(ECHO)
    mark = uuid.uuid4().hex
    floeplugins.secret("stranger", password=mark)
    operator = start_operator(environment=openable.variables)
    floeplugins.until("compute-echo", "Ready", "Ready")
    floeplugins.secret("stranger", password=f"{mark}-changed")
    floeplugins.secret("referred", password="word-word")
    floeplugins.merge(
        "compute-echo", {"spec": {"configFrom": [secret("referred", "password", "password")], "probe": {}}}
    )
    floeplugins.until("compute-echo", "Healthy", "Degraded")
    openable.open(operator.process.pid)
    memory = memory_of(operator.process.pid)
    assert b"compute-echo" in memory
    assert mark.encode() not in memory
    assert base64.b64encode(mark.encode()).rstrip(b"=") not in memory


OTHERS: list[dict[str, Any]] = [
    {"apiGroups": ["floe.dev"], "resources": ["floeplugins", "floeplugins/status"], "verbs": ["*"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]},
]
"""Rules of a Role that say nothing of Secrets and ConfigMaps."""


def test_a_missing_permission_to_read_secrets_is_named_and_other_objects_are_unaffected(
    cluster: LocalCluster, environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    environment.install(ECHO, NEEDY)
    rules = [*OTHERS, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]
    user = f"no-secrets-{floeplugins.namespace}"
    start_operator(kubeconfig=grant_rules(cluster, floeplugins.namespace, user, rules))
    floeplugins.until("compute-echo", "Ready", "Ready")
    floeplugins.secret("there", password="word-word")
    floeplugins.merge("compute-needy", {"spec": {"configFrom": [secret("there", "password", "password")]}})
    _, _, message = floeplugins.until("compute-needy", "ConfigValid", "Forbidden")
    assert "secrets" in message
    assert '"get"' in message
    floeplugins.merge("compute-echo", {"spec": {"config": {"url": "x"}}})
    floeplugins.until("compute-echo", "Ready", "Ready")


def test_a_permission_granted_later_takes_effect_without_a_change_of_object_or_secret(
    cluster: LocalCluster, environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    environment.install(ECHO)
    user = f"by-name-{floeplugins.namespace}"

    def allow(*names: str) -> Path:
        rules = [
            *OTHERS,
            {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["list", "watch"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": list(names)},
        ]
        return grant_rules(cluster, floeplugins.namespace, user, rules)

    start_operator(kubeconfig=allow("another"))
    floeplugins.until("compute-echo", "Ready", "Ready")
    floeplugins.secret("there", password="word-word")
    floeplugins.merge("compute-echo", {"spec": {"configFrom": [secret("there", "password", "password")]}})
    floeplugins.until("compute-echo", "ConfigValid", "Forbidden")
    allow("another", "there")
    floeplugins.until("compute-echo", "Ready", "Ready")


def test_without_list_the_secrets_that_get_names_are_read_and_followed_and_no_others(
    cluster: LocalCluster, environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    environment.install(ECHO, NEEDY)
    user = f"named-only-{floeplugins.namespace}"
    rules = [
        *OTHERS,
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["named"]},
    ]
    kubeconfig = grant_rules(cluster, floeplugins.namespace, user, rules)
    for name in ("named", "other"):
        floeplugins.secret(name, password="first-word")
    start_operator(kubeconfig=kubeconfig)
    floeplugins.until("compute-echo", "Ready", "Ready")
    floeplugins.merge(
        "compute-echo", {"spec": {"configFrom": [secret("named", "password", "password")], "probe": {}}}
    )
    floeplugins.merge("compute-needy", {"spec": {"configFrom": [secret("other", "password", "password")]}})
    eventually(lambda: "drow-tsrif" in floeplugins.condition("compute-echo", "Healthy")[2])
    floeplugins.until("compute-needy", "ConfigValid", "Forbidden")
    floeplugins.secret("named", password="other-word")
    eventually(lambda: "drow-rehto" in floeplugins.condition("compute-echo", "Healthy")[2])


BOMB = "a: &a [x]\n" + "".join(f"b{n}: [*a, *a]\n" for n in range(5))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB, "NotAMapping"),
        ("a: " + "x" * 300_000, "NotAMapping"),
        ("[" * 200_000, "NotAMapping"),
    ],
    ids=["aliases", "too large", "too deep"],
)
def test_yaml_that_could_harm_is_refused(plugins: FloePlugins, content: str, reason: str) -> None:
    plugins.secret("bad", content=content)
    plugins.merge("compute-echo", {"spec": {"configFrom": [secret("bad", "content")]}})
    plugins.until("compute-echo", "ConfigValid", reason)


def test_a_value_of_a_megabyte_is_accepted(plugins: FloePlugins) -> None:
    plugins.secret("large", password=base64.b64encode(b"x" * 700_000))
    plugins.merge("compute-echo", {"spec": {"configFrom": [secret("large", "password", "password")]}})
    plugins.until("compute-echo", "ConfigValid", "Valid")
