"""Everything a change must pass: `nox` runs it all, `nox -s NAME` a part of it.

Needs nothing but a Python that has nox; a Python version that is not there is skipped, never downloaded.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]
PYPROJECT = nox.project.load_toml("pyproject.toml")
COVERAGE = Path(".nox", "coverage-data").resolve()
# The tests of a file share its servers; in the order of the folders, which puts the slow files first. Four processes, since
# half of the time they wait.
SPREAD = ["-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"]

covered: list[str] = []  # the Python of this run that does the tests which only one has to do

nox.needs_version = ">=2025.5"
nox.options.sessions = ["lint", "types", "floors", "tests", "coverage", "docs"]
nox.options.default_venv_backend = "virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"


def group(name: str) -> list[str]:
    """The requirements of a dependency group of pyproject.toml."""
    return list(nox.project.dependency_groups(PYPROJECT, name))


@nox.session(tags=["quick"])
def lint(session: nox.Session) -> None:
    """Check style and format with ruff."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(tags=["quick"])
def types(session: nox.Session) -> None:
    """Check the package with mypy (strict), and what a user's type checker sees with pyright."""
    session.install("-e", ".[cli,inbox]", *group("types"))
    session.run("mypy")
    session.run("mypy", "tests/typing")
    session.run("pyright", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


@nox.session(tags=["quick"])
def floors(session: nox.Session) -> None:
    """Check that each file imports lower floors and its own package only."""
    session.install(".", *group("floors"))
    session.run("lint-imports", "--no-cache")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests against the built package; arguments go to pytest.

    The first Python of a run does everything and measures coverage; the others leave out what does not depend on
    the version.
    """
    install_package(session)
    if covered:
        run_module(session, "pytest", *SPREAD, "--skip-once", *session.posargs)
        return
    covered.append(str(session.python))
    shutil.rmtree(COVERAGE, ignore_errors=True)
    COVERAGE.mkdir(parents=True)
    run_module(
        session,
        *("coverage", "run", "-m", "pytest"),
        *SPREAD,
        *session.posargs,
        COVERAGE_FILE=str(COVERAGE / "data"),
    )


@nox.session
def coverage(session: nox.Session) -> None:
    """Add up what the last complete run of the tests covered, and fail below the threshold."""
    session.install(*group("coverage"))
    if not COVERAGE.is_dir():
        session.skip("no tests have run: none of the Pythons " + ", ".join(PYTHONS) + " is here")
    env = {"COVERAGE_FILE": str(COVERAGE / "data")}
    session.run("coverage", "combine", "--keep", "--quiet", env=env)
    session.run("coverage", "report", env=env)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    session.install("-e", ".[cli,inbox]", *group("docs"))
    build = ["sphinx-build", "-W", "--keep-going", "-E", "-q", "docs", "docs/_build/html"]
    session.run(*build)
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Search for inputs that break a promise, half a minute for each (FUZZ_SECONDS); arguments go to pytest."""
    install_package(session)
    run_module(session, "pytest", "-m", "fuzz", "--hypothesis-profile=fuzz", *session.posargs)


@nox.session
def figures(session: nox.Session) -> None:
    """Hold the delivery layers to their figures at full length; arguments go to pytest."""
    install_package(session)
    run_module(session, "pytest", "-m", "figures", *session.posargs)


@nox.session
def crash(session: nox.Session) -> None:
    """Kill real workers in the middle of their work and count the mails; arguments go to pytest."""
    install_package(session)
    run_module(session, "pytest", "-m", "crash", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Play every fault of the corpus in every mode; arguments go to pytest."""
    install_package(session)
    run_module(session, "pytest", "-m", "faults", *session.posargs)


@nox.session
def interop(session: nox.Session) -> None:
    """Send many messages through real servers, and show many to other people's readers; arguments go to pytest."""
    install_package(session)
    run_module(session, "pytest", "-m", "interop", *session.posargs)


@nox.session(python="3.13")
def bench(session: nox.Session) -> None:
    """Run benchmarks by name (`nox -s bench -- compose send --write`), beside their peers; without a name, list them."""
    install_package(session)
    session.install(*group("benchmarks"))
    npm = Path(session.virtualenv.location)
    if shutil.which("npm") and not (npm / "node_modules" / "nodemailer").is_dir():
        session.run("npm", "install", "--silent", "--prefix", str(npm), "nodemailer", external=True)
    known = {path.stem: path for path in sorted(Path("benchmarks").glob("[!_]*.py"))}
    names = [name for name in session.posargs if not name.startswith("-")]
    options = [name for name in session.posargs if name.startswith("-")]
    if unknown := [name for name in names if name not in known]:
        session.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known) or 'none yet'}")
    if not names:
        session.log("benchmarks: " + (", ".join(known) or "none yet"))
    for name in names:
        session.run("python", str(known[name]), *options, env={"MODERNMAIL_NPM": str(npm)})


def install_package(session: nox.Session) -> None:
    """Install the built package, as a user gets it, and what the tests need."""
    session.install(".[cli,inbox]", *group("test"))


def run_module(session: nox.Session, *command: str, **env: str) -> None:
    """Run a module's command so that it imports the installed package, not the folder beside this file."""
    session.run("python", "-P", "-m", *command, env=env)
