"""Login with a user name and a password that a directory knows (D36).

Vault API: https://openbao.org/api-docs/auth/ldap/#login-with-ldap-user.
"""

from typing import Final

from vso.vault.auth.userpass import Password

METHOD: Final = Password()
