"""`monitor.yaml` to a `Monitor`, offline; or every mistake of the file at once, each with its place.

Called by `validate`, `explain` and the runner of monitors. Nothing here reads a chain or a service.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from monitoring.base.errors import ConfigError
from monitoring.base.yaml.keys import entry
from monitoring.base.yaml.marks import START, Mapping, Mistakes, Scalar
from monitoring.base.yaml.reader import read_yaml
from monitoring.chains.abi.addresses import ZERO
from monitoring.checks.config.causes import with_causes
from monitoring.checks.config.check import CheckList, cause_spots, name_of_id, names_of, read_check
from monitoring.checks.config.names import (
    CHAIN,
    CONTRACTS,
    FUNCTIONS,
    Declared,
    Views,
    read_chain,
    read_contract,
    read_functions,
    read_values,
)
from monitoring.checks.config.prices import PRICES_OF, read_gate
from monitoring.checks.config.rows import ROWS_OF, ForEach, read_for_each
from monitoring.checks.config.smallest_unit import warn_of_smallest_unit
from monitoring.checks.config.source import SOURCE, read_source
from monitoring.checks.config.tables import TABLES, read_table
from monitoring.checks.config.yaml_node import Spot
from monitoring.checks.engine.formula_checks import Check
from monitoring.checks.engine.monitor import Monitor, NumberSource, subject_of
from monitoring.checks.engine.plan import CheckInstance
from monitoring.checks.engine.plugin import NO_TYPES, PluginContext, Registry
from monitoring.checks.expression.scope import Scope
from monitoring.checks.expression.tree import ANYTHING, NUMBER, Expression, LookupTable
from monitoring.checks.expression.values import is_number
from monitoring.checks.expression.views import standard_views
from monitoring.checks.messages.plain import AlertRoute, OwnRoute
from monitoring.checks.rows.eval_scope import Rows
from monitoring.checks.rules.keys import CHANNEL, FORMULA, GUIDANCE, NAME, PROTOCOL, Listed, guidance_of
from monitoring.checks.rules.verb import verb, yaml_forms

MONITOR = entry(
    "monitor",
    NAME,
    "Its name, and where its alerts go unless channel says it.",
    without="a name, unique among the monitors",
    example="monitor: aave",
)
SECTIONS = (
    MONITOR,
    PROTOCOL,
    CHANNEL,
    *GUIDANCE,
    entry(
        "chain",
        CHAIN,
        "What it reads: an id or a slug.",
        default="",
        without="or chains, or none",
        example="chain: mainnet",
    ),
    entry(
        "chains",
        Listed(CHAIN),
        "Several chains: each check runs on each.",
        default="",
        without="or chain",
        example="chains: [mainnet, base]",
    ),
    entry(
        "contracts",
        CONTRACTS,
        "Contracts by name; an address, one per chain, or with views of its own.",
        default="",
        example='contracts: {vault: "0x83F20F44975D03b1b09e64809B757c47f942BEeA"}',
    ),
    FUNCTIONS,
    TABLES,
    entry(
        "values",
        Listed(FORMULA, named=True),
        "Expressions by name, for other expressions.",
        default="",
        example="values: {size: vault.totalAssets() / 1e6}",
    ),
    entry(
        "sources",
        Listed(SOURCE, "name: source", named=True),
        "Numbers and lists from services, by name.",
        default="",
        example="sources: {reserve: {url: https://api.example.org/supply, number: data.supply}}",
    ),
    entry(
        "prices",
        PRICES_OF,
        "What makes the answer of `price(token)` count.",
        default="",
        without="max_age 30m, confidence 90%",
        example="prices: {max_age: 2h, confidence: 90%}",
    ),
    entry(
        "for_each",
        ROWS_OF,
        "Rows over which checks run, by name: written ones, a data file, a list that is read, `0..count`.",
        default="",
        example="for_each: {m: {from: markets.yaml}}",
    ),
    entry(
        "checks",
        CheckList(),
        "What must hold, one condition each.",
        default="",
        without="required, but with a built-in type",
        example="checks: [{id: size, require: vault.totalAssets() >= 5, severity: high}]",
    ),
)


def load_monitor(path: Path, types: Registry = NO_TYPES) -> Monitor:
    """Read one monitor file; `types` are the built-in types it may use.

    Raises:
        ConfigError: with every mistake, `file:line:column path: message`.
    """
    mistakes = Mistakes(str(path))
    root = read_yaml(path, mistakes)
    if isinstance(root, Mapping) and not root.entries:
        mistakes.add(START, "", "the file is empty")
        root = None
    if root is None:
        raise ConfigError(mistakes.lines())
    loader = _Loader(Spot(root, "", mistakes), path.parent, types)
    monitor = loader.load()
    lines = [*mistakes.lines(), *loader.data_mistakes]
    if lines or monitor is None:
        raise ConfigError(lines or [f"{path}:{START} this is no monitor"])
    return replace(monitor, warnings=tuple(mistakes.warnings()))


@dataclass(slots=True)
class _Loader:
    """Reads the sections in the order in which they need each other."""

    root: Spot
    folder: Path
    types: Registry
    data_mistakes: list[str] = field(default_factory=list)
    declared: Declared = field(default_factory=lambda: Declared({}))
    own_views: dict[str, Views] = field(default_factory=dict)
    causes: dict[str, list[Spot]] = field(default_factory=dict)

    def load(self) -> Monitor | None:
        self.root.only((*SECTIONS, *(kind.key for kind in self.types.values())))
        name = self.root.value(MONITOR) or ""
        chains = self._chains()
        contracts = self._contracts(chains)
        views = self._views()
        sources = self._sources()
        scope = Scope(
            contracts=tuple(contracts),
            values={name: NUMBER for name, source in sources.items() if not source.rows},
            views=views,
            own_views=self.own_views,
            tables=self._tables(),
        )
        rows = self._rows(scope, sources)
        scope = rows.seen_by(scope)
        values = self._values(scope)
        # A value with a mistake may be anything, so that its mistake is reported once, not at each use.
        kinds = {name: ANYTHING for name, section in self.declared.sections.items() if section == "values"}
        kinds |= {name: expression.kind for name, expression in values.items()}
        row_names = {**scope.row_names, **{name: expression.rows for name, expression in values.items()}}
        checks = self._checks(replace(scope, values={**scope.values, **kinds}, row_names=row_names), rows, values)
        around = PluginContext(name, self._route(name), chains, self.folder)
        more, used = self._more(around), _used(values, checks)
        is_typed = any(self.root.get(kind) for kind in self.types)
        checks = with_causes(checks, self.causes, more if more or not is_typed else None)
        used_types = [kind for name, kind in self.types.items() if self.root.get(name)]
        answers = {asked: how for kind in used_types for asked, how in kind.answers.items()}
        answers |= {asked: how for one in checks for asked, how in verb(one.verb).answers().items()}
        return Monitor(
            around.monitor, around.route, chains, contracts, used, sources, checks, tuple(rows.levels), more, answers,
            gate=read_gate(self.root.get("prices")),
        )  # fmt: skip

    def _route(self, name: str) -> AlertRoute:
        """Return where alerts go: a channel that is written is the protocol too, unless that is written as well."""
        protocol, channel = self.root.value(PROTOCOL), self.root.value(CHANNEL) or ""
        route = AlertRoute(channel or name, channel, guidance_of(self.root))
        return route.narrowed(OwnRoute(protocol)) if protocol else route

    def _chains(self) -> tuple[int, ...]:
        one, several = self.root.get("chain"), self.root.get("chains")
        if one and several:
            several.wrong("write chain or chains, not both")
        if several:
            spots = several.items("a list of chains")
        else:
            spot = one or (self.root.need("chain", "an id or a slug, as in 1 or mainnet") if self._reads() else None)
            spots = [spot] if spot else []
        found: list[int] = []
        for spot in spots:
            chain = read_chain(spot)
            if chain in found:
                spot.wrong(f"chain {chain} stands here twice")
            found += [chain] if chain and chain not in found else []
        return tuple(found)

    def _reads(self) -> bool:
        """Return whether formulas read a chain; a built-in type that needs one says so itself."""
        typed = any(self.root.get(name) for name in self.types)
        return not typed or any(self.root.get(name) for name in ("contracts", "values", "for_each", "checks"))

    def _contracts(self, chains: tuple[int, ...]) -> dict[str, dict[int, str]]:
        section, found = self.root.get("contracts"), dict[str, dict[int, str]]()
        for key, spot in section.entries("names and addresses") if section else []:
            name = self.declared.take(key, spot, "contracts")
            addresses = read_contract(spot, chains, self.own_views, key.text)
            if name:
                found[name] = {chain: addresses.get(chain, ZERO) for chain in chains}
        return found

    def _views(self) -> Views:
        """Return the library with the declared functions before it: a declared name hides the library's."""
        section = self.root.get("functions")
        return {**standard_views(), **(read_functions(section) if section else {})}

    def _sources(self) -> dict[str, NumberSource]:
        section, found = self.root.get("sources"), dict[str, NumberSource]()
        for key, spot in section.entries("names and sources") if section else []:
            name = self.declared.take(key, spot, "sources")
            source = read_source(spot, key.text)
            if name and source:
                found[name] = source
            elif name:
                found[name] = NumberSource(name, "", "")  # so that its mistake is reported once, not at each use
        return found

    def _tables(self) -> dict[str, LookupTable]:
        section, found = self.root.get(TABLES.name), dict[str, LookupTable]()
        for key, spot in section.entries("names and tables") if section else []:
            name = self.declared.take(key, spot, "tables")
            table, problems = read_table(spot, key.text, self.folder)
            self.data_mistakes += problems
            if name:
                found[name] = table or LookupTable(name, {})
        return found

    def _rows(self, scope: Scope, sources: dict[str, NumberSource]) -> ForEach:
        section = self.root.get("for_each")
        found = read_for_each(section, self.declared, scope, self.folder, sources) if section else ForEach()
        self.data_mistakes += found.problems
        return found

    def _values(self, scope: Scope) -> dict[str, Expression]:
        section = self.root.get("values")
        entries = section.entries("names and expressions") if section else []
        named = {key.text: spot for key, spot in entries if self.declared.take(key, spot, "values")}
        return read_values(named, scope)

    def _checks(self, scope: Scope, rows: ForEach, values: dict[str, Expression]) -> tuple[Check, ...]:
        section = self.root.get("checks")
        if section is None and not any(self.root.get(name) for name in self.types):
            self.root.need("checks", "a list of what must hold")
        found, forms, names = list[Check](), yaml_forms(), set[str]()
        for spot in section.items("a list of checks") if section else []:
            check, named = read_check(spot, scope, forms), spot.get("id")
            if check and check.rows:
                _require_distinct_rows(spot, check, rows)
                _require_bounds(spot, check, rows)
            text = named.node.text if named and isinstance(named.node, Scalar) else ""
            name = name_of_id(text)
            if named and text and name in names:
                named.below(f"checks.{text}").wrong(f"the id {name} stands here twice: state is kept by it")
            elif check:
                found.append(check)
                self.causes[check.name] = cause_spots(spot)
                warn_of_smallest_unit(spot, check, values)
            names |= {name} if text else set()
        return tuple(found)

    def _more(self, around: PluginContext) -> tuple[CheckInstance, ...]:
        parts: list[CheckInstance] = []
        for name, kind in self.types.items():
            section = self.root.get(name)
            config = kind.schema(section, around) if section else None
            if config is not None and not self.root.mistakes.lines():
                parts += kind.plan(config, around)
        return tuple(parts)


