"""A shop whose orders Watchword's own users look at: every type of Cedar, and policies that read them."""

from __future__ import annotations

from pathlib import Path

SCHEMA = """
namespace Shop {
  entity Desk;
  entity Clerk in [Desk] = { level?: Long };
  entity Order = {
    owner?: Watchword::User,
    total?: Long,
    price?: decimal,
    tags?: Set<String>,
    placed?: datetime,
    wait?: duration,
    address?: { city: String, zip?: String },
    paid?: Bool,
    from?: ipaddr,
  };
  entity Color enum ["red", "green"];
  action view, edit, refund, audit, ship, export, pack, lend appliesTo {
    principal: [Watchword::User, Clerk],
    resource: Order,
    context: { hour?: Long, action?: { reason?: String, amount?: Long } },
  };
  action paint appliesTo { principal: Watchword::User, resource: Color };
}
namespace Other {
  entity Order;
  action view appliesTo { principal: Watchword::User, resource: Order };
  action peek appliesTo { principal: Watchword::User, resource: Order };
}
"""
POLICIES = """
@id("members-view")
permit (principal in Watchword::Group::"members", action == Shop::Action::"view", resource);

@id("owners-edit")
permit (principal, action == Shop::Action::"edit", resource)
when { resource has owner && resource.owner == principal };

@id("administrators-refund")
permit (principal, action == Shop::Action::"refund", resource)
when { principal is Watchword::User && principal.is_administrator };

@id("large-refunds-are-refused")
@reason("Refunds of more than 100 need a manager.")
forbid (principal, action == Shop::Action::"refund", resource)
when { context has action && context.action has amount && context.action.amount > 100 };

@id("audits-are-recorded")
@obligation("record_session")
permit (principal in Watchword::Group::"members", action == Shop::Action::"audit", resource);

@id("shipping")
permit (principal in Watchword::Group::"members", action == Shop::Action::"ship", resource);

@id("shipping-wants-a-factor")
@reason("Shipping needs a fresh second factor.")
@step_up("phishing_resistant")
@max_age("5m")
forbid (principal, action == Shop::Action::"ship", resource)
unless { context has hour && context.hour == 12 };

@id("seniors-view")
permit (principal is Shop::Clerk, action == Shop::Action::"view", resource)
when { principal has level && principal.level >= 3 };

@id("desk-edits")
permit (principal in Shop::Desk::"returns", action == Shop::Action::"edit", resource);

@id("exports-are-reduced")
@obligation("hide_card, mask_name")
permit (principal in Watchword::Group::"members", action == Shop::Action::"export", resource);

@id("exports-are-masked")
@obligation("mask_card")
permit (principal in Watchword::Group::"members", action == Shop::Action::"export", resource);

@id("lending-wants-a-yes")
@approval("manager")
forbid (principal, action == Shop::Action::"lend", resource);

@id("lending-wants-a-factor")
@step_up("mfa")
forbid (principal, action == Shop::Action::"lend", resource);

@id("all-paint-green")
permit (principal, action == Shop::Action::"paint", resource == Shop::Color::"green");

@id("others-are-seen")
permit (principal, action in [Other::Action::"view", Other::Action::"peek"], resource);
"""


OBLIGATIONS = """
obligations:
  record_session:
    kind: application
  hide_card:
    kind: exclude
    fields: ["**.card"]
  mask_card:
    kind: mask
    fields: ["**.card"]
  mask_name:
    kind: mask
    fields: ["name"]
"""


def write_shop(directory: Path) -> Path:
    """Write the shop's schema and policies."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "shop.cedarschema").write_text(SCHEMA)
    (directory / "shop.cedar").write_text(POLICIES)
    (directory / "obligations.yaml").write_text(OBLIGATIONS)
    return directory
