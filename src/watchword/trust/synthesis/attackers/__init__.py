"""Own the attackers: who attacks whom from where, as the literature describes them.

Publishes `ATTACKS` on accounts, `RIDES` on sessions that their owners opened, and `Scene`. Refuses to know anything
of how traffic is scored.
"""

from collections.abc import Mapping
from types import MappingProxyType

from watchword.trust.synthesis.attackers import (
    insider,
    lateral_movement,
    mfa_bombing,
    naive,
    session_hijack,
    slow_exfiltration,
    spray,
    stuffing,
    targeted,
    token_replay,
    very_targeted,
    vpn,
)
from watchword.trust.synthesis.attackers.scene import Attack, Ride, Scene
from watchword.trust.synthesis.model import Attacker

ATTACKS: Mapping[Attacker, Attack] = MappingProxyType(
    {
        Attacker.NAIVE: naive.attack,
        Attacker.VPN: vpn.attack,
        Attacker.TARGETED: targeted.attack,
        Attacker.VERY_TARGETED: very_targeted.attack,
        Attacker.SPRAY: spray.attack,
        Attacker.STUFFING: stuffing.attack,
        Attacker.MFA_BOMBING: mfa_bombing.attack,
    }
)
RIDES: Mapping[Attacker, Ride] = MappingProxyType(
    {
        Attacker.TOKEN_REPLAY: Ride(token_replay.ride),
        Attacker.SESSION_HIJACK: Ride(session_hijack.ride),
        Attacker.SLOW_EXFILTRATION: Ride(slow_exfiltration.ride, slow_exfiltration.DAYS),
        Attacker.INSIDER: Ride(insider.ride, insider.DAYS),
        Attacker.LATERAL_MOVEMENT: Ride(lateral_movement.ride),
    }
)

__all__ = ["ATTACKS", "RIDES", "Attack", "Ride", "Scene"]
