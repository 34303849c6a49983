"""The command line: `modernmail send`, `check`, `demo` …, one file each (extra `cli`: click and rich).

`__main__` starts it, `app` knows which commands there are, `terminal` how things are shown. A command is imported when
it is called.
"""
