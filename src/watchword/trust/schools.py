"""The two ways to learn: habits for the profile `statistical`, sign-ins for the profile `freeman`."""

from __future__ import annotations

from typing import Final

from watchword.trust.behaviour import (
    BehaviourProfile,
    Everybody,
    Population,
    SignIns,
    dump,
    dump_sign_ins,
    everybody_parts,
    learn,
    learn_sign_in,
    parse,
    parse_everybody,
    parse_population,
    parse_sign_ins,
    population_parts,
)
from watchword.trust.memory import School
from watchword.trust.shelf import Form
from watchword.trust.store import Learned

HABITS: Final[School[BehaviourProfile, Population]] = School(
    Form(Learned.HABITS, BehaviourProfile, dump, parse), learn, Population, population_parts, parse_population
)
SIGN_INS: Final[School[SignIns, Everybody]] = School(
    Form(Learned.SIGN_INS, SignIns, dump_sign_ins, parse_sign_ins),
    learn_sign_in,
    Everybody,
    everybody_parts,
    parse_everybody,
)
