"""Make `data/caniemail.json` from the data of the npm package `caniemail`.

`npm pack caniemail`, unpack it, then `python -m modernmail.lint.update package/`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent / "data"


def compact(source: dict[str, Any]) -> dict[str, Any]:
    """Return the latest result of each client for each feature, one letter each."""
    names = source["nicenames"]
    keys = sorted(
        {
            (family, platform)
            for f in source["data"]
            for family in f["stats"]
            for platform in f["stats"][family]
        }
    )
    clients = [
        f"{names['family'].get(family, family)}, {names['platform'].get(on, on)}" for family, on in keys
    ]
    features = {}
    for feature in source["data"]:
        letters = []
        for family, platform in keys:
            versions = feature["stats"].get(family, {}).get(platform, {})
            letters.append(list(versions.values())[-1][0] if versions else "-")
        features[feature["slug"]] = [feature["title"].strip(), "".join(letters)]
    return {
        "source": "https://www.caniemail.com, by way of the npm package caniemail",
        "licence": "MIT, see caniemail-LICENSE.txt",
        "date": source["last_update_date"][:10],
        "clients": clients,
        "features": dict(sorted(features.items())),
    }


def update(package: Path) -> None:
    """Write data and licence from the unpacked npm package."""
    made = compact(json.loads((package / "data" / "caniemail.json").read_text("utf-8")))
    lines = [
        f"  {json.dumps(slug)}: {json.dumps(value, ensure_ascii=False)}"
        for slug, value in made["features"].items()
    ]
    head = {key: value for key, value in made.items() if key != "features"}
    text = (
        json.dumps(head, ensure_ascii=False, indent=1)[:-2]
        + ',\n "features": {\n'
        + ",\n".join(lines)
        + "\n }\n}\n"
    )
    (_HERE / "caniemail.json").write_text(text, "utf-8")
    (_HERE / "caniemail-LICENSE.txt").write_text((package / "LICENSE").read_text("utf-8"), "utf-8")


if __name__ == "__main__":
    update(Path(sys.argv[1]))
