"""Real programs for the tests to talk to: each file starts one, on loopback, in a temporary folder.

A test asks for the fixture of the file's name. Programs are found in PATH and in the folder named by
`MODERNMAIL_SERVICES` (see `.ci/services`, which installs them all); one that is missing skips the test, or
fails it under `MODERNMAIL_REQUIRE_SERVICES=1`.
"""
