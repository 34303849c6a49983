"""Where sockets are: one wire opened by smtplib, one opened by aiosmtplib, and how a session is opened on either."""
