"""At the door: sign-ins and prompts, of accounts, networks and programs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from watchword.trust.detectors import failures, fatigue, homes, spray, stuffing
from watchword.trust.detectors.limits import Limits
from watchword.trust.detectors.memory import Memory
from watchword.trust.detectors.reading import family, program_of
from watchword.trust.observation import Act, Finding, Observation


class Entrance:
    """What is remembered of who tried to get in."""

    def __init__(self, limits: Limits) -> None:
        self.failures = Memory(failures.Failures(), failures.Failures.parse, failures.turned_back, most=limits.users)
        self.homes = Memory(homes.Homes(), homes.Homes.parse, homes.turned_back, most=limits.users)
        self.own_programs = Memory(homes.Homes(), homes.Homes.parse, homes.turned_back, most=limits.users)
        self.prompts = Memory(fatigue.Prompts(), fatigue.Prompts.parse, fatigue.turned_back, most=limits.users)
        self.networks = _sources(limits.networks)
        self.programs = _sources(limits.programs)
        self.network_names = _names(limits.networks)
        self.program_names = _names(limits.programs)
        # Until when something stands against an account, or everybody in a network: what nearly every request asks.
        self._beset: OrderedDict[str, float] = OrderedDict()
        self._sprayed: OrderedDict[str, float] = OrderedDict()
        # Who signed in where, or with what, on which day; as digests, which name nobody.
        self._counted: OrderedDict[int, None] = OrderedDict()
        self._limits = limits

    @property
    def memories(self) -> Mapping[str, Memory[Any]]:
        """Name what has to be stored."""
        return {
            "failures": self.failures,
            "homes": self.homes,
            "own_programs": self.own_programs,
            "prompts": self.prompts,
            "networks": self.networks,
            "programs": self.programs,
            "network_names": self.network_names,
            "program_names": self.program_names,
        }

    # --- judging ----------------------------------------------------------------------------------------------------

    def judge(self, seen: Observation) -> list[Finding]:
        """Judge a sign-in or a prompt by what came before it."""
        found = [self._prompt(seen)] if seen.act is Act.PROMPT else [self._spray(seen), self._stuffing(seen)]
        # A second factor that was given while signing in was asked for by a prompt, which may not be told apart; at
        # home what stands against the account says as much.
        if seen.act is Act.SIGN_IN and seen.is_success and seen.is_verified:
            found.append(None if self.is_home(seen.user, seen.network, seen.at) else self._prompt(seen))
        return [finding for finding in found if finding is not None]

    def is_known(self, user: str, network: str, now: float) -> bool:
        """Tell, in no time, whether anything at all could stand against this account or network."""
        return self._beset.get(user, 0.0) > now or self._sprayed.get(network, 0.0) > now

    def standing(self, user: str, network: str, now: float) -> list[Finding]:
        """Return what others brought about for this account, or for everybody in this network."""
        at_home = self.is_home(user, network, now)
        found = (
            failures.find(self.failures.get(user), now, is_home=at_home),
            fatigue.standing(self.prompts.get(user), now, is_home=at_home),
            spray.nearby(self.networks.get(network), now, is_home=at_home) if network in self._sprayed else None,
        )
        return [finding for finding in found if finding is not None]

    def is_home(self, user: str, network: str, now: float) -> bool:
        """Tell whether a network is the account's own."""
        return homes.is_home(self.homes.get(user), network, now)

    def _prompt(self, seen: Observation) -> Finding | None:
        if seen.user not in self.prompts:
            return None
        at_home = self.is_home(seen.user, seen.network, seen.at)
        judged = fatigue.given if seen.is_success else fatigue.asked
        return judged(self.prompts.get(seen.user), seen.network, seen.at, is_home=at_home)

    def _spray(self, seen: Observation) -> Finding | None:
        network, program = self.networks.get(seen.network), self.programs.get(program_of(seen.agent.full))
        if seen.is_success:
            of_network, of_program = self._most_of_success(seen)
            one = spray.succeeded(network, seen.at, whence="this network", most=of_network)
            of_program = min(of_program, spray.most_of_program(program, seen.at))
            other = spray.succeeded(program, seen.at, whence="this program", most=of_program)
        else:
            one = spray.tried(network, seen.at, whence="this network")
            other = spray.tried(program, seen.at, whence="this program")
        return max((one, other), key=lambda found: found.value if found else 0.0)

    def _stuffing(self, seen: Observation) -> Finding | None:
        program = program_of(seen.agent.full)
        network_names, program_names = self.network_names.get(seen.network), self.program_names.get(program)
        if network_names is self.network_names.empty and program_names is self.program_names.empty:
            return None
        one = stuffing.weigh_network(network_names, self.networks.get(seen.network), seen.at)
        other = stuffing.weigh_program(program_names, self.programs.get(program), seen.at)
        if not seen.is_success:
            return stuffing.tried(max(one, other, key=lambda weighed: weighed[1]))
        of_network, of_program = self._most_of_success(seen)
        of_program = min(of_program, spray.most_of_program(self.programs.get(program), seen.at))
        found = stuffing.succeeded(one, most=of_network), stuffing.succeeded(other, most=of_program)
        return max(found, key=lambda item: item.value if item else 0.0)

    def _most_of_success(self, seen: Observation) -> tuple[float, float]:
        """Return how much the attempts from a network, and with a program, may count against who succeeds there."""
        is_shared = seen.traits.is_shared or seen.traits.is_mobile
        most = spray.MOST_PROVED if seen.is_verified else spray.MOST_SHARED if is_shared else spray.MOST_SUCCEEDED
        is_own = homes.is_home(self.own_programs.get(seen.user), _family_of(seen), seen.at)
        at_home = self.is_home(seen.user, seen.network, seen.at)
        return spray.AT_HOME if at_home else most, 0.0 if at_home or is_own else most

    # --- remembering ------------------------------------------------------------------------------------------------

    def observe(self, seen: Observation) -> list[Finding]:
        """Judge a sign-in or a prompt, and remember it; one that failed counts itself."""
        if seen.is_success:
            found = self.judge(seen)
            self._succeeded(seen, is_doubted=bool(found))
            return found
        if seen.act is Act.PROMPT:
            self._refused(seen)
        else:
            self._failed(seen)
        return self.judge(seen)

    def watch_again(self, now: float) -> None:
        """Find again against whom something stands, after the states were taken or turned back."""
        self._beset.clear()
        self._sprayed.clear()
        for network, source in self.networks.items():
            if source.failed:
                self._watch_network(network, min(now, max(source.failed.values())))
        for memory in (self.failures, self.prompts):
            for user in memory.keys():  # noqa: SIM118  # not a dictionary: it has no iteration of its own
                self._watch_user(user)

    def forget_minutes(self) -> None:
        """Forget what counts for minutes only."""
        self.failures.clear()
        self.prompts.clear()
        self._beset.clear()

    def unlearn(self, user: str, since: float) -> None:
        """Forget where, and with what, an account was at home for the first time since then."""
        for own in (self.homes, self.own_programs):
            if user in own:
                own.put(user, homes.before(own.get(user), since))

    def forget_user(self, user: str) -> None:
        """Forget an account."""
        for memory in (self.failures, self.prompts, self.homes, self.own_programs):
            memory.drop(user)
        self._beset.pop(user, None)

    def _succeeded(self, seen: Observation, *, is_doubted: bool) -> None:
        if seen.act is Act.SIGN_IN and seen.user:
            for memory, key in ((self.networks, seen.network), (self.programs, program_of(seen.agent.full))):
                if key:
                    is_counted = self._is_first_of_day(seen.user, key, seen.at)
                    memory.put(key, spray.fold_success(memory.get(key), seen.user, seen.at, is_counted=is_counted))
        # Prevents: whoever guessed a password making himself at home with it.
        if seen.user and (seen.is_verified or not is_doubted):
            for own, name in ((self.homes, seen.network), (self.own_programs, _family_of(seen))):
                if name:
                    learned = homes.fold(own.get(seen.user), name, seen.at, is_verified=seen.is_verified)
                    own.put(seen.user, learned)

    def _refused(self, seen: Observation) -> None:
        if seen.user:
            self._count_failure(seen)
            known = self.prompts.get(seen.user)
            self.prompts.put(seen.user, fatigue.fold(known, seen.id or repr(seen.at), seen.network, seen.at))
            self._watch_user(seen.user)

    def _failed(self, seen: Observation) -> None:
        if seen.user:
            self._count_failure(seen)
            self._watch_user(seen.user)
        for sources, names, key in (
            (self.networks, self.network_names, seen.network),
            (self.programs, self.program_names, program_of(seen.agent.full)),
        ):
            if not key:
                continue
            if seen.user:
                sources.put(key, spray.fold_failure(sources.get(key), seen.user, seen.at))
            folded = stuffing.fold(names.get(key), seen.network, seen.at, is_known_account=bool(seen.user))
            names.put(key, folded)
        self._watch_network(seen.network, seen.at)

    def _is_first_of_day(self, user: str, key: str, at: float) -> bool:
        # Prevents: whoever sprays signing in to an account of his own in between, until so many failures are usual.
        entry = hash((user, key, int(at // spray.DAY_S)))
        is_first = entry not in self._counted
        self._counted[entry] = None
        self._counted.move_to_end(entry)
        if len(self._counted) > self._limits.users:
            self._counted.popitem(last=False)
        return is_first

    def _count_failure(self, seen: Observation) -> None:
        self.failures.put(seen.user, failures.fold(self.failures.get(seen.user), seen.at))

    def _watch_user(self, user: str) -> None:
        end = max(failures.until(self.failures.get(user)), fatigue.until(self.prompts.get(user)))
        if end:
            _put(self._beset, user, end, most=self._limits.users)

    def _watch_network(self, network: str, at: float) -> None:
        if spray.weigh(self.networks.get(network), at)[1]:
            _put(self._sprayed, network, at + spray.WINDOW_S, most=self._limits.networks)


def _put(ends: OrderedDict[str, float], key: str, end: float, *, most: int) -> None:
    ends[key] = max(end, ends.get(key, 0.0))
    ends.move_to_end(key)
    if len(ends) > most:
        ends.popitem(last=False)


def _family_of(seen: Observation) -> str:
    """Name a program without its versions, which change by themselves."""
    browser, system = family(seen.agent.browser), family(seen.agent.system)
    return f"{browser} {system} {seen.agent.kind}" if browser and system else program_of(seen.agent.full)


def _sources(most: int) -> Memory[spray.Source]:
    empty = spray.Source()
    return Memory(empty, spray.Source.parse, spray.turned_back, most=most, worth=spray.worth_keeping)


def _names(most: int) -> Memory[stuffing.Names]:
    empty = stuffing.Names()
    return Memory(empty, stuffing.Names.parse, stuffing.turned_back, most=most, worth=stuffing.worth_keeping)
