"""A project's models made from any release of transformers in memory, for whoever asks for texts and writes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from building.batch import BuildSetting, convert_family
from building.cache import Cache, default_folder
from building.casing import read_casing
from building.jobs import Outcome
from building.library import Library
from building.order import gather
from building.stage import Stage
from building.tools import SHIPPED_CONFIG, fingerprint
from building.workspace import find_transformers, jobs_along, project_jobs, read_release, select


def convert_models(
    names: Iterable[str], package: Path, project: Path, stage: Stage, processes: int = 1
) -> tuple[list[Outcome], BuildSetting]:
    """The outcomes of some models and of what they stand on, all with their texts, and how they were made.

    Args:
        names: of models, as for `--model`.
        package: the folder of a transformers.
        project: what holds modular/ and generated/.
        stage: what stands before the expansion.
        processes: at most so many at a time.

    Raises:
        ConversionError: a name means nothing.
    """
    known = project_jobs(read_release(package), strict=True, project=project)
    along = jobs_along(known, read_release(package), strict=True, project=project)
    wanted = select(known, names, project / "modular")
    family = gather(wanted, [*known, *along], lambda job: True, stage.stands_on)
    casing, folder = read_casing(package) or read_casing(find_transformers()), default_folder()
    setting = BuildSetting(
        library=Library({**stage.roots, "transformers": package, "generated": project / "generated"}),
        casing=casing,
        ruff_config=SHIPPED_CONFIG,
        fingerprint=fingerprint(casing, SHIPPED_CONFIG, stage.code),
        cache=Cache(folder) if folder else None,
        processes=processes,
        keep_texts=True,
        convert=stage.convert,
    )
    return convert_family(family, setting, lambda outcome: None), setting
