"""Users, roles and grants."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from pymilvus.grpc_gen import common_pb2, milvus_pb2

from slowq.engine.coordinator.accounts import ROOT, Grant
from slowq.engine.faults import invalid
from slowq.engine.server import convert
from slowq.engine.server.credentials import credentials_of
from slowq.engine.server.part import Context, Part, answers


class Accounts(Part):
    @answers(common_pb2.Status)
    def CreateCredential(self, request: Any, context: Context) -> Any:
        description = getattr(request, "description", "")  # clients before 3.0 have none
        self._accounts.create_user(request.username.strip(), _password(request.password), description)
        return convert.status()

    @answers(common_pb2.Status)
    def UpdateCredential(self, request: Any, context: Context) -> Any:
        old, new = _password(request.oldPassword), _password(request.newPassword)
        self._accounts.change_password(request.username.strip(), old, new)
        return convert.status()

    @answers(common_pb2.Status)
    def DeleteCredential(self, request: Any, context: Context) -> Any:
        self._accounts.drop_user(request.username.strip())
        return convert.status()

    @answers(milvus_pb2.ListCredUsersResponse)
    def ListCredUsers(self, request: Any, context: Context) -> Any:
        return milvus_pb2.ListCredUsersResponse(status=convert.status(), usernames=list(self._accounts.users()))

    @answers(milvus_pb2.SelectUserResponse)
    def SelectUser(self, request: Any, context: Context) -> Any:
        made = milvus_pb2.SelectUserResponse(status=convert.status())
        for name, user in _chosen(self._accounts.users().items(), request.user.name):
            one = made.results.add()
            one.user.name = name
            if "description" in one.DESCRIPTOR.fields_by_name:
                one.description = user.description
            if request.include_role_info:
                one.roles.extend(milvus_pb2.RoleEntity(name=role) for role in self._accounts.roles_of(name))
        return made

    @answers(common_pb2.Status)
    def CreateRole(self, request: Any, context: Context) -> Any:
        self._accounts.create_role(request.entity.name)
        return convert.status()

    @answers(common_pb2.Status)
    def DropRole(self, request: Any, context: Context) -> Any:
        self._accounts.drop_role(request.role_name, force=getattr(request, "force_drop", False))
        return convert.status()

    @answers(common_pb2.Status)
    def OperateUserRole(self, request: Any, context: Context) -> Any:
        bound = request.type == milvus_pb2.OperateUserRoleType.AddUserToRole
        self._accounts.bind(request.username, request.role_name, bound=bound)
        return convert.status()

    @answers(milvus_pb2.SelectRoleResponse)
    def SelectRole(self, request: Any, context: Context) -> Any:
        made = milvus_pb2.SelectRoleResponse(status=convert.status())
        for name, role in _chosen(self._accounts.roles().items(), request.role.name):
            one = made.results.add()
            one.role.name = name
            if request.include_user_info:
                one.users.extend(milvus_pb2.UserEntity(name=user) for user in role.users)
        return made

    # grants

    @answers(common_pb2.Status)
    def OperatePrivilege(self, request: Any, context: Context) -> Any:
        entity = request.entity
        database = getattr(entity, "db_name", "") or "default"
        grant = Grant(
            entity.object.name, entity.object_name, database, entity.grantor.privilege.name, _grantor(context)
        )
        self._operate(entity.role.name, grant, request.type)
        return convert.status()

    @answers(common_pb2.Status)
    def OperatePrivilegeV2(self, request: Any, context: Context) -> Any:
        kind = "Global" if request.collection_name in ("", "*") else "Collection"
        name, database = request.collection_name or "*", request.db_name or "default"
        grant = Grant(kind, name, database, request.grantor.privilege.name, _grantor(context))
        self._operate(request.role.name, grant, request.type)
        return convert.status()

    def _operate(self, role: str, grant: Grant, kind: int) -> None:
        self._accounts.grant(role, grant, granted=kind == milvus_pb2.OperatePrivilegeType.Grant)

    @answers(milvus_pb2.SelectGrantResponse)
    def SelectGrant(self, request: Any, context: Context) -> Any:
        asked = request.entity
        made = milvus_pb2.SelectGrantResponse(status=convert.status())
        for one in self._accounts.role(asked.role.name).grants:
            if asked.object.name in ("", one.object) and asked.object_name in ("", one.name):
                made.entities.append(_entity(asked.role.name, one))
        return made


def _chosen(known: Iterable[tuple[str, Any]], name: str) -> list[tuple[str, Any]]:
    """The one of that name, or none; all, where no name is asked for."""
    return [one for one in known if name in ("", one[0])]


def _password(given: str) -> str:
    """Clients send it in base64."""
    try:
        return base64.b64decode(given, validate=True).decode()
    except ValueError:
        raise invalid("the password is not encoded in base64") from None


def _grantor(context: Context) -> str:
    return credentials_of(context)[0] or ROOT


def _entity(role: str, grant: Grant) -> Any:
    made = milvus_pb2.GrantEntity(object_name=grant.name)
    made.role.name, made.object.name = role, grant.object
    made.grantor.user.name, made.grantor.privilege.name = grant.grantor, grant.privilege
    if "db_name" in made.DESCRIPTOR.fields_by_name:
        made.db_name = grant.database
    return made
