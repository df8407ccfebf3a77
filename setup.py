"""Puts data/ into the wheel as memapp/data; all else stands in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


def data_files() -> list[str]:
    """The files below data/, relative to this folder."""
    files = sorted(path for path in Path("data").rglob("*") if path.is_file())
    return [str(path) for path in files if "__pycache__" not in path.parts]


class WithData(build_py):
    """Copies the modules, then the data beside the package; an editable install finds the data where it is."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name in data_files():
                target = Path(self.build_lib, "memapp", name)
                self.mkpath(str(target.parent))
                self.copy_file(name, str(target))

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *data_files()]


setup(cmdclass={"build_py": WithData})
