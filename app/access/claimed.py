"""What a token claims of roles, force and agency, and how far that narrows an account's rights. Pure.

Without configured claims the account alone decides. With them both sides must agree: a role counts that the account
has and the token claims, and a force or agency other than the account's is refused. An absent claim grants nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from app.access.rules import Actor, Role, known_roles
from app.errors import Unauthenticated

MAX_NAME_CHARACTERS = 200


class OtherOrganisation(Unauthenticated):
    """The token speaks for another force or agency than the account's."""

    code = "other_organisation"


@dataclass(frozen=True)
class ClaimNames:
    """Where the provider says what: each the name of a claim, or a dotted path into nested ones; None: not asked.

    `role_of` maps the provider's values to roles; a value that it does not name must be a role's own name.
    """

    roles: str | None = None
    force: str | None = None
    agency: str | None = None
    name: str = "name"
    role_of: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Claimed:
    """What one token claims. `roles` is None where roles are not asked of tokens; `bound` says whether a force is."""

    roles: frozenset[Role] | None = None
    force: str | None = None
    agency: str | None = None
    name: str | None = None
    bound: bool = False

    def limit(self, person: Actor) -> Actor:
        """The person with the rights that account and token agree on. Raises OtherOrganisation."""
        if self.bound and not self.is_of(person.agency_id, person.serves_force_id):
            raise OtherOrganisation("The token speaks for another force or agency than this account's.")
        return person if self.roles is None else replace(person, roles=person.roles & self.roles)

    def is_of(self, agency_id: str | None, force_id: str) -> bool:
        """Whether the token speaks for the agency, or for the force itself where none is named.

        A partner's token may leave out the force, since the agency says which; one that it names must be the right one.
        """
        if self.agency != agency_id:
            return False
        return self.force == force_id or (self.force is None and agency_id is not None)


NOTHING_CLAIMED = Claimed()
"""A token of an installation where the account alone decides."""


def claimed_by(claims: Mapping[str, Any], names: ClaimNames) -> Claimed:
    """What the claims say, read where `names` points."""
    name = _text(_at(claims, names.name))
    return Claimed(
        roles=None if names.roles is None else roles_of(_at(claims, names.roles), names.role_of),
        force=_text(_at(claims, names.force)) if names.force else None,
        agency=_text(_at(claims, names.agency)) if names.agency else None,
        name=name[:MAX_NAME_CHARACTERS] if name and name.isprintable() else None,
        bound=names.force is not None or names.agency is not None,
    )


def roles_of(value: Any, role_of: Mapping[str, str]) -> frozenset[Role]:
    """The roles that a claim names: a list of texts, or one text with spaces between; the unknown grant nothing."""
    given: Iterable[Any] = value.split() if isinstance(value, str) else value if isinstance(value, tuple) else ()
    return known_roles(role_of.get(one, one) for one in given if isinstance(one, str))


def _at(claims: Mapping[str, Any], path: str) -> Any:
    # A claim may have dots in its own name, as a URL does: that reading comes first.
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found


def _text(value: Any) -> str | None:
    """One text; a list of exactly one counts, since some providers have no other kind of claim."""
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and value else None
