"""Who works with the desk: accounts, tokens, and what members of each role may do."""

import hashlib
import hmac
import os
import secrets
import time
from typing import Annotated, Any, Literal

import jwt
import msgspec

from moongate import (
    APP_GUARD,
    AliasProvider,
    ExecutionContext,
    FactoryProvider,
    FromContext,
    Injectable,
    Metadata,
    Module,
    UseGuards,
    apply_decorators,
)
from moongate.auth import Jwt, JwtGuard, claims_of

__all__ = ["Accounts", "CurrentMember", "Login", "Member", "MembersModule", "Role", "for_roles"]

Role = Literal["customer", "agent"]

TOKEN_LIFETIME = 900.0
"""Seconds; a page that stays open shows a new token before (the event `refresh`)."""


class Login(msgspec.Struct):
    """What somebody says to get a token."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Member(msgspec.Struct, frozen=True):
    """What a token says: whose it is, and what they are here."""

    sub: str
    role: Role


class Secret:
    """Signs the tokens: what `DESK_SECRET` says, or a new one, which ends all tokens of the time before."""

    def __init__(self) -> None:
        self.value = os.environ.get("DESK_SECRET") or secrets.token_urlsafe(64)


@Injectable()
class Accounts:
    """Knows the members. Two are there from the beginning, with their names as passwords: it is an example."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._members: dict[str, tuple[Role, bytes, bytes]] = {}
        self.add("carol", "carol", "customer")
        self.add("anna", "anna", "agent")

    def add(self, name: str, password: str, role: Role) -> None:
        salt = secrets.token_bytes(16)
        self._members[name] = (role, salt, _hashed(password, salt))

    def token(self, login: Login) -> str | None:
        """Return a token for whoever knows the password; None for everybody else."""
        role, salt, expected = self._members.get(login.name, ("customer", b"", b""))
        if not hmac.compare_digest(_hashed(login.password, salt), expected):
            return None
        claims = {"sub": login.name, "role": role, "exp": time.time() + TOKEN_LIFETIME}
        return jwt.encode(claims, self._secret.value, "HS256")


def _hashed(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)


def jwt_guard(secret: Secret) -> JwtGuard:
    return JwtGuard(Jwt(key=secret.value, algorithms=["HS256"], claims=Member))


CurrentMember = Annotated[Member, FromContext(lambda context: claims_of(context, Member))]
"""The member who sent the message, as a parameter of a handler."""

Roles = Metadata[tuple[Role, ...]]("roles")


class RolesGuard:
    """Lets members through who have one of the roles that are asked for."""

    def can_activate(self, context: ExecutionContext) -> bool:
        wanted = Roles.of(context)
        return wanted is None or claims_of(context, Member).role in wanted


def for_roles(*roles: Role) -> Any:
    """Limit a handler to members of some roles."""
    return apply_decorators(Roles(roles), UseGuards(RolesGuard))


@Module(
    providers=[Secret, Accounts, FactoryProvider(JwtGuard, jwt_guard), AliasProvider(APP_GUARD, JwtGuard)],
    exports=[Accounts, JwtGuard],
)
class MembersModule:
    """Accounts, and the guard that asks every client of every gateway for its token."""
