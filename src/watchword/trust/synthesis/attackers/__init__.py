"""Own the attackers: who attacks whom from where, as the literature describes them.

Publishes `ATTACKS`, one for each name, and `Scene`. Refuses to know anything of how traffic is scored.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from watchword.trust.synthesis.attackers import naive, targeted, very_targeted, vpn
from watchword.trust.synthesis.attackers.scene import Scene
from watchword.trust.synthesis.model import Attacker, Labelled

Attack = Callable[[Scene, float], Iterator[Labelled]]

ATTACKS: Mapping[Attacker, Attack] = MappingProxyType(
    {
        Attacker.NAIVE: naive.attack,
        Attacker.VPN: vpn.attack,
        Attacker.TARGETED: targeted.attack,
        Attacker.VERY_TARGETED: very_targeted.attack,
    }
)

__all__ = ["ATTACKS", "Attack", "Scene"]
