"""The decision point of a node and everything that keeps its facts fresh, put together."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from watchword import __version__
from watchword.app import adapters
from watchword.app.acts import Acts
from watchword.app.authzen import AuthzenPart
from watchword.app.behaviour import Abreast, StepUpOutcomes
from watchword.app.candidates import Candidates
from watchword.app.feeds import feed_status, open_feeds
from watchword.app.learning import learning_profiles, portal_profile
from watchword.app.owners import DoubtsNoted, OwnersFeedback
from watchword.app.peers import PeersAbreast
from watchword.app.policies import PURPOSE, bundle_status, plant_default_policies, policy_source
from watchword.app.policy_adapters import AuthzenAdapter, RelationAdapter
from watchword.app.relating import RelatedNow
from watchword.app.services import Services, device_key
from watchword.app.supposing import Supposing
from watchword.app.verdicts import AnalystsVerdicts
from watchword.app.witness import NodeWitness
from watchword.audit import Journal
from watchword.bus import Bus, Observer
from watchword.console import Services as ConsoleServices
from watchword.decision import Application, Decision, DecisionPoint, FactBase, Procedure, Sources, peers_of
from watchword.enforcement.leases import LeaseBoard, LeaseDesk
from watchword.enforcement.streams import Streams
from watchword.kernel import Acr, Answer, DecisionId, Reason, SessionId, UserId, WatchwordError
from watchword.policy import PolicySet
from watchword.policy.rego import RemoteOpa
from watchword.policy.relations.keeping import Relations
from watchword.settings import NODE_KEY
from watchword.storage import OutboxRelay
from watchword.trust import STATISTICAL, ContextSource, Habits, NetworkLists, TrustState, profiles
from watchword.trust.feeds import FeedStatus
from watchword.trust.learning import Doubts, Feedback, KeptModels

_LOOK_AT_POLICIES_S: Final = 0.05
_SUM_UP_EVERY_S: Final = 10.0


class Deciding:
    """What decides, and what feeds it.

    Attributes:
        point: releases decisions.
        streams: asks again about open streams.
        policies: the source of the set in force.
        relations: every tuple, as it is in force.
    """

    def __init__(self, services: Services, applications: Sequence[Application], journal: Journal) -> None:
        settings, clock = services.settings, services.clock
        self._services = services
        self._applications = applications
        self._journal = journal
        self._bus = Bus()
        self._relay = OutboxRelay(services.database, self._bus, journal, clock)
        self._facts = FactBase(
            services.identity.reader, services.device_reader, clock, fresh_at=lambda: self._relay.fresh_at
        )
        self._places = ContextSource.open(settings.trust)
        self._feeds = open_feeds(services)
        self._networks = NetworkLists(services.database, self._feeds.reputation)
        self._habits = Habits(
            services.database,
            clock,
            most=settings.trust.habits_in_memory,
            reputation=self._feeds.reputation,
            places="; ".join(self._places.sources),
            learns=learning_profiles(applications, settings.trust),
        )
        self._trust = TrustState(
            services.database,
            clock,
            self._places,
            timezone_of=self._zone_of,
            group_of=self._peers_of,
            habits=self._habits,
        )
        self._kept = KeptModels.of(settings.data)
        self._feedback = Feedback(services.database, clock, services.entropy)
        self._abreast = Abreast(self._kept, self._feedback, self._habits)
        self._peers = PeersAbreast(settings.data / "trust" / "batch", self._habits)
        self._outcomes = StepUpOutcomes(self._feedback, self._kept, clock, self._acr_of, self._refused_of)
        self._doubts = Doubts(services.database, clock)
        self._noted = DoubtsNoted(self._doubts, self._kept)
        self.relations = Relations(
            services.database, position=lambda: self._relay.position, catch_up=self._relay.catch_up
        )
        self.policies = policy_source(services)
        self._joined: tuple[PolicySet, PolicySet] | None = None
        self._opa = RemoteOpa(settings.opa, clock=clock.monotonic) if settings.opa.url else None
        self._procedure = Procedure(
            Sources(
                applications=applications,
                facts=self._facts,
                policies=self._in_force,
                trust=self._trust,
                places=self._places,
                networks=self._networks,
                profiles=profiles(settings.trust),
                device_key=device_key(services.sealer),
                settings=settings.decision,
                relations=self.relations.view,
                # What people need to sign in is asked for by risk; trust is earned only behind that door.
                portal_profile=portal_profile(settings.trust),
            ),
            clock,
            services.entropy,
        )
        self.point = DecisionPoint(self._procedure, journal, remote=self._opa)
        self._candidates = Candidates(
            lambda: self.policies.current, settings.candidate_directory, relations=self.relations.view
        )
        self.point.subscribe(self._candidates.observe)
        self.point.subscribe(self._noted.see)
        self._acts = Acts(self._trust, self._places) if self._habits.learns else None
        if self._acts is not None:
            self._habits.fed_by(self._acts.drain)
            self.point.subscribe(self._acts.note)
        if STATISTICAL in self._habits.learns:
            self.point.subscribe(self._outcomes.see)
        self._authzen: AuthzenPart | None = None
        self._leases: LeaseDesk | None = None
        self.streams = Streams(self.point.evaluate, self._note_cut, ask=self.point.ask if self._opa else None)

    async def open(self) -> None:
        """Journal what an earlier run left, load the facts, follow the events.

        What was committed before is read from the tables; only what comes after is delivered.
        """
        settings = self._services.settings
        await self._relay.start_at_end()
        if not settings.policy.is_signed:
            plant_default_policies(settings.policy_directory)
        elif NODE_KEY in settings.policy.keys:
            await self._services.keys.ensure(PURPOSE)
        await self._networks.load(settings.trust.networks)
        await self._feeds.load()
        await self._trust.load()
        await self._abreast.look()
        if self._habits.learns:
            await self._peers.look()
        await self._facts.load()
        await self.relations.load()
        await self.policies.start()
        await self._candidates.open()
        await self._services.identity.load()
        for observer in (
            self._facts.observe,
            self.relations.observe,
            self._networks.observe,
            self._feeds.observe,
            self._trust.observe,
            self._services.keys.observe,
            self.streams.observe,
            self._outcomes.observe,
        ):
            self._bus.subscribe(observer)
        await self._relay.catch_up()

    def subscribe(self, observer: Observer) -> None:
        """Let something else of the node follow committed events, after the facts did."""
        self._bus.subscribe(observer)

    def witness(self) -> NodeWitness:
        """Make what proves and tells what obligations ask for."""
        measured = self._acts.measure if self._acts is not None else None
        return NodeWitness(self._journal, self._services.database, self._services.entropy, measured=measured)

    @property
    def feeds(self) -> Sequence[FeedStatus]:
        """How every feed is."""
        return self._feeds.statuses()

    def supposing(self) -> Supposing:
        """Make what tells this machine's own tools how a request would be decided."""
        services = self._services
        return Supposing(
            self._procedure, self._facts, self._applications, clock=services.clock, entropy=services.entropy
        )

    def relating(self) -> RelatedNow:
        """Make what tells this machine's own tools who is related to what."""
        return RelatedNow(self.relations, self._in_force, self._facts)

    def authzen(self) -> AuthzenPart:
        """Make the API for enforcement points that are not ours; it follows the same facts."""
        made = AuthzenPart(
            self._services,
            self._applications,
            self._facts,
            self._in_force,
            self._journal,
            self.relations.view,
            remote=self._opa,
        )
        self.subscribe(made.observe)
        self._authzen = made
        return made

    def leases(self, board: LeaseBoard) -> LeaseDesk:
        """Make what lets the edge on this machine repeat allows; it looks at them whenever a fact changed."""
        desk = LeaseDesk(
            board,
            self.point,
            self._services.clock,
            lease_s=self._services.settings.edge.lease_s,
            is_well=lambda: self._journal.problem is None,
        )
        desk.account_left()
        self.subscribe(desk.observe)
        self._leases = desk
        return desk

    def background(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Return the work that must go on while the node runs."""
        return (
            self._relay.run(),
            self._trust.run(),
            self._habits.run(),
            self._abreast.run(),
            self._outcomes.run(),
            self._noted.run(),
            self._feeds.run(),
            self.streams.run(),
            self._follow_policies(),
            self._sum_up_strangers(),
            *self._candidates.background(),
            *((self._peers.run(),) if self._habits.learns else ()),
        )

    async def trim(self) -> None:
        """Let go of events that the journal has and everybody has seen."""
        await self._relay.trim()

    async def close(self) -> None:
        """Stop watching policies and write behind what was learned."""
        with suppress(WatchwordError):  # the journal says by itself when it cannot be written
            await self.point.sum_up(self._services.clock.now())
        with suppress(WatchwordError):  # owners are not asked about what cannot be written now
            await self._noted.write()
        await self._candidates.close()
        await self.policies.stop()
        if self._opa is not None:
            self._opa.close()
        await self._trust.flush()
        await self._habits.learn_waiting()
        await self._habits.flush()

    def console_services(self) -> ConsoleServices:
        """Fill the console's ports."""
        services, settings = self._services, self._services.settings
        return ConsoleServices(
            clock=services.clock,
            csrf_key=services.sealer.derive("console.csrf"),
            identity=services.identity,
            devices=services.devices,
            device_reader=services.device_reader,
            visitors=self._facts,
            risk=adapters.RiskAdapter(self._procedure, self._noted.see, self._journal.append),
            applications=adapters.ApplicationsAdapter(self._applications, settings.edge, self._procedure),
            decisions=adapters.DecisionsAdapter(self.point, settings.journal_directory),
            policies=adapters.PolicyAdapter(self.policies, self._candidates),
            audit=adapters.AuditAdapter(self._journal, settings.journal_directory, services.keys, services.clock),
            places=adapters.PlacesAdapter(self._places),
            keys=adapters.KeysAdapter(services.keys),
            health=adapters.HealthAdapter(self._parts),
            settled=self._relay.catch_up,
            habits=adapters.HabitsAdapter(self._habits, services.database),
            relations=RelationAdapter(
                lambda: self.relations.view(self.policies.current.relations), services.relations, self._facts
            ),
            authzen=AuthzenAdapter(settings, lambda: self._authzen),
            verdicts=AnalystsVerdicts(self._feedback, self._kept, self._trust.unlearn),
            feedback=OwnersFeedback(
                self._feedback,
                self._doubts,
                self._kept,
                self.point,
                settings.journal_directory,
                identity=services.identity,
                clock=services.clock,
                unlearn=self._trust.unlearn,
            ),
        )

    async def status(self) -> dict[str, Any]:
        """Tell this machine's own tools how the node is."""
        current, relay, journal = self.policies.current, self._relay, self._journal
        return {
            "version": __version__,
            "position": relay.position,
            "snapshot_age_s": round(self._facts.age_s(), 3),
            "relay_problem": type(relay.failure).__name__ if relay.failure else None,
            "journal_records": journal.seq,
            "journal_problem": journal.problem.message if journal.problem else None,
            "decision_problem": self._procedure.failure,
            "policy_version": current.version,
            "policies": len(current),
            "policy_problem": self.policies.problem,
            "policy_bundle": bundle_status(self.policies),
            "authzen": _counted(self._authzen.service.counts) if self._authzen else {},
            "entities_problem": self._authzen.filed.problem if self._authzen else None,
            "place_problems": [*self._places.problems, *self._feeds.reputation.problems],
            "feeds": feed_status(self._feeds),
            "habits": dataclasses.asdict(self._habits.figures),
            "learns": sorted(self._habits.learns),
            "score": self._habits.model.label,
            "score_problem": self._abreast.problem,
            "peer_groups": self._habits.clusters_version,
            "peer_groups_problem": self._peers.problem,
            "decisions": _counted(self.point.counts),
            "leases": len(self._leases) if self._leases is not None else None,
            **self._facts.counts(),
        }

    def _in_force(self) -> PolicySet:
        """Return the policies to ask now; with a policy server that has to agree, if there is one."""
        current = self.policies.current
        if self._opa is None:
            return current
        if self._joined is None or self._joined[0] is not current:
            self._joined = current, current.joined_with(self._opa)
        return self._joined[1]

    async def candidate_figures(self) -> dict[str, Any]:
        """Tell this machine's own tools what the policies that only watch have found."""
        return self._candidates.figures()

    async def _parts(self) -> Mapping[str, bool]:
        return {
            "snapshot": self._relay.failure is None,
            "journal": self._journal.problem is None,
            "policies": self.policies.is_well,
        }

    def _acr_of(self, session_id: SessionId) -> Acr | None:
        session = self._facts.session(session_id)
        return session.acr if session is not None else None

    def _refused_of(self, user_id: str) -> int:
        return self._habits.detectors.refused_prompts(user_id, self._services.clock.now().timestamp())

    def _zone_of(self, user_id: str) -> str:
        user = self._facts.user(UserId(user_id))
        return user.timezone if user is not None else "UTC"

    def _peers_of(self, user_id: str) -> str:
        user = self._facts.user(UserId(user_id))
        return peers_of(user) if user is not None else ""

    async def _follow_policies(self) -> None:
        """Ask again about every open stream when other policies are in force."""
        version = self.policies.current.version
        while True:
            await asyncio.sleep(_LOOK_AT_POLICIES_S)
            if self.policies.current.version != version:
                version = self.policies.current.version
                self.streams.review_all()
                if self._leases is not None:
                    self._leases.verify()

    async def _sum_up_strangers(self) -> None:
        while True:
            await asyncio.sleep(_SUM_UP_EVERY_S)
            with suppress(WatchwordError):  # as above; the figures are in the next record
                await self.point.sum_up(self._services.clock.now())

    def _note_cut(self, decision_id: DecisionId, decision: Decision) -> None:
        record = decision.record() | {"type": "stream.cut", "stream": decision_id}
        self._journal.append_nowait(record).add_done_callback(_forgive)


def _counted(counts: Mapping[tuple[Answer, Reason], int]) -> dict[str, int]:
    return {f"{answer.value}/{reason.code}": n for (answer, reason), n in counts.items()}


def _forgive(future: asyncio.Future[int]) -> None:
    # The stream is cut whether or not that can be written; the journal says by itself when it cannot.
    future.exception()
