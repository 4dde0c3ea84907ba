"""What installed packages offer, as an installer leaves it on the path."""

from farsighted.report.views import DOOR


def offer_views(monkeypatch, folder, **points):
    """Install a package without code below a folder that offers these views: name to `module:function`."""
    place = folder / "site" / "offered-1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    lines = [f"[{DOOR.group}]", *(f"{name} = {value}" for name, value in points.items())]
    (place / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(folder / "site")
