"""Users, roles and grants through pymilvus: they are there after a restart, and passwords count where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException

from slowq.engine.coordinator.accounts import Accounts, _secret_of
from slowq.engine.faults import RequestFault
from slowq.engine.meta import Meta
from tests.engine import small


@pytest.fixture
def client(tmp_path: Path) -> Iterator[MilvusClient]:
    with small.opened(tmp_path) as engine, small.client_of(engine) as client:
        yield client


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    meta = Meta(tmp_path / "meta.db")
    yield Accounts(meta, "Milvus")
    meta.close()


def code(client: MilvusClient, method: str, *args: Any, **more: Any) -> int:
    with pytest.raises(MilvusException) as raised:
        getattr(client, method)(*args, **more)
    return int(raised.value.code)


def told(client: MilvusClient, user: str) -> tuple[str, ...]:
    return tuple(client.describe_user(user)["roles"])


def test_users_are_created_listed_and_dropped(client: MilvusClient) -> None:
    client.create_user("zoe", "secret1")
    client.create_user("alice", "secret2")
    assert client.list_users() == ["root", "alice", "zoe"]
    client.drop_user("zoe")
    client.drop_user("zoe")
    assert client.list_users() == ["root", "alice"]
    assert (client.describe_user("zoe"), told(client, "root")) == ({}, ("admin",))


def test_roles_hold_users_and_grants(client: MilvusClient) -> None:
    client.create_user("alice", "secret2")
    client.create_role("reader")
    client.grant_role("alice", "reader")
    client.grant_privilege("reader", "Collection", "Search", "rows")
    client.grant_privilege_v2("reader", "Query", "*", "default")
    assert client.list_roles() == ["admin", "public", "reader"]
    assert told(client, "alice") == ("reader",)
    about = client.describe_role("reader")
    grants = [(one["object_type"], one["object_name"], one["privilege"]) for one in about["privileges"]]
    assert grants == [("Collection", "rows", "Search"), ("Global", "*", "Query")]
    assert {one["grantor_name"] for one in about["privileges"]} == {"root"}
    client.revoke_privilege("reader", "Collection", "Search", "rows")
    client.revoke_privilege_v2("reader", "Query", "*", "default")
    assert client.describe_role("reader")["privileges"] == []
    client.revoke_role("alice", "reader")
    assert told(client, "alice") == ()
    client.drop_role("reader")
    assert client.list_roles() == ["admin", "public"]


def test_a_dropped_user_has_no_role_when_it_comes_back(client: MilvusClient) -> None:
    client.create_role("reader")
    for _ in range(2):
        client.create_user("alice", "secret2")
        assert told(client, "alice") == ()
        client.grant_role("alice", "reader")
        client.drop_user("alice")


def test_what_cannot_be_is_refused_with_the_codes_of_milvus(client: MilvusClient) -> None:
    client.create_role("reader")
    client.grant_privilege("reader", "Collection", "Search", "rows")
    codes = {
        "a name that begins with a digit": code(client, "create_user", "1a", "secret1"),
        "a short password": code(client, "create_user", "bob", "short"),
        "a user that is there": code(client, "create_user", "root", "secret1"),
        "the wrong old password": code(client, "update_password", "root", "wrong one", "secret1"),
        "root": code(client, "drop_user", "root"),
        "a role that is there": code(client, "create_role", "reader"),
        "a role with a blank": code(client, "create_role", "two words"),
        "a role that is built in": code(client, "drop_role", "admin"),
        "a role with grants": code(client, "drop_role", "reader"),
        "a role that is not there": code(client, "drop_role", "nobody"),
        "the grants of no role": code(client, "describe_role", "nobody"),
        "a user that is not there": code(client, "grant_role", "nobody", "reader"),
        "an unknown kind of object": code(client, "grant_privilege", "reader", "Planet", "Search", "rows"),
    }
    assert codes == {
        "a name that begins with a digit": 1100,
        "a short password": 1100,
        "a user that is there": 65535,
        "the wrong old password": 1400,
        "root": 1401,
        "a role that is there": 65535,
        "a role with a blank": 1100,
        "a role that is built in": 1401,
        "a role with grants": 65535,
        "a role that is not there": 65535,
        "the grants of no role": 65535,
        "a user that is not there": 65535,
        "an unknown kind of object": 1100,
    }
    client.drop_role("reader", force_drop=True)


def test_users_roles_and_grants_are_there_after_a_restart(tmp_path: Path) -> None:
    with small.opened(tmp_path) as engine, small.client_of(engine) as client:
        client.create_user("alice", "secret2")
        client.create_role("reader")
        client.grant_role("alice", "reader")
        client.grant_privilege("reader", "Global", "CreateCollection", "*")
    with small.opened(tmp_path) as engine, small.client_of(engine) as client:
        assert client.list_users() == ["root", "alice"]
        assert told(client, "alice") == ("reader",)
        assert [one["privilege"] for one in client.describe_role("reader")["privileges"]] == ["CreateCollection"]
        assert engine.coordinator.accounts.admits("alice", "secret2")


def test_only_who_knows_a_password_is_let_in_where_authorization_is_on(tmp_path: Path) -> None:
    asked = small.config(**{"common.security.authorizationEnabled": True})
    with small.opened(tmp_path, asked) as engine:
        server = engine.serve()
        uri = f"http://127.0.0.1:{server.port}"
        root = MilvusClient(uri=uri, user="root", password="Milvus")
        root.create_user("alice", "secret2")
        alice = MilvusClient(uri=uri, token="alice:secret2")
        assert alice.list_collections() == []
        root.drop_user("alice")
        with pytest.raises(grpc.RpcError) as dropped:
            alice.list_collections()
        assert dropped.value.code() == grpc.StatusCode.UNAUTHENTICATED
        root.close()
        alice.close()
        server.stop()


def test_the_password_of_root_is_the_configured_one_until_it_is_changed(accounts: Accounts) -> None:
    assert (accounts.admits("root", "Milvus"), accounts.admits("root", "other")) == (True, False)
    accounts.change_password("root", "Milvus", "better!")
    assert (accounts.admits("root", "Milvus"), accounts.admits("root", "better!")) == (False, True)
    assert list(accounts.users()) == ["root"]


def test_a_changed_password_ends_the_old_one(accounts: Accounts) -> None:
    accounts.create_user("alice", "secret2")
    assert accounts.admits("alice", "secret2")
    accounts.change_password("alice", "secret2", "secret3")
    assert (accounts.admits("alice", "secret2"), accounts.admits("alice", "secret3")) == (False, True)
    with pytest.raises(RequestFault):
        accounts.change_password("nobody", "secret2", "secret3")


def test_a_password_is_not_kept(accounts: Accounts) -> None:
    accounts.create_user("alice", "secret2")
    assert "secret2" not in str(accounts.users())
    assert _secret_of("secret2") != _secret_of("secret2")
