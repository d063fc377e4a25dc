"""The journal against `kill -9` and against a disk that is really full."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchword.audit import Journal, read, verify
from watchword.kernel import KeyId, SystemClock, SystemEntropy
from watchword.keys import Algorithm, Signer

_SOURCE = Path(__file__).parents[2] / "src"

_WRITER = textwrap.dedent("""
    import asyncio, os, sys
    from pathlib import Path
    from watchword.audit import Journal, writer
    from watchword.kernel import KeyId, SystemClock
    from watchword.keys import Signer

    writer._SEGMENT_BYTES, writer._CHECKPOINT_RECORDS = 40_000, 64
    writer._ROOM_BYTES, writer._QUIET_BYTES = 16_000, 0
    signer = Signer.from_der(KeyId(sys.argv[2]), bytes.fromhex(sys.argv[3]))

    async def main():
        journal = Journal.open(Path(sys.argv[1]), signer=signer, clock=SystemClock())
        os.write(1, b"open\\n")

        async def write(name):
            n = 0
            while True:
                seq = await journal.append({"type": "decision", "writer": name, "n": n, "filler": "x" * 300})
                os.write(1, b"%d %d %d\\n" % (seq, name, n))   # acknowledged: told to somebody else
                n += 1

        await asyncio.gather(*(write(name) for name in range(16)))

    asyncio.run(main())
""")


@pytest.fixture
def signer() -> Signer:
    return Signer.generate(KeyId.new(SystemClock().now(), SystemEntropy()), Algorithm.ED25519)


def _child(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(_SOURCE), "PATH": os.defpath},
    )


def _killed_at_random(child: subprocess.Popen[bytes], after_bytes: int) -> list[bytes]:
    """Read what the child acknowledges and kill it once it has said so much."""
    assert child.stdout is not None
    said = b""
    while len(said) < after_bytes:
        ready, _, _ = select.select([child.stdout], [], [], 30)
        assert ready, "the child went silent"
        piece = os.read(child.stdout.fileno(), 4096)
        assert piece, "the child ended by itself"
        said += piece
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    said += child.stdout.read()
    child.stdout.close()
    return [line for line in said.split(b"\n")[:-1] if line != b"open"]


def test_no_acknowledged_record_is_lost_to_kill_9(tmp_path: Path, signer: Signer) -> None:
    """Ten lives of one journal, each ended at a random moment under load."""
    directory = tmp_path / "journal"
    keys = {signer.kid: signer.verification_key}
    acknowledged: dict[int, tuple[int, int]] = {}
    lives_with_room = 0
    for life in range(10):
        child = _child(_WRITER, str(directory), signer.kid, signer.der().hex())
        for line in _killed_at_random(child, random.randint(6, 20_000)):  # noqa: S311  # any moment will do
            seq, name, n = map(int, line.split())
            assert seq not in acknowledged, "a number was given twice"
            acknowledged[seq] = (name, n)
        lives_with_room += max(directory.glob("*.jsonl")).read_bytes().endswith(b"\0")
        report = verify(directory, keys)
        assert report.is_sound, (life, report)
    assert lives_with_room, "nothing was written ahead"
    written = {record.seq: record.fields for record in read(directory)}
    for seq, (name, n) in acknowledged.items():
        assert (written[seq]["writer"], written[seq]["n"]) == (name, n)
    assert len(acknowledged) > 100


_FILLER = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from watchword.audit import Journal, JournalUnwritableError, writer
    from watchword.kernel import KeyId, SystemClock
    from watchword.keys import Signer

    signer = Signer.from_der(KeyId(sys.argv[2]), bytes.fromhex(sys.argv[3]))
    ballast = Path(sys.argv[4])
    # To write ahead until there is no room for that; by itself it leaves a disk alone that is nearly full.
    writer._ROOM_BYTES, writer._QUIET_BYTES, writer._SPARE_BYTES, writer._NO_ROOM_S = 64_000, 0, 0, 0.0

    async def main():
        journal = Journal.open(Path(sys.argv[1]), signer=signer, clock=SystemClock())
        acknowledged = refused = 0
        while refused < 20:
            for result in await asyncio.gather(
                *(journal.append({"type": "decision", "filler": "x" * 700}) for _ in range(25)), return_exceptions=True
            ):
                if isinstance(result, JournalUnwritableError):
                    assert "full" in result.message, result
                    refused += 1
                else:
                    acknowledged += 1
        ballast.unlink()
        seq = await journal.append({"type": "decision", "filler": "room again"})
        await journal.close()
        print(acknowledged, refused, seq)

    asyncio.run(main())
""")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root (CAP_SYS_ADMIN)")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_really_full_disk_refuses_loses_nothing_and_heals(small_disk: Path, signer: Signer) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"b" * 500_000)
    child = _child(_FILLER, str(small_disk / "journal"), signer.kid, signer.der().hex(), str(ballast))
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    acknowledged, refused, seq = map(int, output.split())
    assert refused >= 20
    report = verify(small_disk / "journal", {signer.kid: signer.verification_key})
    assert report.is_sound
    assert report.torn_bytes == 0
    assert report.records == report.covered == seq
    # The opening, what was acknowledged, the notice of the recovery, and the record that found room again.
    assert seq == 1 + acknowledged + 1 + 1


async def test_a_limit_on_file_size_is_a_full_disk_too(tmp_path: Path, signer: Signer) -> None:
    """Where no file system can be mounted: the kernel's own limit tears writes in the same way."""
    directory = tmp_path / "journal"
    await Journal.open(directory, signer=signer, clock=SystemClock()).close()
    script = _FILLER.replace(
        "import asyncio, sys", "import asyncio, resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))"
    )
    script = script.replace("ballast.unlink()", "resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))")
    child = _child(script, str(directory), signer.kid, signer.der().hex(), "unused")
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    acknowledged, refused, seq = map(int, output.split())
    assert refused >= 20
    assert seq == 2 + acknowledged + 1 + 1
    assert verify(directory, {signer.kid: signer.verification_key}).is_sound
