"""Dovecot as the SASL service of an OAuth2 Postfix: XOAUTH2 and OAUTHBEARER, each token asked about at an endpoint.

It delivers nothing; `dovecot.py` has the one that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import dovecot_configuration as configuration
from .process import Log, Process

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_CONFIGURATION = """
protocols =
auth_mechanisms = xoauth2 oauthbearer
ssl = no
"""
_USERS_2_3 = """
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nowhere
}
"""
_USERS_2_4 = """
userdb static {
  fields {
    uid = nobody
    gid = nogroup
    home = /nowhere
  }
}
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
        files = configuration.files(
            folder,
            auth_socket=self.auth_socket,
            oauth2=_OAUTH2.format(url=tokeninfo_url),
            more=_CONFIGURATION + configuration.in_language(of_2_3=_USERS_2_3, of_2_4=_USERS_2_4),
        )
        for name, text in files.items():
            (folder / name).write_text(text)

    def __enter__(self) -> Self:
        self._process = Process("Dovecot (SASL)", ["dovecot", "-F", "-c", self._configuration], self.log)
        self._process.wait_until(self.auth_socket.exists, "Dovecot's SASL socket is there")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()
