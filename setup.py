"""Puts data/ into the wheel as memapp/data; all else stands in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithData(build_py):
    """Copies the modules, then the data beside the package."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in sorted(Path("data").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                target = Path(self.build_lib, "memapp", path)
                self.mkpath(str(target.parent))
                self.copy_file(str(path), str(target))


setup(cmdclass={"build_py": WithData})
