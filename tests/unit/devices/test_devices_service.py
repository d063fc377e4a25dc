from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from watchword.devices import DeviceReader, Devices, UnknownDeviceError
from watchword.kernel import DeviceId, FrozenClock, UserId
from watchword.storage import Database, metadata

PORTAL = "watchword.localhost"


@dataclass(frozen=True, slots=True)
class Browser:
    ip: str = "203.0.113.7"
    user_agent: str = "Firefox/140.0 (Linux)"


@dataclass
class World:
    devices: Devices
    reader: DeviceReader
    database: Database
    clock: FrozenClock
    entropy: Any

    def user(self) -> UserId:
        return UserId.new(self.clock.now(), self.entropy)

    async def new(self) -> DeviceId:
        facts, handle = await self.devices.recognise_or_register(None, Browser())
        assert handle is not None
        return facts.id

    async def events(self) -> list[str]:
        outbox = metadata.tables["outbox"]
        async with self.database.read() as connection:
            return list((await connection.execute(select(outbox.c.type).order_by(outbox.c.position))).scalars())


@pytest.fixture
def world(database: Database, clock: FrozenClock, entropy: Any) -> World:
    devices = Devices(database, clock, entropy, key=bytes(32), host=PORTAL)
    return World(devices, DeviceReader(database), database, clock, entropy)


async def test_a_browser_without_a_handle_gets_one_and_no_row(world: World) -> None:
    facts, handle = await world.devices.recognise_or_register(None, Browser())
    assert handle is not None
    assert facts.user_ids == frozenset()
    assert world.devices.verify(handle.reveal(), PORTAL) == facts.id
    assert await world.reader.devices() == []
    again, nothing = await world.devices.recognise_or_register(handle.reveal(), Browser())
    assert again.id == facts.id
    assert nothing is None


async def test_a_device_is_known_for_whoever_signed_in_on_it(world: World) -> None:
    device, ada, eve = await world.new(), world.user(), world.user()
    await world.devices.bind(device, ada, Browser())
    world.clock.advance(timedelta(days=3))
    facts = await world.devices.bind(device, eve, Browser())
    assert facts == await world.reader.device(device)
    assert facts.user_ids == {ada, eve}
    assert facts.last_seen_at - facts.first_seen_at == timedelta(days=3)
    assert facts.name == "Firefox on Linux"
    assert (facts.is_managed, facts.disk_encrypted, facts.os_patched, facts.posture_at) == (None, None, None, None)
    assert await world.events() == ["devices.device.registered", "devices.device.bound", "devices.device.bound"]


async def test_a_made_up_handle_gives_another_device(world: World) -> None:
    device = await world.new()
    await world.devices.bind(device, world.user(), Browser())
    for forged in ("", "x", f"{device}.{'A' * 43}", world.devices.handle_for(device, "notes.localhost").reveal()):
        facts, handle = await world.devices.recognise_or_register(forged, Browser())
        assert facts.id != device
        assert handle is not None


async def test_the_same_device_is_proven_on_another_host_by_a_handle_of_its_own(world: World) -> None:
    device = await world.new()
    handle = world.devices.handle_for(device, "notes.localhost").reveal()
    facts, nothing = await world.devices.recognise_or_register(handle, Browser(), host="notes.localhost")
    assert facts.id == device
    assert nothing is None


async def test_signing_in_twice_at_the_same_moment_binds_once(world: World) -> None:
    device, user = await world.new(), world.user()
    await world.devices.bind(device, user, Browser())
    await asyncio.gather(*(world.devices.bind(device, user, Browser()) for _ in range(4)))
    assert (await world.events()).count("devices.device.bound") == 1
    assert len(await world.devices.list_for(user)) == 1


async def test_a_forgotten_device_is_unknown_again_and_keeps_its_other_users(world: World) -> None:
    device, ada, eve = await world.new(), world.user(), world.user()
    await world.devices.bind(device, ada, Browser())
    await world.devices.bind(device, eve, Browser())
    await world.devices.forget(device, ada, actor=ada)
    facts = await world.reader.device(device)
    assert facts is not None
    assert facts.user_ids == {eve}
    await world.devices.forget(device, eve, actor=eve)
    assert await world.reader.device(device) is None
    for gone in (ada, eve):
        with pytest.raises(UnknownDeviceError):
            await world.devices.forget(device, gone, actor=gone)
    again = await world.devices.bind(device, ada, Browser())
    assert again.first_seen_at == world.clock.now()


async def test_devices_of_one_user_are_bounded_and_the_oldest_goes(world: World) -> None:
    user, first = world.user(), await world.new()
    await world.devices.bind(first, user, Browser())
    for _ in range(50):
        world.clock.advance(timedelta(seconds=1))
        await world.devices.bind(await world.new(), user, Browser())
    mine = await world.devices.list_for(user)
    assert len(mine) == 50
    assert first not in {device.id for device in mine}
    assert await world.reader.device(first) is None


async def test_users_of_one_device_are_bounded(world: World) -> None:
    device = await world.new()
    for _ in range(60):
        await world.devices.bind(device, world.user(), Browser())
    facts = await world.reader.device(device)
    assert facts is not None
    assert len(facts.user_ids) == 50


async def test_posture_is_unknown_until_somebody_vouches_for_it(world: World) -> None:
    device = await world.new()
    await world.devices.bind(device, world.user(), Browser())
    await world.devices.report_posture(device, actor="adm", is_managed=True, disk_encrypted=False, os_patched=None)
    facts = await world.reader.device(device)
    assert facts is not None
    assert (facts.is_managed, facts.disk_encrypted, facts.os_patched) == (True, False, None)
    assert facts.posture_at == world.clock.now()
    with pytest.raises(UnknownDeviceError):
        await world.devices.report_posture(
            await world.new(), actor="adm", is_managed=True, disk_encrypted=None, os_patched=None
        )


async def test_binding_without_a_client_still_knows_the_device(world: World) -> None:
    device, user = await world.new(), world.user()
    assert (await world.devices.bind(device, user)).name == "Browser"
