"""The text of Dovecot's files, in the language of the Dovecot that is here: that of 2.3 (Debian 12), or of 2.4 and later."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from .process import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from .certificates import Certificate

_FIRST_2_4 = """dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
"""
_EVERY = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
log_timestamp = "%Y-%m-%d %H:%M:%S "
auth_verbose = yes
listen = {address}
default_login_user = dovenull
default_internal_user = dovecot
auth_failure_delay = 0
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

_OAUTH2_2_3 = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
"""
_LOCAL_TOKENS_2_3 = """
introspection_mode = local
username_attribute = email
local_validation_key_dict = fs:posix:prefix={keys}/
"""
_LOCAL_TOKENS_2_4 = """
introspection_mode = local
username_attribute = email
oauth2_local_validation {{
  dict fs {{
    fs posix {{
      prefix = {keys}/
    }}
  }}
}}
"""

_DELIVERY = """
hostname = lmtp.example.com
first_valid_uid = 1
mail_plugins = quota
protocols = imap lmtp
auth_username_chars =
auth_mechanisms = plain login cram-md5 xoauth2 oauthbearer
ssl = yes
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
  unix_listener {lmtp_socket} {{
    mode = 0666
  }}
}}
"""
_DELIVERY_2_3 = """
auth_username_format = %u
mail_location = maildir:~/Maildir
disable_plaintext_auth = no
ssl_cert = <{certificate.chain_file}
ssl_key = <{certificate.key_file}
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5
  args = username_format=%u {users}
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {users}
}}
plugin {{
  quota = maildir:User quota
  quota_grace = 0
}}
"""
_DELIVERY_2_4 = """
auth_username_format = %{{user}}
mail_driver = maildir
mail_path = ~/Maildir
mail_attachment_detection_options =
auth_allow_cleartext = yes
ssl_server_cert_file = {certificate.chain_file}
ssl_server_key_file = {certificate.key_file}
passdb passwd-file {{
  mechanisms_filter = plain login cram-md5
  passwd_file_path = {users}
}}
userdb passwd-file {{
  passwd_file_path = {users}
}}
quota "User quota" {{
  driver = maildir
  storage_grace = 0
}}
"""


@cache
def version() -> tuple[int, int]:
    """Return the first two numbers of the installed Dovecot's version."""
    said = subprocess.run(
        ["dovecot", "--version"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    numbers = re.match(r"(\d+)\.(\d+)", said)
    if numbers is None:
        raise AssertionError(f"`dovecot --version` says {said!r}, which is no version")
    return int(numbers[1]), int(numbers[2])


def in_language(*, of_2_3: str, of_2_4: str) -> str:
    """Return the text that the installed Dovecot understands."""
    return of_2_3 if version() < (2, 4) else of_2_4


def files(folder: Path, *, auth_socket: Path, oauth2: str, more: str) -> dict[str, str]:
    """Return each file's name and text: what every Dovecot here needs, how it judges tokens (`oauth2`), and `more`."""
    every = _EVERY.format(folder=folder, address=LOOPBACK, auth_socket=auth_socket)
    if version() < (2, 4):
        return {"dovecot.conf": every + _OAUTH2_2_3.format(folder=folder) + more, "oauth2.conf": oauth2}
    return {"dovecot.conf": _FIRST_2_4 + every + f"oauth2 {{{oauth2}}}\n" + more}


def delivery(
    *, lmtp_port: int, lmtp_socket: Path, imap_port: int, certificate: Certificate, users: Path
) -> str:
    """Return the settings of LMTP, of IMAP and of users (a passwd-file) who log in by password or by token."""
    more = _DELIVERY + in_language(of_2_3=_DELIVERY_2_3, of_2_4=_DELIVERY_2_4)
    return more.format(
        lmtp_port=lmtp_port,
        lmtp_socket=lmtp_socket,
        imap_port=imap_port,
        certificate=certificate,
        users=users,
    )


def local_tokens(keys: Path) -> str:
    """Return the OAuth2 settings for tokens that are checked with the keys in that folder, and name a user by email."""
    form = in_language(of_2_3=_LOCAL_TOKENS_2_3, of_2_4=_LOCAL_TOKENS_2_4)
    return form.format(keys=keys)


def full_mailbox() -> str:
    """Return the field of a passwd-file that leaves a user no room."""
    return in_language(of_2_3="userdb_quota_rule=*:bytes=1", of_2_4="userdb_quota_storage_size=1B")
