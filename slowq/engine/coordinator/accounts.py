"""Users, roles and what is granted to roles. In Milvus it is the root coordinator's.

Users are checked where `common.security.authorizationEnabled` is on. Grants are recorded and given back, and hold nobody off:
whoever is let in may do everything. `root` and the roles `admin` and `public` are always there; the store has them from the
moment on when something of them is changed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import threading
from dataclasses import asdict, dataclass, replace

from slowq.engine.faults import NOT_AUTHENTICATED, NOT_PERMITTED, UNEXPECTED, RequestFault, invalid
from slowq.engine.meta import Meta
from slowq.engine.schema import check_name

ROOT = "root"
ADMIN, PUBLIC = "admin", "public"
OBJECTS = ("Collection", "Global", "User")

_USER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}")
_PASSWORD_BYTES = range(6, 73)
_NO_ROLE = "not found the role, maybe the role isn't existed or internal system error"
_NO_USER = "not found the user, maybe the user isn't existed or internal system error"


@dataclass(frozen=True, slots=True)
class Grant:
    """`object` is a kind (`Collection`, `Global`, `User`), `name` one of that kind, or `*`."""

    object: str
    name: str
    database: str
    privilege: str
    grantor: str


@dataclass(frozen=True, slots=True)
class Role:
    users: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """`secret` is what the password was made into; None is the password of `root` that the configuration gives."""

    secret: str | None = None
    description: str = ""


class Accounts:
    """Whoever changes something holds the lock; the meta store's comes after it."""

    def __init__(self, meta: Meta, root_password: str) -> None:
        self._meta, self._root_password = meta, root_password
        self._lock = threading.RLock()
        self._proved: dict[str, bytes] = {}  # by user: the digest of a password that was right

    # users

    def users(self) -> dict[str, User]:
        stored = {name: User(**body) for name, body in self._meta.users().items()}
        return {ROOT: User()} | stored

    def create_user(self, name: str, password: str, description: str = "") -> None:
        _check_user(name)
        _check_password(password)
        with self._lock:
            if name in self.users():
                raise RequestFault(UNEXPECTED, f"user already exists: {name}")
            self._put_user(name, User(_secret_of(password), description))

    def change_password(self, name: str, old: str, new: str) -> None:
        _check_password(new)
        with self._lock:
            if not self.admits(name, old):
                raise RequestFault(NOT_AUTHENTICATED, f"old password not correct for {name}: not authenticated")
            self._put_user(name, replace(self.users()[name], secret=_secret_of(new)))

    def drop_user(self, name: str) -> None:
        """With the roles that the user had; dropped twice is dropped."""
        if name == ROOT:
            raise RequestFault(NOT_PERMITTED, "user root cannot be deleted: privilege not permitted")
        with self._lock, self._meta.transaction():
            for role, about in self.roles().items():
                if name in about.users:
                    self._put_role(role, replace(about, users=tuple(one for one in about.users if one != name)))
            self._meta.drop_user(name)
            self._proved.pop(name, None)

    def admits(self, name: str, password: str) -> bool:
        """Whether that is the user's password. It is made into the secret once, and then known by its digest."""
        digest = hashlib.sha256(password.encode()).digest()
        if hmac.compare_digest(self._proved.get(name, b""), digest):
            return True
        with self._lock:
            user = self.users().get(name)
            if user is None or not _opens(password, user.secret, self._root_password):
                return False
            self._proved[name] = digest
            return True

    # roles

    def roles(self) -> dict[str, Role]:
        stored = {
            name: Role(tuple(body["users"]), tuple(Grant(**one) for one in body["grants"]))
            for name, body in self._meta.roles().items()
        }
        return {ADMIN: Role((ROOT,)), PUBLIC: Role()} | stored

    def role(self, name: str) -> Role:
        try:
            return self.roles()[name]
        except KeyError:
            raise RequestFault(UNEXPECTED, _NO_ROLE) from None

    def roles_of(self, user: str) -> list[str]:
        return [name for name, role in self.roles().items() if user in role.users]

    def create_role(self, name: str) -> None:
        check_name(name, "role")
        with self._lock:
            if name in self.roles():
                raise RequestFault(UNEXPECTED, f'role [name:"{name}"] already exists')
            self._put_role(name, Role())

    def drop_role(self, name: str, *, force: bool = False) -> None:
        if name in (ADMIN, PUBLIC):
            raise RequestFault(
                NOT_PERMITTED, f"the role[{name}] is a default role, which can't be dropped: privilege not permitted"
            )
        with self._lock:
            if self.role(name).grants and not force:
                raise RequestFault(
                    UNEXPECTED, "fail to drop the role that it has privileges. Use REVOKE API to revoke privileges"
                )
            self._meta.drop_role(name)

    def bind(self, user: str, role: str, *, bound: bool) -> None:
        """Gives the role to the user, or takes it away."""
        with self._lock:
            about = self.role(role)
            if user not in self.users():
                raise RequestFault(UNEXPECTED, _NO_USER)
            others = tuple(one for one in about.users if one != user)
            self._put_role(role, replace(about, users=(*others, user) if bound else others))

    def grant(self, role: str, grant: Grant, *, granted: bool) -> None:
        """Records that the role has the privilege, or has it no longer, whoever gave it."""
        if not grant.privilege or not grant.name:
            raise invalid(f"the {'privilege' if not grant.privilege else 'object name'} of a grant is empty")
        if grant.object not in OBJECTS:
            raise invalid(f"object type {grant.object} of a grant is invalid, expected one of {', '.join(OBJECTS)}")
        with self._lock:
            about = self.role(role)
            others = tuple(one for one in about.grants if replace(one, grantor=grant.grantor) != grant)
            self._put_role(role, replace(about, grants=(*others, grant) if granted else others))

    def _put_user(self, name: str, user: User) -> None:
        self._meta.put_user(name, asdict(user))
        self._proved.pop(name, None)

    def _put_role(self, name: str, role: Role) -> None:
        self._meta.put_role(name, asdict(role))


def _check_user(name: str) -> None:
    if not _USER_NAME.fullmatch(name):
        raise invalid(
            f"username {name!r} is invalid: the first character must be a letter, the others letters, digits, '_', '-' or "
            "'.', at most 32 of them"
        )


def _check_password(password: str) -> None:
    if len(password.encode()) not in _PASSWORD_BYTES:
        raise invalid(f"the length of a password must be {_PASSWORD_BYTES[0]} to {_PASSWORD_BYTES[-1]} bytes")


def _secret_of(password: str, salt: bytes | None = None) -> str:
    """Salt and scrypt hash, in hexadecimal digits; a new salt where none is given."""
    salt = os.urandom(16) if salt is None else salt
    return f"{salt.hex()}:{hashlib.scrypt(password.encode(), salt=salt, n=4096, r=8, p=1).hex()}"


def _opens(password: str, secret: str | None, otherwise: str) -> bool:
    if secret is None:
        return hmac.compare_digest(password.encode(), otherwise.encode())
    salt = bytes.fromhex(secret.partition(":")[0])
    return hmac.compare_digest(_secret_of(password, salt), secret)
