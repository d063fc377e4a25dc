"""What may be wrong with single policies: they never match, are covered by others, or say what is always so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from watchword.policy.analysis.encode import Encoded, Part
from watchword.policy.analysis.model import Finding, FindingKind, Place, Unknown
from watchword.policy.analysis.places import Places
from watchword.policy.analysis.solve import Prover, Said
from watchword.policy.analysis.subject import Kind, Subject, stops, touched_by
from watchword.policy.analysis.symbols import both, either, negated
from watchword.policy.index import scope_of
from watchword.policy.load import WrittenPolicy
from watchword.policy.model import Effect

_MOST_NEIGHBOURS = 300
_EFFECTS = {"permit": Effect.PERMIT, "forbid": Effect.FORBID}


@dataclass(slots=True)
class PolicyChecks:
    """One pass over the policies of a bundle; a policy that was found needless is not counted on afterwards."""

    subject: Subject
    prover: Prover
    places: Places
    findings: list[Finding] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    _needless: set[str] = field(default_factory=set)

    def check(self, policy: WrittenPolicy) -> None:
        """Look at one policy."""
        kinds = self.subject.kinds_of(policy)
        if not kinds:
            words = "can never match: no action of the schema takes the action, principal and resource of its head"
            self._find(FindingKind.NEVER_MATCHES, policy, words)
            return
        if not any(self._is_alone(policy, kind) for kind in kinds):
            live = self._live(policy, kinds)
            if not live or (policy.id in self._needless):
                return
            if self._is_covered(policy, live):
                return
        self._constants(policy, kinds)

    # ---- does it ever settle anything? ---------------------------------------------------------------------------

    def _is_alone(self, policy: WrittenPolicy, kind: Kind) -> bool:
        """Tell whether some request, confirmed by the engine, is settled by this policy and no other.

        The first request that it matches is often one, and is found without writing out the others.
        """
        if self._is_settled_alone(policy, kind, []):
            return True
        near = self._near(policy, kind)
        return bool(near) and self._is_settled_alone(policy, kind, near or [])

    def _is_settled_alone(self, policy: WrittenPolicy, kind: Kind, near: Sequence[Encoded]) -> bool:
        own = self.subject.encoded(policy, kind)
        terms = [own.applies, *(negated(either(other.applies, other.fails)) for other in near)]
        touched = touched_by([own, *near])
        outcome = self.prover.ask(kind.world, terms, touched)
        if outcome.said is not Said.POSSIBLE:
            return False
        replayed = self.subject.replay(kind, outcome.model, touched)
        if replayed is None:
            return False
        _, answer = replayed
        ids = tuple(ref.id for ref in answer.determining)
        return answer.effect is _EFFECTS[policy.est["effect"]] and ids == (policy.id,)

    def _near(self, policy: WrittenPolicy, kind: Kind) -> list[Encoded] | None:
        """Return the others that may change what comes of a policy; nothing when they are too many to look at."""
        is_permit = policy.est["effect"] == "permit"
        found = [
            other
            for other in kind.policies
            if other.id != policy.id
            and other.id not in self._needless
            and (is_permit or other.est["effect"] == "forbid")
            and _may_meet(policy, other)
        ]
        return self.subject.all(found, kind) if len(found) <= _MOST_NEIGHBOURS else None

    # ---- can it match at all? ------------------------------------------------------------------------------------

    def _live(self, policy: WrittenPolicy, kinds: Sequence[Kind]) -> list[Kind]:
        """Return the kinds of requests that a policy may match; say so where there is none."""
        live, is_settled, may_fail = [], True, False
        for kind in kinds:
            own = self.subject.encoded(policy, kind)
            outcome = self.prover.ask(kind.world, [own.applies], own.touched)
            if outcome.said is Said.IMPOSSIBLE:
                may_fail = may_fail or self._may_fail(own, kind)
                continue
            live.append(kind)
            confirmed = outcome.said is Said.POSSIBLE and self._is_confirmed(policy, kind, outcome.model)
            is_settled = is_settled and confirmed
        if not live:
            self._never_matches(policy, kinds, may_fail=may_fail)
        elif not is_settled and not any(self._is_confirmed_anywhere(policy, kind) for kind in live):
            self._unsettled(policy, "whether it can match")
        return live

    def _is_confirmed_anywhere(self, policy: WrittenPolicy, kind: Kind) -> bool:
        own = self.subject.encoded(policy, kind)
        outcome = self.prover.ask(kind.world, [own.applies], own.touched)
        return outcome.said is Said.POSSIBLE and self._is_confirmed(policy, kind, outcome.model)

    def _is_confirmed(self, policy: WrittenPolicy, kind: Kind, model: object) -> bool:
        replayed = self.subject.replay(kind, model, self.subject.encoded(policy, kind).touched)
        return replayed is not None and self.subject.holds(policy, replayed[0]) is True

    def _may_fail(self, own: Encoded, kind: Kind) -> bool:
        return self.prover.ask(kind.world, [own.fails], own.touched).said is not Said.IMPOSSIBLE

    def _never_matches(self, policy: WrittenPolicy, kinds: Sequence[Kind], *, may_fail: bool) -> None:
        self._needless.add(policy.id)
        if may_fail and policy.est["effect"] == "forbid":
            words = "never applies, and may fail: a forbid that fails denies every request that reaches it"
            self._find(FindingKind.ONLY_FAILS, policy, words)
            return
        blamed = [part for kind in kinds for part in self._blamed(policy, kind)]
        said = sorted({self.places.words(policy, part) for part in blamed})
        if len(said) > 1:
            words = f"can never match: {' and '.join(said)} cannot hold together"
        elif said:
            words = f"can never match: {said[0]} never holds"
        else:
            words = "can never match"
        place = self.places.of(policy, blamed[0]) if blamed else self.places.of(policy)
        self._find(FindingKind.NEVER_MATCHES, policy, words, place=place)

    def _blamed(self, policy: WrittenPolicy, kind: Kind) -> Iterator[Part]:
        """Yield the parts that contradict one another."""
        own = self.subject.encoded(policy, kind)
        assumed = {str(number): both(negated(part.failed), part.holds) for number, part in enumerate(own.parts)}
        outcome = self.prover.ask(kind.world, [own.head], own.touched, assumed)
        return (own.parts[int(number)] for number in outcome.core)

    # ---- do others cover it? -------------------------------------------------------------------------------------

    def _is_covered(self, policy: WrittenPolicy, live: Sequence[Kind]) -> bool:
        if policy.est["effect"] == "permit":
            forbids = self._cover(policy, live, "forbid")
            if forbids:
                self._shadowed(policy, forbids)
                return True
        same = self._cover(policy, live, policy.est["effect"])
        if same:
            self._needless.add(policy.id)
            names = _listed(same)
            words = f"is implied by {names}: without it the same requests would be permitted and refused"
            if set(policy.est.get("annotations", {})) - {"id"}:
                words += " (only its annotations would be missed)"
            self._find(FindingKind.IMPLIED, policy, words, others=same)
        return bool(same)

    def _cover(self, policy: WrittenPolicy, live: Sequence[Kind], effect: str) -> tuple[str, ...]:
        """Return the policies of an effect that together take every request from this one; empty if some is left."""
        names: set[str] = set()
        for kind in live:
            own = self.subject.encoded(policy, kind)
            near = self._near(policy, kind)
            if near is None:
                self._unsettled(policy, f"whether others cover it: more than {_MOST_NEIGHBOURS} may meet it")
                return ()
            others = [other for other in near if other.policy.est["effect"] == effect]
            assumed = {
                other.policy.id: negated(stops(other) if effect == "forbid" else other.applies) for other in others
            }
            # A forbid that fails denies as well, so what takes its place must cover that too.
            wanted = stops(own) if policy.est["effect"] == "forbid" else own.applies
            outcome = self.prover.ask(kind.world, [wanted], touched_by([own, *others]), assumed)
            if outcome.said is Said.UNKNOWN:
                self._unsettled(policy, "whether others cover it")
            if outcome.said is not Said.IMPOSSIBLE:
                return ()
            names.update(outcome.core)
        return tuple(sorted(names))

    def _shadowed(self, policy: WrittenPolicy, forbids: tuple[str, ...]) -> None:
        self._needless.add(policy.id)
        words = f"permits nothing: every request that it matches is forbidden by {_listed(forbids)}"
        kind = FindingKind.SHADOWED
        if len(forbids) == 1 and self._is_opposite(policy, forbids[0]):
            words = f"contradicts {_listed(forbids)}: both match the same requests, so it permits nothing"
            kind = FindingKind.CONTRADICTS
        self._find(kind, policy, words, others=forbids)

    def _is_opposite(self, policy: WrittenPolicy, name: str) -> bool:
        other = next(one for one in self.subject.bundle.policies if one.id == name)
        for kind in self.subject.kinds_of(other):
            sides = self.subject.all([policy, other], kind)
            terms = [sides[1].applies, negated(sides[0].applies)]
            if self.prover.ask(kind.world, terms, touched_by(sides)).said is not Said.IMPOSSIBLE:
                return False
        return True

    # ---- what is always so ---------------------------------------------------------------------------------------

    def _constants(self, policy: WrittenPolicy, kinds: Sequence[Kind]) -> None:
        per_kind = [self.subject.encoded(policy, kind) for kind in kinds]
        for parts in zip(*(encoded.parts for encoded in per_kind), strict=True):
            asked = [(part.reached, negated(both(negated(part.failed), part.holds))) for part in parts]
            if self._is_never(kinds, per_kind, asked):
                said = "always" if policy.est["conditions"][parts[0].condition]["kind"] == "when" else "never"
                words = f"{self.places.words(policy, parts[0])} is {said} true where it is reached, so it asks nothing"
                self._find(FindingKind.CONSTANT, policy, words, place=self.places.of(policy, parts[0]))
                continue
            for number in range(len(parts[0].alternatives)):
                asked = [
                    (both(part.reached, part.alternatives[number][0]), part.alternatives[number][1]) for part in parts
                ]
                if len(parts[0].alternatives) > 1 and self._is_never(kinds, per_kind, asked):
                    words = f"{self.places.words(policy, parts[0], number)} is never true where it is reached"
                    self._find(FindingKind.CONSTANT, policy, words, place=self.places.of(policy, parts[0], number))

    def _is_never(
        self, kinds: Sequence[Kind], per_kind: Sequence[Encoded], asked: Sequence[tuple[object, object]]
    ) -> bool:
        """Tell whether something never happens where it is reached, and is reached somewhere."""
        is_reached = False
        for kind, encoded, (reached, term) in zip(kinds, per_kind, asked, strict=True):
            if self.prover.ask(kind.world, [reached, term], encoded.touched).said is not Said.IMPOSSIBLE:
                return False
            is_reached = is_reached or (
                self.prover.ask(kind.world, [reached], encoded.touched).said is not Said.IMPOSSIBLE
            )
        return is_reached

    # ---- saying it -----------------------------------------------------------------------------------------------

    def _find(
        self,
        kind: FindingKind,
        policy: WrittenPolicy,
        words: str,
        *,
        place: Place | None = None,
        others: tuple[str, ...] = (),
    ) -> None:
        message = f"{policy.est['effect']} `{policy.id}` {words}"
        if kind is FindingKind.CONSTANT:
            message = f"in {policy.est['effect']} `{policy.id}`, {words}"
        self.findings.append(Finding(kind, policy.id, place or self.places.of(policy), message, others))

    def _unsettled(self, policy: WrittenPolicy, what: str) -> None:
        if any(one.subject == policy.id for one in self.unknown):
            return
        message = f"{policy.est['effect']} `{policy.id}`: {what} is not settled"
        self.unknown.append(Unknown(policy.id, self.places.of(policy), message))


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _may_meet(one: WrittenPolicy, other: WrittenPolicy) -> bool:
    """Tell whether one request may match the heads of both, as far as the names in them tell."""
    first, second = scope_of(one.est), scope_of(other.est)
    for left, right in ((first.principal, second.principal), (first.resource, second.resource)):
        if left.is_exact and right.is_exact and left.anchor != right.anchor:
            return False
    return True
