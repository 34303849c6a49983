"""The text of Postfix's main.cf, master.cf and recipient table, each line with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .process import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .certificates import Certificate

DOMAINS = ("example.com", "example.net", "example.org")
NOBODY = 65534  # owns the maildirs: any user that is not root would do

RECIPIENTS = r"""
/^refused[^@]*@/   550 5.1.1 No such mailbox here
/^deferred[^@]*@/  450 4.2.1 Mailbox busy, try again later
"""

_SERVICES = """
{listeners}
pickup     unix        n - n 60 1   pickup
cleanup    unix        n - n -  0   cleanup
qmgr       unix        n - n 300 1  qmgr
tlsmgr     unix        - - n 1000? 1 tlsmgr
rewrite    unix        - - n -  -   trivial-rewrite
bounce     unix        - - n -  0   bounce
defer      unix        - - n -  0   bounce
trace      unix        - - n -  0   bounce
verify     unix        - - n -  1   verify
flush      unix        n - n 1000? 0 flush
proxymap   unix        - - n -  -   proxymap
proxywrite unix        - - n -  1   proxymap
showq      unix        n - n -  -   showq
error      unix        - - n -  -   error
retry      unix        - - n -  -   error
discard    unix        - - n -  -   discard
virtual    unix        - n n -  -   virtual
anvil      unix        - - n -  1   anvil
scache     unix        - - n -  1   scache
postlog    unix-dgram  n - n -  1   postlogd
"""


def services(listeners: Mapping[int, Mapping[str, str]]) -> str:
    """Return master.cf: an SMTP server on each port, with settings of its own."""
    lines = [
        f"{LOOPBACK}:{port} inet n - n - - smtpd"
        + "".join(f" -o {name}={value}" for name, value in own.items())
        for port, own in listeners.items()
    ]
    return _SERVICES.format(listeners="\n".join(lines)).lstrip("\n")


def settings(folder: Path, *, message_size_limit: int) -> dict[str, str]:
    """Return main.cf for a Postfix below `folder`: it delivers for `DOMAINS` and relays nothing."""
    return {
        "compatibility_level": "3.6",
        "queue_directory": f"{folder}/queue",
        "data_directory": f"{folder}/data",
        "maillog_file": f"{folder}/log",
        "maillog_file_prefixes": f"{folder}",
        "inet_interfaces": LOOPBACK,
        "inet_protocols": "ipv4",
        "myhostname": "mx.example.com",
        "mydestination": "",
        "mynetworks": "",
        "alias_maps": "",
        "alias_database": "",
        "enable_long_queue_ids": "yes",
        "smtputf8_enable": "yes",
        "message_size_limit": str(message_size_limit),
        "virtual_mailbox_limit": "0",
        "virtual_mailbox_domains": " ".join(DOMAINS),
        "virtual_mailbox_base": f"{folder}/mail",
        "virtual_mailbox_maps": "static:all/",
        "virtual_uid_maps": f"static:{NOBODY}",
        "virtual_gid_maps": f"static:{NOBODY}",
        # whatever would leave this machine is an error, and DNS is never asked
        "relay_domains": "",
        "default_transport": "error:5.7.1 nothing leaves this server",
        "relay_transport": "error:5.7.1 nothing leaves this server",
        "disable_dns_lookups": "yes",
        "smtpd_peername_lookup": "no",
        "smtpd_relay_restrictions": "reject_unauth_destination",
        "smtpd_recipient_restrictions": f"check_recipient_access regexp:{folder}/config/recipients",
        # the content arrives as it was sent: no header dropped (Bcc by default), added or rewritten
        "message_drop_headers": "",
        "local_header_rewrite_clients": "",
        "remote_header_rewrite_domain": "",
        "smtpd_forbid_bare_newline": "reject",
        "smtpd_forbid_bare_newline_exclusions": "",
        # faults are tested on purpose: no penalty for making them
        "smtpd_error_sleep_time": "0",
        "smtpd_soft_error_limit": "100000",
        "smtpd_hard_error_limit": "100000",
        "smtpd_junk_command_limit": "100000",
        "smtpd_client_connection_count_limit": "0",
        "smtpd_client_connection_rate_limit": "0",
        "in_flow_delay": "0",
        "notify_classes": "",
    }


def tls_settings(certificate: Certificate) -> dict[str, str]:
    """Return what turns STARTTLS on."""
    return {
        "smtpd_tls_security_level": "may",
        **certificate_settings(certificate),
        "smtpd_tls_loglevel": "1",
        "smtpd_tls_received_header": "yes",
    }


def certificate_settings(certificate: Certificate) -> dict[str, str]:
    """Return what makes a server show this certificate."""
    return {
        "smtpd_tls_cert_file": str(certificate.chain_file),
        "smtpd_tls_key_file": str(certificate.key_file),
    }


def sasl_settings(socket: Path) -> dict[str, str]:
    """Return what turns AUTH on, over TLS only, with passwords checked at Dovecot's socket."""
    return {
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": str(socket),
        "smtpd_tls_auth_only": "yes",
    }
