"""What this room refuses."""

from __future__ import annotations

from watchword.kernel import WatchwordError


class TrustError(WatchwordError):
    """Context or trust could not be established as asked."""

    code = "trust.failed"


class PlaceDataError(TrustError):
    """A file with places or addresses cannot be used."""

    code = "trust.place_data"


class NetworkMalformedError(TrustError):
    """The text is not a network in CIDR form."""

    code = "trust.network_malformed"
    status = 422


class NetworkTooBroadError(TrustError):
    """The network covers so much that listing it is probably a mistake."""

    code = "trust.network_too_broad"
    status = 422


class NetworkNotListedError(TrustError):
    """The network is not on that list."""

    code = "trust.network_not_listed"
    status = 404
