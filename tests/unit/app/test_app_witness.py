"""What obligations ask to be proved and told is on disk when the node says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from watchword.app.services import obligation_keys
from watchword.app.witness import NodeWitness
from watchword.audit import Journal, JournalUnwritableError, read
from watchword.bus import Bus
from watchword.enforcement.bodies import DataAccess, Notice, Visitor
from watchword.kernel import ConfigurationError, FrozenClock, KeyId
from watchword.keys import Algorithm, MasterKey, Sealer, Signer
from watchword.settings import load
from watchword.storage import Database, OutboxRelay

VISITOR = Visitor("dec_1", "crm", "usr_1")


@pytest.fixture
async def journal(tmp_path: Path, clock: FrozenClock, entropy: Any) -> AsyncIterator[Journal]:
    signer = Signer.generate(KeyId.new(clock.now(), entropy), Algorithm.ED25519)
    found = Journal.open(tmp_path / "journal", signer=signer, clock=clock)
    yield found
    await found.close()


async def test_an_access_is_in_the_journal_and_a_notice_in_the_outbox(
    plain_database: Database, journal: Journal, clock: FrozenClock, entropy: Any, tmp_path: Path
) -> None:
    witness = NodeWitness(journal, plain_database, entropy)
    await witness.record(DataAccess(VISITOR, "answer", clock.now(), {"**.ssn": 3}, 200))
    await witness.notify(Notice(VISITOR, ("administrators", "owner"), clock.now()))
    relay = OutboxRelay(plain_database, Bus(), journal, clock)
    await relay.catch_up()
    access, notice = (each for each in read(tmp_path / "journal") if not each.type.startswith("journal."))
    assert access.type == "data_access"
    assert access.fields["counts"] == {"**.ssn": 3}
    assert (access.fields["decision"], access.fields["user"]) == ("dec_1", "usr_1")
    assert notice.type == "enforcement.access.notified"
    assert "administrators" in str(notice.fields)


async def test_how_much_was_shown_is_handed_on_by_the_reference_of_the_decision(
    plain_database: Database, journal: Journal, entropy: Any
) -> None:
    heard: list[tuple[str, int]] = []
    NodeWitness(
        journal, plain_database, entropy, measured=lambda decision, size: heard.append((decision, size))
    ).measure(VISITOR, 4096)
    NodeWitness(journal, plain_database, entropy).measure(VISITOR, 4096)
    assert heard == [("dec_1", 4096)]


async def test_what_the_disk_does_not_take_is_not_proved(
    plain_database: Database, journal: Journal, clock: FrozenClock, entropy: Any
) -> None:
    await journal.close()
    with pytest.raises(JournalUnwritableError):
        await NodeWitness(journal, plain_database, entropy).record(DataAccess(VISITOR, "answer", clock.now(), {}, 200))


@pytest.mark.parametrize("name", ["MAX_BODY_KIB", "MAX_HELD_MIB", "KEY_GENERATION"])
@pytest.mark.parametrize("value", ["0", "-1", "99999999"])
def test_bounds_that_hold_nothing_or_no_machine_has_are_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name.lower()):
        load(data=tmp_path, environment={f"WATCHWORD_OBLIGATIONS__{name}": value})


def test_a_higher_generation_is_another_key_and_keeps_the_earlier_ones(tmp_path: Path) -> None:
    sealer = Sealer(MasterKey.create_file(tmp_path / "master.key"))
    first = obligation_keys(load(data=tmp_path, environment={}), sealer)
    third = obligation_keys(load(data=tmp_path, environment={"WATCHWORD_OBLIGATIONS__KEY_GENERATION": "3"}), sealer)
    assert len(first) == 1
    assert len(set(third)) == 3
    assert third[-1:] == first