def _require_distinct_rows(spot: Spot, check: Check, rows: ForEach) -> None:
    """Refuse an id that two written rows share: their conditions would overwrite each other."""
    if any(not isinstance(one, Rows) and one.name in check.rows for one in rows.levels):
        return
    seen: set[str] = set()
    for level in (one for one in rows.levels if isinstance(one, Rows)):
        for row in level.rows:
            subject = subject_of(check.id, {f"{level.name}.{key}": value for key, value in row.items()})
            if subject in seen:
                (spot.get("id") or spot).below(f"checks.{check.id}.id").wrong(f"two rows share the id {subject}")
                return
            seen.add(subject)


def _require_bounds(spot: Spot, check: Check, rows: ForEach) -> None:
    """Refuse a bound that is a field where a row has nothing there: it would fire, or never, whatever is read."""
    field = getattr(check.policy, "field", "").partition(".")[2]
    written = [row for level in rows.levels if isinstance(level, Rows) for row in level.rows]
    for row in written if field else ():
        bound = row.get(field)
        if not is_number(bound) or bound <= 0:
            (spot.get("max") or spot).wrong(f"a bound must be greater than 0, and {field} of a row is not")
            return


def _used(values: dict[str, Expression], checks: tuple[Check, ...]) -> dict[str, Expression]:
    """Leave out values that no check reads, so that nobody pays for their calls."""
    wanted = set(names_of(tuple(tree for check in checks for tree in check.all_trees)))
    wanted |= {name for check in checks for name in check.labels}
    for name, expression in reversed(values.items()):  # what a value needs stands before it
        if name in wanted:
            wanted |= expression.names
    return {name: expression for name, expression in values.items() if name in wanted}
