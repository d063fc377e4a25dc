"""What Windows notes of one log-on, as the importers read it."""

from __future__ import annotations

DATA = {
    "TargetUserSid": "S-1-5-21-1-2-3-1104",
    "TargetUserName": "Ada",
    "TargetDomainName": "CORP",
    "TargetLogonId": "0x3e7a1",
    "LogonType": "10",
    "WorkstationName": "LAPTOP-7",
    "IpAddress": "203.0.113.9",
}
