"""What Java makes of the keystores (D04)."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests.support.certificate import issued
from vso.base import Sensitive
from vso.sync.keystore import ALIAS, keystore

BEGIN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("form", ["jks", "pkcs12"])
@pytest.mark.parametrize("password", ["changeit", 'more, 50 % and "quotes"'])
def test_java_reads_the_keystores(form: str, password: str, tmp_path: Path) -> None:
    """The JDK lists the entry, and can get at its key."""
    keytool = shutil.which("keytool")
    if keytool is None:
        pytest.skip("no keytool: install a JDK to prove that Java reads keystores")
    file, secret = tmp_path / "store", tmp_path / "password"
    now = int(BEGIN.timestamp())
    content = keystore(form, issued(BEGIN), Sensitive(password.encode()), salt=bytes(range(32)), now=now)
    file.write_bytes(content)
    secret.write_text(password)
    known = ["-keystore", str(file), "-storetype", form, "-storepass:file", str(secret)]
    listed = subprocess.run([keytool, "-list", "-v", *known], capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stdout + listed.stderr
    assert "PrivateKeyEntry" in listed.stdout
    assert "Certificate chain length: 2" in listed.stdout
    request = [keytool, "-certreq", "-alias", ALIAS, *known]
    opened = subprocess.run(request, capture_output=True, text=True, check=False)
    assert opened.returncode == 0, opened.stdout + opened.stderr
    assert "BEGIN NEW CERTIFICATE REQUEST" in opened.stdout
