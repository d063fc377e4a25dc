"""Large files of observations as tables: who used what, counted by Polars without loading the file whole."""

from __future__ import annotations

from pathlib import Path

from watchword.trust.learning.batch.fitting import load
from watchword.trust.learning.errors import ObservationsError


def resources_used(path: Path) -> dict[str, dict[str, float]]:
    """Count, by user, how often each resource was used, in a file of labelled observations.

    Raises:
        ExtraMissingError: Polars is not installed.
        ObservationsError: the file cannot be read as observations.
    """
    polars = load("polars")
    wanted = {
        "user": polars.String,
        "act": polars.String,
        "is_success": polars.Boolean,
        "application": polars.String,
        "resource": polars.String,
    }
    try:
        table = (
            polars.scan_ndjson(path, schema=wanted)
            .filter(
                (polars.col("act") == "request")
                & polars.col("is_success").fill_null(value=True)
                & (polars.col("user") != "")  # somebody who does not exist is no one's peer
            )
            .with_columns(
                used=polars.concat_str(
                    [polars.col("application").fill_null(""), polars.col("resource").fill_null("")], separator=" "
                )
            )
            .group_by("user", "used")
            .len()
            .sort("user", "used")
            .collect()
        )
    except (polars.exceptions.PolarsError, OSError) as error:
        hint = "`watchword risk import` and `risk synthesize` write such files; one observation in JSON a line"
        raise ObservationsError(f"`{path}` cannot be read as observations", hint=hint) from error
    found: dict[str, dict[str, float]] = {}
    for user, used, count in table.iter_rows():
        found.setdefault(str(user), {})[str(used)] = float(count)
    return found
