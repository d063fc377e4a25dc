"""An application that knows nothing of Watchword: customers with everything about them, and who may see what of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from decision_world import NOTES, DecisionWorld, Visit
from edge_harness import respond

from watchword.decision import Application, DecisionPoint, ResourceRule
from watchword.kernel import Sensitivity
from watchword.policy.relations import Graph, RelationView, read_tuple

EXAMPLE = Path(__file__).parents[2] / "docs" / "how-to" / "examples" / "data-access"
SSN, CARD = "123-45-6789", "4111-1111-1111-1111"
CUSTOMER_7 = "resource:crm/customer-7"
_PARTS = (("customer-7", "/customers/7"), ("customer-8", "/customers/8"), ("analytics", "/analytics"), ("default", "/"))
CRM = Application(
    name="crm",
    title="Customers",
    hosts=NOTES.hosts,
    upstream="unix:/nowhere",
    resources=tuple(ResourceRule(name, path, Sensitivity.INTERNAL) for name, path in _PARTS),
)


def customer(number: int, city: str, born: str, spent: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Customer {number}",
        "city": city,
        "born": born,
        "spent": spent,
        "ssn": SSN,
        "payment_info": {"card": CARD, "history": [{"card": CARD}]},
    }


EVERYBODY = [
    customer(7, "Oslo", "1985-02-03", 10),
    customer(8, "Oslo", "1986-04-05", 20),
    customer(9, "Oslo", "1989-06-07", 60),
    customer(10, "Oslo", "1951-01-01", 9000),
    customer(11, "Rome", "1985-02-03", 7000),
]


async def customers(scope: Any, _receive: Any, send: Any) -> None:
    """Answer everything to everybody."""
    number = scope["path"].rpartition("/")[2]
    if number.isdigit():
        found: Any = next(each for each in EVERYBODY if each["id"] == int(number))
    else:
        found = {"customers": EVERYBODY, "largest": EVERYBODY[3]}
    await respond(send, 200, [("content-type", "application/json"), ("etag", '"1"')], json.dumps(found).encode())


async def people(world: DecisionWorld, directory: Path) -> tuple[Visit, Visit, Visit, Callable[[], bool]]:
    """Put the example in force.

    Returns:
        Who holds the ticket of customer 7, a colleague without one, an analyst, and what closes the ticket.
    """
    holder = await world.visit(name="ada", groups=["support"])
    shutil.copytree(EXAMPLE, directory)
    world.policy("", directory)
    ticket = read_tuple(CUSTOMER_7, "ticket_holder", f"user:{holder.user.id}")
    graph = Graph([ticket])
    world.rewired(relations=lambda model: RelationView(model, graph) if model is not None else None)
    world.point = DecisionPoint(world.procedure, world.journal)
    colleague = await world.visit(name="bob", groups=["support"])
    analyst = await world.visit(name="eve", groups=["analysts"])
    return holder, colleague, analyst, lambda: graph.drop(ticket)


def fulfilling() -> Application:
    """The same application, when it reduces its own answers."""
    return replace(CRM, fulfils_obligations=True)
