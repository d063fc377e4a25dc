"""`watchword risk`: what is usual, how much risk a decision saw, and why."""

from __future__ import annotations

import typer

from watchword.cli import (
    risk_batch,
    risk_explain,
    risk_feedback,
    risk_feeds,
    risk_learning,
    risk_profile,
    risk_replay,
    risk_synthesize,
    risk_unusual,
)

app = typer.Typer(help="Look at risk scores, and make them better.", no_args_is_help=True)
app.command("explain")(risk_explain.explain)
app.command("profile")(risk_profile.profile)
app.command("replay")(risk_replay.replay)
app.add_typer(risk_feeds.app, name="feeds")
app.command("synthesize")(risk_synthesize.synthesize)
app.command("import")(risk_synthesize.import_traffic)
app.command("train")(risk_learning.train)
app.command("evaluate")(risk_learning.evaluate)
app.command("rollback")(risk_learning.rollback)
app.add_typer(risk_feedback.app, name="feedback")
app.command("batch")(risk_batch.batch)
app.command("unusual")(risk_unusual.unusual)
