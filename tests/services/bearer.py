"""Dovecot as the SASL service of an OAuth2 Postfix: XOAUTH2 and OAUTHBEARER, each token asked about at an endpoint.

It delivers nothing; `dovecot.py` has the one that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .process import LOOPBACK, Log, Process

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
auth_verbose = yes
listen = {address}
protocols =
default_login_user = dovenull
default_internal_user = dovecot
auth_mechanisms = xoauth2 oauthbearer
auth_failure_delay = 0
ssl = no
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nowhere
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {auth_socket} {{
    mode = 0666
  }}
}}
"""
_OAUTH2 = """
tokeninfo_url = {url}?access_token=
introspection_mode = get
username_attribute = email
"""


class BearerSASL:
    """A Dovecot below `folder` that asks `tokeninfo_url` about tokens; a context manager: running inside, ended outside."""

    def __init__(self, folder: Path, tokeninfo_url: str) -> None:
        self.auth_socket = folder / "auth"
        self.log = Log(folder / "log")
        self._configuration = folder / "dovecot.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(folder=folder, address=LOOPBACK, auth_socket=self.auth_socket).lstrip("\n")
        )
        (folder / "oauth2.conf").write_text(_OAUTH2.format(url=tokeninfo_url))

    def __enter__(self) -> Self:
        self._process = Process("Dovecot (SASL)", ["dovecot", "-F", "-c", self._configuration], self.log)
        self._process.wait_until(self.auth_socket.exists, "Dovecot's SASL socket is there")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()
