"""The use case of training: labels in, a trial, and the better score in force, with its event in the journal."""

from __future__ import annotations

from dataclasses import dataclass

from watchword.kernel import Clock, Entropy
from watchword.storage import Database
from watchword.trust.behaviour import Model
from watchword.trust.learning.events import MODEL_PROMOTED, MODEL_ROLLED_BACK
from watchword.trust.learning.feedback import Feedback
from watchword.trust.learning.kept import KeptModels
from watchword.trust.learning.trial import Rules, Trial, train

_DIGITS = 4
_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it.

    Attributes:
        version: of the new score if it was promoted, else of the one that stays.
        former: the version that was in force before.
        held: labels that did not count.
    """

    model: Model
    trial: Trial
    version: int
    former: int
    held: int


class Training:
    """Make scores from feedback, and go back.

    # INVARIANT: a score comes into force by its trial or by a rollback, and either way the journal says so.
    """

    def __init__(self, database: Database, clock: Clock, entropy: Entropy, kept: KeptModels) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._kept = kept
        self._feedback = Feedback(database, clock, entropy)

    async def train(self, *, actor: str, is_dry: bool = False, rules: Rules = _RULES) -> Trained:
        """Refit on what people said, try it, and put it in force if it is better.

        Args:
            is_dry: try only.

        Raises:
            TooFewLabelsError: there is not enough to learn from or to try it on.
            ModelKeptError: the score in force cannot be read, or the new one not be written.
        """
        admitted = await self._feedback.admitted()
        champion, former = self._kept.current(), self._kept.state().version
        number = self._kept.next_version()
        challenger, trial = train(
            admitted.counted,
            champion,
            self._kept.shipped,
            version=str(number),
            now=self._clock.now(),
            rules=rules,
        )
        version = former
        if trial.is_promoted and not is_dry:
            version = self._kept.promote(challenger, over=champion)
            await self._tell_promoted(trial, version, former, actor)
        return Trained(challenger, trial, version, former, len(admitted.held))

    async def rollback(self, *, actor: str, to: int | None = None) -> tuple[int, int]:
        """Put an older score in force; returns its number and that of the one that was.

        Raises:
            ModelKeptError: there is none, or it cannot be read.
        """
        version, former = self._kept.rollback(to)
        async with self._database.work() as work:
            work.emit(
                MODEL_ROLLED_BACK.at(
                    self._clock.now(),
                    self._entropy,
                    actor=actor,
                    subject=_subject(version),
                    version=version,
                    former=former,
                )
            )
        return version, former

    async def _tell_promoted(self, trial: Trial, version: int, former: int, actor: str) -> None:
        async with self._database.work() as work:
            work.emit(
                MODEL_PROMOTED.at(
                    self._clock.now(),
                    self._entropy,
                    actor=actor,
                    subject=_subject(version),
                    version=version,
                    former=former,
                    labels=trial.learned,
                    detection=round(trial.challenger.detection, _DIGITS),
                    reauthentication=round(trial.challenger.reauthentication, _DIGITS),
                )
            )


def _subject(version: int) -> str:
    return f"score_{version}"
