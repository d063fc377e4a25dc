"""RFC 9106 section 5.3: the Argon2id test vector, and section 4: the parameters we use."""

from __future__ import annotations

from argon2.low_level import ARGON2_VERSION, Type, core, ffi

from watchword.identity import Argon2Profile


def test_the_published_argon2id_tag_comes_out_of_the_library_we_use() -> None:
    inputs = {
        "pwd": bytes([1]) * 32,
        "salt": bytes([2]) * 16,
        "secret": bytes([3]) * 8,
        "ad": bytes([4]) * 12,
    }
    buffers = {name: ffi.new("uint8_t[]", value) for name, value in inputs.items()}
    out = ffi.new("uint8_t[]", 32)
    context = ffi.new(
        "argon2_context *",
        {
            "version": ARGON2_VERSION,
            "out": out,
            "outlen": 32,
            "t_cost": 3,
            "m_cost": 32,
            "lanes": 4,
            "threads": 4,
            "allocate_cbk": ffi.NULL,
            "free_cbk": ffi.NULL,
            "flags": 0,
            **buffers,
            **{f"{name}len": len(value) for name, value in inputs.items()},
        },
    )
    assert core(context, Type.ID.value) == 0
    assert bytes(ffi.buffer(out)) == bytes.fromhex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659")


def test_the_profile_is_the_second_recommended_one() -> None:
    assert Argon2Profile() == Argon2Profile(time_cost=3, memory_kib=64 * 1024, parallelism=4)
