"""Say what would be decided about a request that nobody makes, for this machine's own tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from watchword.decision import AccessRequest, Application, FactBase, Procedure
from watchword.identity import SessionFacts, UserFacts, network_of
from watchword.kernel import Acr, Clock, Entropy, SessionId

_LASTS: Final = timedelta(hours=1)
_LONGEST_AGE_MIN: Final = 60 * 24
_HERE: Final = "127.0.0.1"


class Supposing:
    """Decide as if a user asked who has just signed in. A question: nothing is journalled, learned or released."""

    def __init__(
        self,
        procedure: Procedure,
        facts: FactBase,
        applications: Sequence[Application],
        *,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._procedure = procedure
        self._facts = facts
        self._applications = applications
        self._clock = clock
        self._entropy = entropy

    async def __call__(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the record that the decision would have, or `problem`.

        Args:
            query: `user` and `app` by name; `method`, `path`, `ip`, and `mfa_age_min` for a second factor shown so many
                minutes ago from the same network.
        """
        user = next((one for one in self._facts.users() if one.name == query.get("user")), None)
        app = next((one for one in self._applications if one.name == query.get("app")), None)
        if user is None or app is None:
            return {"problem": "no such user" if user is None else "no such application"}
        age = query.get("mfa_age_min", "")
        if age and not (age.isdecimal() and int(age) <= _LONGEST_AGE_MIN):
            return {"problem": f"the age of the second factor is no number from 0 to {_LONGEST_AGE_MIN}"}
        ip, host = query.get("ip", _HERE), app.hosts[0]
        method, path = query.get("method", "GET").upper(), query.get("path", "/")
        request = AccessRequest(method, host, path, ip, filters_bodies=True)
        decision = self._procedure.decide(request, as_session=self._session(user, ip, int(age) if age else None))
        return decision.record()

    def _session(self, user: UserFacts, ip: str, mfa_age_min: int | None) -> SessionFacts:
        now = self._clock.now()
        has_mfa = mfa_age_min is not None
        since = timedelta(minutes=mfa_age_min or 0)
        return SessionFacts(
            id=SessionId.new(now, self._entropy),
            user_id=user.id,
            device_id=None,
            acr=Acr.MULTI_FACTOR if has_mfa else Acr.SINGLE_FACTOR,
            amr=("pwd", "otp") if has_mfa else ("pwd",),
            authenticated_at=now,
            mfa_at=now - since if has_mfa else None,
            mfa_network=network_of(ip) if has_mfa else None,
            expires_at=now + _LASTS,
            ended_at=None,
            ip=ip,
            user_agent="",
        )
