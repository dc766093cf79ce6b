"""Asking a Milvus that speaks TLS, with certificates of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from slowq.context import live
from slowq.context.live import Login
from slowq.errors import ServerError, UsageError
from tests.context.fake_milvus import Fake, fake


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and its key."""
    made = tmp_path_factory.mktemp("tls")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", made / "key.pem", "-out", made / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return made


def serving(folder: Path, *, mutual: bool = False) -> grpc.ServerCredentials:
    key, certificate = (folder / "key.pem").read_bytes(), (folder / "cert.pem").read_bytes()
    return grpc.ssl_server_credentials([(key, certificate)], certificate if mutual else None, mutual)


@pytest.fixture
def milvus(folder: Path) -> Iterator[Fake]:
    with fake(serving(folder)) as found:
        yield found


def test_a_certificate_that_is_named_is_trusted(milvus: Fake, folder: Path) -> None:
    assert live.ask(milvus.uri, login=Login(ca=str(folder / "cert.pem"))).facts["milvus"]["version"] == "2.4.5"


def test_one_that_is_not_is_refused(milvus: Fake) -> None:
    with pytest.raises(ServerError, match="its certificate is not trusted"):
        live.ask(milvus.uri, login=Login())


def test_one_of_another_host_is_refused_unless_the_name_is_given(milvus: Fake, folder: Path) -> None:
    uri, ca = milvus.uri.replace("localhost", "127.0.0.1"), str(folder / "cert.pem")
    with pytest.raises(ServerError, match="its certificate is of another host"):
        live.ask(uri, login=Login(ca=ca))
    assert live.ask(uri, login=Login(ca=ca, server_name="localhost")).facts["milvus"]


def test_a_server_may_want_to_see_a_certificate_too(folder: Path) -> None:
    files = (str(folder / "cert.pem"), str(folder / "key.pem"))
    with fake(serving(folder, mutual=True)) as found:
        assert live.ask(found.uri, login=Login(ca=files[0], certificate=files)).facts["milvus"]
        with pytest.raises(ServerError):
            live.ask(found.uri, login=Login(ca=files[0]))


def test_http_to_a_server_that_speaks_tls_and_https_to_one_that_does_not(milvus: Fake) -> None:
    with pytest.raises(ServerError, match="closed the connection") as error:
        live.ask(milvus.uri.replace("https", "http"), login=Login())
    assert error.value.hint == "give the URI as https:// where the server speaks TLS"
    with fake() as plain, pytest.raises(ServerError, match="does not speak TLS"):
        live.ask(plain.uri.replace("http", "https"), login=Login())


def test_a_file_that_cannot_be_read_is_named(milvus: Fake) -> None:
    with pytest.raises(UsageError, match=r"cannot read 'gone.pem': No such file"):
        live.ask(milvus.uri, login=Login(ca="gone.pem"))
