"""What this sub-package refuses."""

from __future__ import annotations

from watchword.trust.errors import TrustError


class FeedbackRefusedError(TrustError):
    """Whoever said it may not say it, or not from there."""

    code = "trust.feedback_refused"
    status = 403


class FeedbackMalformedError(TrustError):
    """A label or a suppression cannot mean anything."""

    code = "trust.feedback_malformed"
    status = 422


class FeedbackUnknownError(TrustError):
    """There is no such label or suppression."""

    code = "trust.feedback_unknown"
    status = 404


class TooFewLabelsError(TrustError):
    """There is not enough to learn from, or to try what was learned."""

    code = "trust.too_few_labels"
    status = 409


class ModelKeptError(TrustError):
    """A kept score cannot be read, is not what was written, or is not kept."""

    code = "trust.model_kept"


class ObservationsError(TrustError):
    """A file of labelled observations cannot be used."""

    code = "trust.observations"
    status = 422


class ExtraMissingError(TrustError):
    """A part of the batch plane needs a package that is not installed."""

    code = "trust.extra_missing"
